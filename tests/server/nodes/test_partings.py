"""A right that is taken away ends the connections at every node, and those of nobody else."""

from __future__ import annotations

import asyncio

from server.bus.memory import Air, MemoryBus
from server.nodes.partings import Partings
from server.ports import StoreAway


class Place:
    """A node, and what it closed."""

    def __init__(self, air: Air, name: str) -> None:
        self.closed: list[tuple[str, int]] = []
        self.others: list[bytes] = []
        self.bus = MemoryBus(air, lambda room, events: None, lambda: None, node=name, called=self._called)
        self.partings = Partings(self.bus, close_room=self._close, close=self._close)

    def _close(self, what: str, code: int) -> None:
        self.closed.append((what, code))

    def _called(self, room: str, letter: bytes) -> None:
        if not self.partings.called(room, letter):
            self.others.append(letter)


async def settled() -> None:
    """Return when all that was called has arrived."""
    for _ in range(20):
        await asyncio.sleep(0)


async def two_places() -> tuple[Place, Place]:
    air = Air()
    one, two = Place(air, "one"), Place(air, "two")
    for place in (one, two):
        await place.bus.subscribe("room_1")
    return one, two


async def test_a_deleted_room_is_closed_at_every_node_that_listens_to_it() -> None:
    one, two = await two_places()

    await one.partings.room("room_1", 4512)
    await one.partings.room("room_2", 4512)
    await settled()

    assert ("room_1", 4512) in one.closed
    assert ("room_2", 4512) in one.closed
    assert set(two.closed) == {("room_1", 4512)}


async def test_the_named_connections_are_closed_and_no_others() -> None:
    one, two = await two_places()

    await two.partings.connections("room_1", ["con_1", "con_2"], 4512)
    await settled()

    assert set(one.closed) == set(two.closed) == {("con_1", 4512), ("con_2", 4512)}


async def test_what_else_is_called_to_a_room_is_left_to_others() -> None:
    one, two = await two_places()

    await one.bus.call("room_1", b"\x93\xa3one")
    await settled()

    assert two.others == [b"\x93\xa3one"]
    assert one.closed == two.closed == []


async def test_while_the_store_is_away_this_node_closes_all_the_same() -> None:
    class Away:
        async def post(self, node: str, letter: bytes) -> None:
            raise StoreAway

        async def call(self, room: str, letter: bytes) -> None:
            raise StoreAway

    closed: list[str] = []
    partings = Partings(
        Away(), close_room=lambda room, code: closed.append(room), close=lambda connection, code: closed.append("")
    )

    await partings.room("room_1", 4512)

    assert closed == ["room_1"]
