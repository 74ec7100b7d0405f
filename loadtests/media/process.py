"""A system under test in a process of its own: asked by a line, answers with a line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds that an answer may take."""


class Missing(Exception):
    """Something is not installed. The message says what."""


class Host:
    """The process. Use as `async with`; leaving ends it."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` reads lines and answers each; it ends when there are no more."""
        self._command = command
        self._lock = asyncio.Lock()

    @classmethod
    def python(cls, module: str, *arguments: str) -> Host:
        """Return one of our own modules."""
        return cls((sys.executable, "-m", module, *arguments))

    @classmethod
    def c(cls, source: Path, library: str, directory: Path, *arguments: str) -> Host:
        """Return a program in C, compiled into a directory. Raise `Missing`."""
        compiler, program = shutil.which("gcc"), str(directory / source.stem)
        if compiler is None:
            raise Missing("no gcc")
        command = (compiler, "-O2", "-o", program, str(source), f"-l{library}", "-lpthread")
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a source of ours
        if made.returncode:
            raise Missing(f"no development files of lib{library}" if library in made.stderr else "it does not compile")
        return cls((program, *arguments))

    async def __aenter__(self) -> Self:
        """Begin."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, cwd=ROOT, env=dict(os.environ), limit=1 << 20
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    async def ask(self, line: str) -> dict[str, Any]:
        """Say a line and return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        async with self._lock:
            self._process.stdin.write(line.encode() + b"\n")
            answer = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        if not answer:
            raise RuntimeError(f"{self._command[-2:]} ended before it answered")
        said: dict[str, Any] = json.loads(answer)
        if "error" in said:
            raise RuntimeError(str(said["error"]))
        return said

    async def do(self, what: str, **fields: Any) -> dict[str, Any]:
        """Ask with JSON."""
        return await self.ask(json.dumps({"do": what, **fields}))

    async def usage(self) -> dict[str, float]:
        """Return what it has used: `cpu` in seconds, and what else it tells."""
        return await self.ask("usage")
