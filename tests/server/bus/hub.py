"""A hub that writes down what a bus tells it, and can wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

News = tuple[str, int, bytes | None]


class Hub:
    """What was heard, as (room, seq, payload), and how often something may have been missed."""

    def __init__(self) -> None:
        self.heard: list[News] = []
        self.letters: list[bytes] = []
        self.calls: list[tuple[str, bytes]] = []
        self.gaps = 0
        self._changed = asyncio.Event()

    def deliver(self, room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
        self.heard.extend((room, seq, payload) for seq, payload in events)
        self._changed.set()

    def letter(self, letter: bytes) -> None:
        self.letters.append(letter)
        self._changed.set()

    def called(self, room: str, letter: bytes) -> None:
        self.calls.append((room, letter))
        self._changed.set()

    def gap(self) -> None:
        self.gaps += 1
        self._changed.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        """Return when `claim` holds; fail after five seconds."""
        async with asyncio.timeout(5):
            while not claim():
                self._changed.clear()
                await self._changed.wait()
