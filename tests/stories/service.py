"""The service as an operator runs it: a process of its own, that can be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from server.store.embedded import BECOME_SERVER

ROOT = Path(__file__).resolve().parents[2]
START_PATIENCE = 60.0


@dataclass
class Service:
    """One node. Its data directory outlives it. With a public address of its own, it is told its port as well."""

    data_dir: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def operator_key(self) -> str:
        return str(self.told["operator_key"])

    async def start(self) -> None:
        """Start the process and read the line it prints when it is ready; a port once taken is kept."""
        command = [sys.executable, "-I", "-S", "-c", BECOME_SERVER, str(os.getpid())]  # it ends with the tests
        command += [sys.executable, "-m", "server", "serve", "--demo", "--print-json", "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir), *self.options]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CARELOBBY_")} | self.environment
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log)
        log.close()
        stdout = self.process.stdout
        assert stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(stdout.readline), START_PATIENCE)
        assert line, "the service ended before it was ready: " + self.log()[-2000:]
        self.told = json.loads(line)
        self.port = self.port or int(self.told["url"].rpartition(":")[2])

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it as an operator does."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        await asyncio.to_thread(process.wait, 30)
        if process.stdout is not None:
            process.stdout.close()

    async def figure(self, name: str) -> float:
        """Return one of `/metrics`."""
        lines = (await self._get("/metrics")).text.splitlines()
        (value,) = [line.split()[1] for line in lines if line.startswith(f"carelobby_{name} ")]
        return float(value)

    async def ready(self) -> int:
        """Return the status of `/readyz`: 200, or 503."""
        return (await self._get("/readyz")).status_code

    async def _get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url) as client:
            return await client.get(path)

    def log(self) -> str:
        """Return everything the service has logged."""
        path = self.data_dir.parent / f"{self.data_dir.name}.log"
        return path.read_text() if path.exists() else ""
