"""What a worker knows of its parent: which of how many it is, and the socket between them. It ends when that does."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from server.workers.link import AskFigures, Figures, Link, Questions, Ready

PATIENCE: Final = 2.0
"""Seconds that everybody's figures are waited for; the parent gives each worker less."""
PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker this process is. Written as an option of its command, by the parent alone."""

    number: int
    """From 1."""
    of: int
    descriptor: int
    """Its end of the socket to its parent."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` wrote. Raise `ValueError`."""
        number, of, descriptor = map(int, text.split("/"))
        return cls(number, of, descriptor)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}/{self.descriptor}"


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; elsewhere it notices by the socket between them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Parent:
    """The parent, from its worker's side."""

    def __init__(self, link: Link, own: Callable[[], bytes]) -> None:
        """`own` returns this worker's figures."""
        self._link = link
        self._own = own
        self._questions = Questions()

    @classmethod
    async def of(cls, place: Place, own: Callable[[], bytes]) -> Self:
        """Return the parent of this worker."""
        return cls(await Link.over(socket.socket(fileno=place.descriptor)), own)

    def ready(self, json: dict[str, Any], text: str) -> None:
        """Tell that this worker answers."""
        self._link.send(Ready(json, text))

    async def figures(self) -> list[str]:
        """Return the figures of all workers, this one included; of this one alone if the parent does not answer."""
        return await self._questions.ask(self._link, PATIENCE) or [self._own().decode()]

    async def run(self) -> None:
        """Answer the parent for as long as there is one. Nothing is left to be done when it is gone."""
        try:
            async for message in self._link:
                match message:
                    case AskFigures(id):
                        self._link.send(Figures(id, [self._own().decode()]))
                    case Figures():
                        self._questions.take(message)
        finally:
            self._link.close()
        os.kill(os.getpid(), signal.SIGKILL)
