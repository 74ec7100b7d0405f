"""What a worker and its parent say to one another, by a socket that both hold: lines of JSON, each a message."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

MOST: Final = 1 << 22
"""Bytes of one line: every worker's figures."""


class Ready(Struct, frozen=True, tag=True):
    """The worker answers; what there is to be told of the service, for programs and for people."""

    json: dict[str, Any]
    text: str


class AskFigures(Struct, frozen=True, tag=True):
    """To a worker: its own figures are wanted. To the parent: those of all."""

    id: int


class Figures(Struct, frozen=True, tag=True):
    """Prometheus texts."""

    id: int
    texts: list[str]


Message = Ready | AskFigures | Figures

_TO_JSON = msgspec.json.Encoder()
_FROM_JSON: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Link:
    """One end. `async for` yields what comes, until the other end is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Return the link over this end of a pair, which it owns from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=MOST))

    def send(self, message: Message) -> None:
        """Say something; nobody hears it if the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(_TO_JSON.encode(message) + b"\n")

    def close(self) -> None:
        """Say and hear no more."""
        self._writer.close()

    async def __aiter__(self) -> AsyncIterator[Message]:
        try:
            while line := await self._reader.readline():
                yield _FROM_JSON.decode(line)
        except ConnectionError:
            return


class Questions:
    """Answers that are waited for, by number."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[int, asyncio.Future[list[str]]] = {}

    async def ask(self, link: Link, patience: float) -> list[str]:
        """Return the figures from the other end; none, if it does not answer in so many seconds."""
        self._last += 1
        id, answer = self._last, asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        link.send(AskFigures(id))
        try:
            async with asyncio.timeout(patience):
                return list(await answer)
        except TimeoutError:
            return []
        finally:
            del self._waiting[id]

    def take(self, answer: Figures) -> None:
        """Take an answer, unless nobody waits for it any more."""
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.texts)
