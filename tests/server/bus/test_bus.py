"""Buses: whoever subscribed hears of every later commit, in order, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from server.bus import redis as redis_bus
from server.bus.memory import Air, MemoryBus
from server.bus.redis import RedisBus
from server.crypto import Sealer
from server.store import redis
from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.bus.hub import Hub
from tests.server.store.fixtures import PLACES, Servers
from tests.server.store.test_rooms import change


@dataclass
class Net:
    """A store, and buses beside it, as several nodes have them."""

    store: MemoryStore | RedisStore
    join: Callable[..., Awaitable[MemoryBus | RedisBus]]


@pytest.fixture(params=("memory", *PLACES))
async def net(request: pytest.FixtureRequest, started: Callable[[str], Servers], sealer: Sealer) -> AsyncIterator[Net]:
    buses: list[MemoryBus | RedisBus] = []
    air = Air()
    store: MemoryStore | RedisStore
    if request.param == "memory":
        store = MemoryStore(lambda: 0, air.publish)
    else:
        store = await redis.connect(started(request.param).url, sealer)

    async def join(hub: Hub, node: str = "") -> MemoryBus | RedisBus:
        bus: MemoryBus | RedisBus
        if isinstance(store, MemoryStore):
            bus = MemoryBus(air, hub.deliver, hub.gap, node=node, letter=hub.letter, called=hub.called)
        else:
            bus = await redis_bus.connect(store, hub.deliver, hub.gap, node=node, letter=hub.letter, called=hub.called)
        buses.append(bus)
        return bus

    yield Net(store, join)
    for bus in buses:
        await bus.close()
    await store.close()


async def test_commits_after_a_subscription_are_heard_by_every_node_in_order(net: Net) -> None:
    one, two = Hub(), Hub()
    for hub in (one, two):
        await (await net.join(hub)).subscribe("r1")

    for version in range(20):
        await net.store.rooms.commit("r1", change(version))

    expected = [("r1", version, b"event %d" % version) for version in range(1, 21)]
    await one.until(lambda: len(one.heard) >= 20)
    await two.until(lambda: len(two.heard) >= 20)
    assert one.heard == two.heard == expected


async def test_the_events_of_one_commit_come_together(net: Net) -> None:
    hub = Hub()
    await (await net.join(hub)).subscribe("r1")

    await net.store.rooms.commit("r1", change(0, events=((1, b"one"), (2, b"two"))))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"one"), ("r1", 2, b"two")]


async def test_other_rooms_and_refused_commits_are_not_heard(net: Net) -> None:
    hub = Hub()
    await (await net.join(hub)).subscribe("r1")

    await net.store.rooms.commit("r2", change(0))
    await net.store.rooms.commit("r1", change(0, "a", events=()))
    await asyncio.gather(
        net.store.rooms.commit("r1", change(0, "late")),
        net.store.rooms.commit("r1", change(1, "a")),
        return_exceptions=True,
    )
    await net.store.rooms.commit("r1", change(1, "b", events=((1, b"the only one"),)))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"the only one")]


async def test_after_unsubscribing_nothing_more_is_heard(net: Net) -> None:
    hub = Hub()
    bus = await net.join(hub)
    await bus.subscribe("r1")
    await bus.subscribe("r2")
    await net.store.rooms.commit("r1", change(0))
    await hub.until(lambda: bool(hub.heard))

    await bus.unsubscribe("r1")
    await net.store.rooms.commit("r1", change(1))
    await net.store.rooms.commit("r2", change(0))

    await hub.until(lambda: len(hub.heard) > 1)
    assert hub.heard[1:] == [("r2", 1, b"event 1")]


async def test_a_room_may_be_subscribed_again_at_once(net: Net) -> None:
    hub = Hub()
    bus = await net.join(hub)
    await bus.subscribe("r1")

    for _ in range(3):
        await asyncio.gather(bus.unsubscribe("r1"), bus.subscribe("r1"))
    await net.store.rooms.commit("r1", change(0))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"event 1")]


async def test_a_large_payload_is_left_to_be_read_from_the_store(net: Net) -> None:
    hub = Hub()
    await (await net.join(hub)).subscribe("r1")

    await net.store.rooms.commit("r1", change(0, events=((1, b"small"), (2, bytes(9000)), (3, b"small"))))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"small"), ("r1", 2, None), ("r1", 3, b"small")]
    assert await net.store.rooms.events("r1", 1) == [(2, bytes(9000)), (3, b"small")]


async def test_a_letter_reaches_its_node_alone_and_of_any_size(net: Net) -> None:
    one, two = Hub(), Hub()
    bus = await net.join(one, "n1")
    await net.join(two, "n2")

    for letter in (b"first", bytes(40_000), b"last"):
        await bus.post("n2", letter)
    await bus.post("n3", b"to nobody")
    await bus.post("n1", b"to myself")

    await two.until(lambda: len(two.letters) == 3)
    await one.until(lambda: bool(one.letters))
    assert two.letters == [b"first", bytes(40_000), b"last"]
    assert one.letters == [b"to myself"]
    assert (one.heard, two.heard, one.calls, two.calls) == ([], [], [], [])


async def test_a_call_reaches_every_node_of_a_room_and_is_no_news(net: Net) -> None:
    one, two, other = Hub(), Hub(), Hub()
    bus = await net.join(one)
    await bus.subscribe("r1")
    await (await net.join(two)).subscribe("r1")
    await (await net.join(other)).subscribe("r2")

    await net.store.rooms.commit("r1", change(0))
    await bus.call("r1", bytes(9000))
    await bus.call("r2", b"end")

    for hub in (one, two):
        await hub.until(lambda hub=hub: bool(hub.calls and hub.heard))  # type: ignore[misc]
        assert hub.calls == [("r1", bytes(9000))]
        assert hub.heard == [("r1", 1, b"event 1")]
    await other.until(lambda: bool(other.calls))
    assert (other.calls, other.heard) == ([("r2", b"end")], [])


async def test_a_node_that_left_gets_no_letters(net: Net) -> None:
    one, two = Hub(), Hub()
    bus = await net.join(one, "n1")
    leaving = await net.join(two, "n2")

    await leaving.close()
    await bus.post("n2", b"too late")
    await bus.post("n1", b"end")

    await one.until(lambda: bool(one.letters))
    assert two.letters == []


async def test_a_hub_in_memory_can_be_told_that_it_missed_something() -> None:
    air, one, two = Air(), Hub(), Hub()
    await MemoryBus(air, one.deliver, one.gap).subscribe("r1")
    await MemoryBus(air, two.deliver, two.gap).subscribe("r2")

    air.lose()

    assert (one.gaps, two.gaps) == (1, 1)
