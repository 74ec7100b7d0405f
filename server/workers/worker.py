"""One worker as its parent sees it: a process, what it says, and what it is asked."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Self

from server.workers.link import AskFigures, Figures, Link, Questions, Ready
from server.workers.parent import Place

PATIENCE: Final = 1.0
"""Seconds that a worker's figures are waited for."""
STOP_WAIT: Final = 30.0
"""Seconds that a worker has to send everybody away and to end."""


class Worker:
    """One run of a worker."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, link: Link) -> None:
        self.number = number
        self.ready: asyncio.Future[Ready | None] = asyncio.get_running_loop().create_future()
        """What it says when it answers; None, if it ends before that."""
        self._over = False
        self._process = process
        self._link = link
        self._questions = Questions()

    @classmethod
    async def spawn(cls, number: int, of: int, command: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Start worker `number` of so many by the service's own command. Call from the main thread."""
        ours, its = socket.socketpair()
        with its:
            place = Place(number, of, its.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", *command, "--as-worker", str(place)),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,  # Ctrl-C is for the parent, which then tells all to stop
            )
        ours.setblocking(False)
        return cls(number, process, await Link.over(ours))

    @property
    def is_ready(self) -> bool:
        """Whether it answers."""
        return self.ready.done() and not self._over

    async def run(self, asks: Callable[[Worker, int], None]) -> int:
        """Hear what it says until it ends; return its exit code. `asks` hears when it wants everybody's figures."""
        async for message in self._link:
            match message:
                case Ready():
                    self.ready.set_result(message)
                case AskFigures(id):
                    asks(self, id)
                case Figures():
                    self._questions.take(message)
        self._link.close()
        self._over = True
        if not self.ready.done():
            self.ready.set_result(None)
        return await self._process.wait()

    async def figures(self) -> list[str]:
        """Return its figures; none if it is not there, or does not answer."""
        return await self._questions.ask(self._link, PATIENCE) if self.is_ready else []

    def answer(self, id: int, texts: list[str]) -> None:
        """Tell it everybody's figures."""
        self._link.send(Figures(id, texts))

    async def stop(self) -> None:
        """Let it send everybody away and end; by force after a while."""
        for how, patience in ((signal.SIGTERM, STOP_WAIT), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                self._process.send_signal(how)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._process.wait()
                    return
