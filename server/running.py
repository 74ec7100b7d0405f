"""How a process begins and ends: the socket, the signals, uvicorn between them, and its farewell to browsers."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from server import tasks

STOPPED_BY = (signal.SIGTERM, signal.SIGINT)


class CannotStart(Exception):
    """The service cannot start; the text is one sentence that says why and what to do."""


def cannot_use(problem: OSError) -> CannotStart:
    """Return what to say of a file or socket that cannot be used."""
    return CannotStart(
        f"Cannot use {problem.filename or 'a file or socket'} ({problem.strerror}): check who owns it, "
        "and the space and descriptors that are left."
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a port in use is known before anything else starts. Raise `CannotStart`."""
    listening = bind(host, port, listen=True)
    listening.setblocking(False)
    return listening


def hold(host: str, port: int) -> socket.socket:
    """Return a socket that keeps the port for others of this user to `bind` as shared. Raise `CannotStart`."""
    # A shared port lets another service of the same user in, so it is first tried as one's own.
    with bind(host, port, listen=True) as alone:
        port = alone.getsockname()[1]
    return bind(host, port, shared=True)


def bind(host: str, port: int, *, listen: bool = False, shared: bool = False) -> socket.socket:
    """Return a socket that is bound, and listens if so. Raise `CannotStart`.

    `shared`: among those that listen at this port the kernel deals new connections out.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
        if listen:
            bound.listen(2048)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} is in use: stop what uses it, or choose another with --port (0 takes a free one)."
            ) from error
        raise CannotStart(
            f"Cannot listen on {host}:{port} ({error.strerror}): choose another --host or --port."
        ) from error
    return bound


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], None]]:
    """Let the first SIGTERM or SIGINT cancel the present task; after the yielded function was called, none does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"

    def stopped() -> None:
        for number in STOPPED_BY:
            loop.add_signal_handler(number, lambda: None)

    def stop() -> None:
        stopped()
        task.cancel()

    for number in STOPPED_BY:
        loop.add_signal_handler(number, stop)
    yield stopped


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` beside the rest and cancel it at the end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await tasks.end(task)
        if not task.cancelled():
            task.result()


class Server(uvicorn.Server):
    """uvicorn, with a word when it is ready and a farewell to browsers before it closes."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], drain: Callable[[], Awaitable[None]]
    ) -> None:
        """`started` is called once it answers; `drain` is awaited while it still does, before it closes."""
        super().__init__(config)
        self._on_started = started
        self._drain = drain

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and let our own farewells follow: uvicorn would end the process with the same signal."""
        loop = asyncio.get_running_loop()
        for number in STOPPED_BY:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await super().shutdown(sockets)
