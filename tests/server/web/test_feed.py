"""Order does not matter: whatever the bus does to the news of a room, everybody sees its events once each, in order.

A hundred thousand histories, each with its own news lost, late, twice, in another order
or without content, end as the room itself does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.ports import StoreAway
from server.web.feed import Feed
from server.web.hub import Hub
from server.web.session import Session
from server.web.stored_event import Event, encode
from signaling.effects import Told
from signaling.messages import WaitingChanged

HISTORIES = 100_000
LONGEST = 12
"""Events in a history."""
EPOCH = "ep_1"

Seen = tuple[int, ...]
"""Which events went into what a page shows, in order."""


def payload(seq: int) -> bytes:
    message = WaitingChanged(status="late", minutes=seq, epoch=EPOCH, seq=seq, at=0, version=seq)
    return encode(Told(("par_ann",), message))


PAYLOADS = {seq: payload(seq) for seq in range(1, LONGEST + 1)}


class Page:
    """A connection whose page keeps every event it is given."""

    held = over = None

    def __init__(self) -> None:
        self.seen: Seen = ()

    def deliver(self, seq: int, event: Event) -> None:
        assert event.message["minutes"] == seq
        self.seen += (seq,)

    def show_again(self, room: Any) -> None:
        self.seen = tuple(range(1, room.seq + 1))

    def close(self, code: int) -> None:
        raise AssertionError(f"nobody had to be sent away with {code}")


class Room:
    """A store and a hub with one room, as far as a feed knows them. What chance there is comes from `chance`."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.committed = 0
        self.kept = chance.randint(2, LONGEST)
        """Events that the store still has."""
        self.store = self.rooms = self
        self.counts = SimpleNamespace(gaps=0)
        self.limits = SimpleNamespace(patience=5.0)
        self.reading = asyncio.Semaphore(1)
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        await self._on_the_way()
        newest = self.committed
        if after < newest - self.kept:
            return None
        found = [(seq, PAYLOADS[seq]) for seq in range(after + 1, newest + 1)]
        await self._on_the_way()
        return found

    async def present(self, room: str, *, seq: int) -> Any:
        await self._on_the_way()
        return SimpleNamespace(seq=self.committed, epoch=EPOCH)

    async def _on_the_way(self) -> None:
        for _ in range(self.chance.randrange(3)):
            await asyncio.sleep(0)
        if self.chance.random() < 0.05:
            raise StoreAway


async def play(seed: int) -> None:
    """Play one history, and compare what the page shows with the room."""
    chance = Random(seed)
    room, page = Room(chance), Page()
    feed = Feed(cast(Hub, room), "room_a")
    feed.sessions["con_1"] = cast(Session, page)
    feed.last, feed.epoch = 0, EPOCH
    length = chance.randint(1, LONGEST)
    air: list[list[tuple[int, bytes | None]]] = []
    while room.committed < length or air:
        if room.committed < length and (not air or chance.random() < 0.5):
            step = range(room.committed + 1, min(length, room.committed + chance.randint(1, 3)) + 1)
            room.committed = step[-1]
            news = [(seq, PAYLOADS[seq] if chance.random() < 0.9 else None) for seq in step]
            air += [news] * chance.choice((0, 1, 1, 1, 2))
        if air:
            feed.deliver(air.pop(chance.randrange(len(air))))
        if chance.random() < 0.05:
            feed.fill()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    feed.fill()  # as after a broken connection; the last news may have been lost
    while room.tasks:
        await asyncio.sleep(0)
    assert page.seen == tuple(range(1, length + 1)), f"seed {seed}"


@pytest.mark.parametrize("part", range(4))
async def test_whatever_the_bus_does_everybody_sees_each_event_once_and_in_order(part: int) -> None:
    for seed in range(part, HISTORIES, 4):
        await play(seed)
