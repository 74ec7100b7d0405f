"""Sends what is due when it is due: many streams, one clock."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Final, Protocol

TICK: Final = 0.001
"""Seconds between two looks; a packet is late by half of it on average."""

Way = Callable[[bytes], None]


class Due(Protocol):
    """What has something to send, again and again."""

    @property
    def counted(self) -> bool:
        """Whether its packets are media."""

    def begin(self, now: float) -> float:
        """Return when the first is due."""

    def next(self) -> tuple[bytes, float]:
        """Return what is due, empty if nothing after all, and when the one after it is."""


class Pacer:
    """Open loop: what came too late goes out at once, and how late it was is remembered. Streams may come and go."""

    def __init__(self) -> None:
        self.latest = 0.0
        """By how many seconds a packet was sent too late at worst."""
        self.sent = 0
        self._streams: dict[Due, Way] = {}
        self._due: list[tuple[float, int, Due]] = []
        self._numbers = itertools.count()
        self._running = False

    def add(self, stream: Due, way: Way) -> None:
        """Send that stream there, as long as `run` does."""
        self._streams[stream] = way
        if self._running:
            self._begin(stream, time.monotonic())

    def drop(self, stream: Due) -> None:
        """Send it no more."""
        self._streams.pop(stream, None)

    def _begin(self, stream: Due, now: float) -> None:
        heapq.heappush(self._due, (stream.begin(now), next(self._numbers), stream))

    async def run(self, seconds: float) -> int:
        """Send for so long; return how many packets of media."""
        begun, had = time.monotonic(), self.sent
        self._running = True
        for stream in self._streams:
            self._begin(stream, begun)
        try:
            while (now := time.monotonic()) < begun + seconds:
                self._send(now)
                await asyncio.sleep(TICK)
        finally:
            self._running = False
            self._due.clear()
        return self.sent - had

    def _send(self, now: float) -> None:
        """Send all that is due."""
        due = self._due
        while due and due[0][0] <= now:
            at, number, stream = due[0]
            way = self._streams.get(stream)
            if way is None:
                heapq.heappop(due)
                continue
            packet, then = stream.next()
            if packet:
                way(packet)
            heapq.heapreplace(due, (then, number, stream))
            self.latest = max(self.latest, now - at)
            self.sent += stream.counted
