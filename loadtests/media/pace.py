"""Sends what is due when it is due: many streams, one clock."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable

from loadtests.media.traffic import Stream

TICK = 0.001
"""Seconds between two looks; a packet is late by half of it on average."""


class Pacer:
    """Open loop: what came too late goes out at once, and how late it was is remembered."""

    def __init__(self) -> None:
        self.streams: list[tuple[Stream, Callable[[bytes], None]]] = []
        self.latest = 0.0
        """By how many seconds a packet was sent too late at worst."""

    def add(self, stream: Stream, send: Callable[[bytes], None]) -> None:
        """Send that stream there, from the next `run` on."""
        self.streams.append((stream, send))

    async def run(self, seconds: float) -> int:
        """Send for so long; return how many packets."""
        begun = time.monotonic()
        due = [(stream.begin(begun), number) for number, (stream, _) in enumerate(self.streams)]
        heapq.heapify(due)
        sent = 0
        while (now := time.monotonic()) < begun + seconds:
            while due and due[0][0] <= now:
                at, number = due[0]
                stream, send = self.streams[number]
                packet, then = stream.next()
                send(packet)
                heapq.heapreplace(due, (then, number))
                self.latest = max(self.latest, now - at)
                sent += 1
            await asyncio.sleep(TICK)
        return sent
