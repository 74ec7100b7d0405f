"""The Redis bus when its connection breaks, freezes, or carries what it cannot read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from server.bus import redis as redis_bus
from server.bus.redis import RedisBus
from server.crypto import Sealer
from server.ports import StoreAway
from server.store import redis
from server.store.redis import RedisStore
from tests.server.bus.hub import Hub
from tests.server.store.test_rooms import change
from tests.server.store.valkey import Valkey


@pytest.fixture
async def redis_store(server: Valkey, sealer: Sealer) -> AsyncIterator[RedisStore]:
    """Beside one server, which may be frozen for a while."""
    store = await redis.connect(server.url, sealer)
    yield store
    await store.close()


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
async def bus(redis_store: RedisStore, hub: Hub) -> AsyncIterator[RedisBus]:
    bus = await redis_bus.connect(redis_store, hub.deliver, hub.gap, beat=0.05, patience=0.4)
    yield bus
    await bus.close()


async def test_after_a_killed_connection_the_hub_is_told_and_later_events_arrive(
    server: Valkey, redis_store: RedisStore, bus: RedisBus, hub: Hub
) -> None:
    rooms = [f"r{n}" for n in range(1200)]
    await asyncio.gather(*map(bus.subscribe, rooms))

    assert server.command("CLIENT", "KILL", "TYPE", "pubsub") == 1
    await hub.until(lambda: hub.gaps == 1)
    for room in rooms[::100]:
        await redis_store.rooms.commit(room, change(0))

    await hub.until(lambda: len(hub.heard) == 12)
    assert hub.heard == [(room, 1, b"event 1") for room in rooms[::100]]
    assert hub.gaps == 1


async def test_a_frozen_connection_is_found_and_made_anew(
    server: Valkey, redis_store: RedisStore, bus: RedisBus, hub: Hub
) -> None:
    await bus.subscribe("r1")

    server.freeze()
    try:
        await asyncio.sleep(0.6)  # longer than its patience: what is tested is the time that passes
    finally:
        server.resume()
    await hub.until(lambda: hub.gaps > 0)
    await redis_store.rooms.commit("r1", change(0))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"event 1")]


async def test_a_quiet_connection_that_is_well_is_kept(bus: RedisBus, hub: Hub) -> None:
    await bus.subscribe("r1")

    await asyncio.sleep(0.6)  # longer than its patience, without any news

    assert hub.gaps == 0


async def test_a_subscription_during_an_outage_is_confirmed_after_it(
    server: Valkey, redis_store: RedisStore, bus: RedisBus, hub: Hub
) -> None:
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await bus.subscribe("r1")
    await redis_store.rooms.commit("r1", change(0))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"event 1")]


async def test_a_subscription_that_nobody_confirms_fails_in_time_and_leaves_nothing(
    server: Valkey, redis_store: RedisStore, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "CONFIRM", 0.2)
    bus = await redis_bus.connect(redis_store, hub.deliver, hub.gap)
    server.freeze()
    try:
        with pytest.raises(StoreAway):
            await bus.subscribe("r1")
    finally:
        server.resume()

    await redis_store.rooms.commit("r1", change(0))
    await bus.subscribe("r2")
    await redis_store.rooms.commit("r2", change(0))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r2", 1, b"event 1")]
    await bus.close()


async def test_news_that_cannot_be_opened_is_left_to_be_read(redis_store: RedisStore, bus: RedisBus, hub: Hub) -> None:
    await bus.subscribe("r1")

    await redis_store.pipe.call("PUBLISH", "room:r1", (7).to_bytes(8, "big") + (3).to_bytes(4, "big") + b"abc")

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 7, None)]


async def test_a_message_that_is_no_news_is_dropped(
    redis_store: RedisStore, bus: RedisBus, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    await bus.subscribe("r1")

    for nonsense in (b"abc", bytes(11), (1).to_bytes(8, "big") + (99).to_bytes(4, "big") + b"short"):
        await redis_store.pipe.call("PUBLISH", "room:r1", nonsense)
    await redis_store.rooms.commit("r1", change(0))

    await hub.until(lambda: bool(hub.heard))
    assert hub.heard == [("r1", 1, b"event 1")]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


async def test_letters_and_calls_are_sealed_for_their_own_channel(
    server: Valkey, redis_store: RedisStore, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[bytes, bytes]] = []

    class Tap(RedisBus):
        async def _publish(self, channel: str, message: bytes) -> None:
            heard.append((channel.encode(), message))

    bus = await redis_bus.connect(redis_store, hub.deliver, hub.gap, node="n1", letter=hub.letter, called=hub.called)
    await bus.subscribe("r1")
    await bus.subscribe("r2")
    bus._publish = Tap._publish.__get__(bus)  # type: ignore[method-assign]
    await bus.post("n2", b"canary")
    await bus.call("r2", b"canary")
    [(_, letter), (_, call)] = heard

    await redis_store.pipe.call("PUBLISH", "node:n1", letter)
    await redis_store.pipe.call("PUBLISH", "room:r1", call)
    await redis_store.pipe.call("PUBLISH", "room:r2", call)

    await hub.until(lambda: bool(hub.calls))
    assert hub.calls == [("r2", b"canary")]
    assert hub.letters == []
    assert b"canary" not in letter + call
    assert len(caplog.records) == 2
    await bus.close()


async def test_letters_are_read_again_after_a_lost_connection(
    server: Valkey, redis_store: RedisStore, hub: Hub
) -> None:
    bus = await redis_bus.connect(redis_store, hub.deliver, hub.gap, node="n1", letter=hub.letter)
    server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await hub.until(lambda: hub.gaps == 1)

    await bus.post("n1", b"again")

    await hub.until(lambda: bool(hub.letters))
    assert hub.letters == [b"again"]
    await bus.close()


async def test_a_hub_that_fails_once_hears_what_comes_next(
    redis_store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub()

    class Failing(Hub):
        def deliver(self, room: str, events: object) -> None:
            if not caplog.records:
                raise ZeroDivisionError
            hub.deliver(room, [(2, b"")])

    failing = Failing()
    bus = await redis_bus.connect(redis_store, failing.deliver, failing.gap)
    await bus.subscribe("r1")
    await redis_store.rooms.commit("r1", change(0))
    await redis_store.rooms.commit("r1", change(1))

    await hub.until(lambda: bool(hub.heard))
    assert failing.gaps == 0
    await bus.close()


async def test_a_bus_beside_a_dead_server_cannot_be_opened_and_one_opened_before_comes_back(sealer: Sealer) -> None:
    valkey = Valkey("--appendonly", "yes", "--appendfsync", "always")
    valkey.start()
    hub = Hub()
    try:
        store = await redis.connect(valkey.url, sealer, attempt=0.2, total=0.6)
        bus = await redis_bus.connect(store, hub.deliver, hub.gap, beat=0.05, patience=0.4)
        await bus.subscribe("r1")
        valkey.kill()
        with pytest.raises(StoreAway):
            await redis_bus.connect(store, hub.deliver, hub.gap)

        valkey.start()
        await hub.until(lambda: hub.gaps == 1)
        await store.rooms.commit("r1", change(0))
        await hub.until(lambda: bool(hub.heard))
        assert hub.heard == [("r1", 1, b"event 1")]

        await bus.close()
        await store.close()
    finally:
        valkey.stop()
