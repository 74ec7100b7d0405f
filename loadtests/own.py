"""A service of one's own: begun in a fresh directory, ended with everything that it kept."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
START_WITHIN, END_WITHIN = 60.0, 30.0


class Own(NamedTuple):
    """Where it is, the operator's key, and what it logs."""

    url: str
    operator_key: str
    log: Path

    def text(self) -> str:
        """Return everything that it has logged."""
        return self.log.read_text(errors="replace")


@asynccontextmanager
async def own_service(*options: str) -> AsyncIterator[Own]:
    """Run one with options of `run.py serve`. Raise `LookupError` if it does not start, and show what it logged."""
    with tempfile.TemporaryDirectory(prefix="soak") as directory:
        log = Path(directory, "log")
        words = ("-m", "server", "serve", "--demo", "--print-json", "--port", "0", "--data-dir", f"{directory}/var")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CARELOBBY_")}
        told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words, *options), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=told
        )
        os.close(told)
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN)
            said: dict[str, Any] = json.loads(line or b"{}")
            yield Own(said["url"], said["operator_key"], log)
        except BaseException:
            print(f"the service's last words:\n{Own('', '', log).text()[-2000:]}", file=sys.stderr)
            raise
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), END_WITHIN)
            except TimeoutError:
                process.kill()
                await process.wait()
