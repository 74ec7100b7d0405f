"""A real server for tests: a child on a unix socket, or on a port of loopback, and the knobs that a test turns."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import hiredis

from server.redis_link.link import pack
from server.store.embedded import BECOME_SERVER, packaged_binary

T = TypeVar("T")


def packaged() -> str:
    """The server program that comes along with the service."""
    binary = packaged_binary()
    assert binary, "the locked requirements hold one"
    return str(binary)


def debians() -> str:
    """Debian's redis-server, the oldest that we run on; `run.py test` found or installed it."""
    found = shutil.which("redis-server")
    assert found, "python3 run.py test installs redis-server, or says how"
    return found


def until(claim: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """Return what `claim` does, as soon as that is something."""
    give_up = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < give_up, what
        time.sleep(0.01)
    return found


class Ports:
    """Ports of loopback that nobody else is given until they are closed; servers may listen there, and start again."""

    def __init__(self, number: int) -> None:
        self._sockets = [socket.socket() for _ in range(number)]
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        self.numbers: list[int] = [each.getsockname()[1] for each in self._sockets]

    def close(self) -> None:
        for each in self._sockets:
            each.close()


class Valkey:
    """A server in a directory of its own. The path is short: a socket's path must have less than 108 bytes."""

    def __init__(self, *settings: str, binary: str = "", port: int = 0) -> None:
        """`settings`: further words of its command line. With a `port` it has no socket."""
        self.directory = Path(tempfile.mkdtemp(prefix="vk", dir="/tmp"))
        self.path = self.directory / "s"
        self.port = port
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{self.path}"
        self._command = [binary or packaged(), *settings]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def begin(self, *settings: str) -> None:
        """Start, with further settings for this run, and do not wait until it answers."""
        where = (
            ("--port", str(self.port), "--bind", "127.0.0.1")
            if self.port
            else ("--port", "0", "--unixsocket", str(self.path))
        )
        common = (*where, "--dir", str(self.directory), "--save", "")
        program, *own = self._command
        command = (program, *own, *settings) if "--sentinel" in own else (program, *own, *common, *settings)
        self._process = subprocess.Popen(
            # It ends with the tests, however they end.
            [sys.executable, "-I", "-S", "-c", BECOME_SERVER, str(os.getpid()), *command],
            stdout=subprocess.DEVNULL,
        )

    def start(self, *settings: str) -> None:
        """Start, and wait until it answers."""
        self.begin(*settings)
        self.wait()

    def wait(self) -> None:
        until(self._answers, "the server did not start")

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self.runs:
            self.resume()
            self.kill()
        shutil.rmtree(self.directory)

    def freeze(self) -> None:
        """Keep every connection open, and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, *command: str | bytes | int) -> Any:
        """Send a command on a connection of its own, past everything under test."""
        return self.commands(command)[0]

    def commands(self, *commands: Sequence[str | bytes | int]) -> list[Any]:
        """Send commands on one connection."""
        replies: list[Any] = []
        with socket.socket(socket.AF_INET if self.port else socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(("127.0.0.1", self.port) if self.port else str(self.path))
            connection.sendall(b"".join(pack(*command) for command in commands))
            reader = hiredis.Reader()
            while len(replies) < len(commands):
                if (reply := reader.gets()) is not False:
                    replies.append(reply)
                elif data := connection.recv(65536):
                    reader.feed(data)
                else:
                    raise ConnectionError
        return replies

    def told(self, section: str) -> dict[str, str]:
        """What INFO says in one of its sections."""
        lines = self.command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def at(self, key: str) -> Valkey:
        """Return the server that has the key: itself."""
        return self

    def everywhere(self, *command: str | int) -> list[Any]:
        """Send a command to all servers that take writes: this one."""
        return [self.command(*command)]

    def flush(self) -> None:
        """Forget everything."""
        self.everywhere("FLUSHALL")

    def pass_time(self, ms: int) -> None:
        """Bring the end of all keys nearer, as if `ms` had passed."""
        for key in self.command("KEYS", "*"):
            left = self.command("PTTL", key)
            if left >= 0:
                self.command("PEXPIRE", key, left - ms)

    def on_disk(self) -> bytes:
        """Return every byte the server keeps in files."""
        return b"".join(path.read_bytes() for path in sorted(self.directory.rglob("*")) if path.is_file())

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING") == b"PONG")
        except OSError:
            return False
