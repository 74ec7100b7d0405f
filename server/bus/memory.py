"""News of rooms within one process: what the memory store publishes, delivered in the next tick."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from server.ports import Deliver, Gap

Events = Sequence[tuple[int, bytes | None]]


class Air:
    """What all memory buses of a test share, as nodes share a Redis. `publish` is given to the memory store."""

    def __init__(self) -> None:
        self._listening: dict[str, set[MemoryBus]] = defaultdict(set)

    def publish(self, room: str, events: Events) -> None:
        """Deliver soon, in order, to whoever listens now."""
        loop = asyncio.get_running_loop()
        for bus in self._listening.get(room, ()):
            loop.call_soon(bus.hear, room, events)

    def lose(self) -> None:
        """Tell all that something may have been missed, as after a broken connection."""
        for bus in set().union(*self._listening.values()):
            bus.gap()

    def listen(self, room: str, bus: MemoryBus) -> None:
        """Deliver news of `room` to `bus` from now on."""
        self._listening[room].add(bus)

    def ignore(self, room: str, bus: MemoryBus) -> None:
        """Deliver no more of it."""
        self._listening[room].discard(bus)


class MemoryBus:
    """`Bus` in memory."""

    def __init__(self, air: Air, deliver: Deliver, gap: Gap) -> None:
        self._air = air
        self._deliver = deliver
        self._rooms: set[str] = set()
        self.gap = gap

    async def subscribe(self, room: str) -> None:
        """Listen to a room."""
        self._rooms.add(room)
        self._air.listen(room, self)

    async def unsubscribe(self, room: str) -> None:
        """Listen no more."""
        self._rooms.discard(room)
        self._air.ignore(room, self)

    async def close(self) -> None:
        """Listen to nothing any more."""
        for room in list(self._rooms):
            await self.unsubscribe(room)

    def hear(self, room: str, events: Events) -> None:
        """Take what was published (called by `Air`)."""
        if room in self._rooms:
            self._deliver(room, events)
