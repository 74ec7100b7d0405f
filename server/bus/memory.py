"""News of rooms within one process: what the memory store publishes, delivered in the next tick."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from server.ports.bus import Called, Deliver, Gap, Letter

Events = Sequence[tuple[int, bytes | None]]


class Air:
    """What all memory buses of a test share, as nodes share a Redis. `publish` is given to the memory store."""

    def __init__(self) -> None:
        self._listening: dict[str, set[MemoryBus]] = defaultdict(set)
        self._nodes: dict[str, MemoryBus] = {}

    def publish(self, room: str, events: Events) -> None:
        """Deliver soon, in order, to whoever listens now."""
        loop = asyncio.get_running_loop()
        for bus in self._listening.get(room, ()):
            loop.call_soon(bus.hear, room, events)

    def call(self, room: str, letter: bytes) -> None:
        """Let whoever listens to a room hear a call soon."""
        loop = asyncio.get_running_loop()
        for bus in self._listening.get(room, ()):
            loop.call_soon(bus.hear_call, room, letter)

    def post(self, node: str, letter: bytes) -> None:
        """Bring a letter to a node soon, if it is there."""
        bus = self._nodes.get(node)
        if bus is not None:
            asyncio.get_running_loop().call_soon(bus.letter, letter)

    def lose(self) -> None:
        """Tell all that something may have been missed, as after a broken connection."""
        for bus in set().union(*self._listening.values()):
            bus.gap()

    def move_in(self, node: str, bus: MemoryBus) -> None:
        """Bring letters for `node` to `bus` from now on."""
        self._nodes[node] = bus

    def move_out(self, node: str) -> None:
        """Bring it no more letters."""
        self._nodes.pop(node, None)

    def listen(self, room: str, bus: MemoryBus) -> None:
        """Deliver news of `room` to `bus` from now on."""
        self._listening[room].add(bus)

    def ignore(self, room: str, bus: MemoryBus) -> None:
        """Deliver no more of it."""
        self._listening[room].discard(bus)


class MemoryBus:
    """`Bus` and `Post` in memory."""

    def __init__(
        self,
        air: Air,
        deliver: Deliver,
        gap: Gap,
        *,
        node: str = "",
        letter: Letter = lambda letter: None,
        called: Called = lambda room, letter: None,
    ) -> None:
        self._air = air
        self._deliver = deliver
        self._node = node
        self._rooms: set[str] = set()
        self._called = called
        self.gap = gap
        self.letter = letter
        if node:
            air.move_in(node, self)

    async def subscribe(self, room: str) -> None:
        """Listen to a room."""
        self._rooms.add(room)
        self._air.listen(room, self)

    async def unsubscribe(self, room: str) -> None:
        """Listen no more."""
        self._rooms.discard(room)
        self._air.ignore(room, self)

    async def post(self, node: str, letter: bytes) -> None:
        """Send a letter to one node."""
        self._air.post(node, letter)

    async def call(self, room: str, letter: bytes) -> None:
        """Send a letter to every node that is subscribed to a room."""
        self._air.call(room, letter)

    async def close(self) -> None:
        """Listen to nothing any more."""
        self._air.move_out(self._node)
        for room in list(self._rooms):
            await self.unsubscribe(room)

    def hear(self, room: str, events: Events) -> None:
        """Take news, if the room is still wanted."""
        if room in self._rooms:
            self._deliver(room, events)

    def hear_call(self, room: str, letter: bytes) -> None:
        """Take a call, if the room is still wanted."""
        if room in self._rooms:
            self._called(room, letter)
