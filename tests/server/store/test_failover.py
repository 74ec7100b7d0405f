"""A primary dies, is replaced, or is cut off: every call ends in time, and nothing that was answered is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from server.bus import redis as redis_bus
from server.crypto import Sealer
from server.ports import StoreAway
from server.ports.rooms import Repeated, Stored
from server.redis_link import pipe as pipes
from server.redis_link.keys import room_keys, secret_key
from server.store import redis
from server.store.redis import RedisStore
from tests.server.bus.hub import Hub
from tests.server.store.six import Six
from tests.server.store.test_rooms import change
from tests.server.store.trio import SERVICE, Trio

READY = 20.0
"""Seconds after which a service must be ready again (SAFETY.md R2)."""
ROOMS = [f"r{number}" for number in range(12)]

Sort = Callable[[], Trio | Six]


@pytest.fixture
def trio() -> Iterator[Trio]:
    trio = Trio()
    trio.start()
    yield trio
    trio.stop()


@pytest.fixture
def six() -> Iterator[Six]:
    six = Six()
    six.start()
    yield six
    six.stop()


@pytest.fixture(params=["trio", "six"])
def frail(request: pytest.FixtureRequest) -> Trio | Six:
    """Servers for this test alone, of which one may be harmed."""
    servers: Trio | Six = request.getfixturevalue(request.param)
    return servers


@pytest.fixture
async def store(frail: Trio | Six, sealer: Sealer) -> AsyncIterator[RedisStore]:
    store = await redis.connect(frail.url, sealer)
    yield store
    await store.close()


@pytest.fixture
async def sentinel_store(trio: Trio, sealer: Sealer) -> AsyncIterator[RedisStore]:
    store = await redis.connect(trio.url, sealer)
    yield store
    await store.close()


@pytest.fixture
def shared_trio(started: Callable[[str], Trio]) -> Trio:
    """Servers that other tests use, too, and that are well again after this one."""
    return started("sentinel")


@pytest.fixture
async def hasty_store(shared_trio: Trio, sealer: Sealer) -> AsyncIterator[RedisStore]:
    """A store that waits less long than usual."""
    store = await redis.connect(shared_trio.url, sealer, attempt=0.2, total=0.7)
    yield store
    await store.close()


@pytest.fixture
def shared_six(started: Callable[[str], Six]) -> Six:
    return started("cluster")


@pytest.fixture
async def cluster_store(shared_six: Six, sealer: Sealer) -> AsyncIterator[RedisStore]:
    store = await redis.connect(shared_six.url, sealer)
    yield store
    await store.close()


@pytest.fixture
def no_replicas(shared_trio: Trio) -> Iterator[Callable[[], None]]:
    """Freezes both replicas, which seem to be there for a while longer."""
    replicas = [server for server in shared_trio.servers if server is not shared_trio.primary]
    yield lambda: [replica.freeze() for replica in replicas].clear()
    for replica in replicas:
        replica.resume()
    shared_trio.settle()


class Practice:
    """Rooms that change all the time; whoever gets no answer asks again with the same request."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self.answered = dict.fromkeys(ROOMS, 0)
        self.away = 0
        self.slowest = 0.0

    async def work(self, room: str, until: Callable[[], bool]) -> None:
        while not until():
            version = self.answered[room]
            begun = time.monotonic()
            try:
                await self._store.rooms.commit(room, change(version, outbox=(f"{room} {version + 1}".encode(),)))
            except StoreAway:
                self.away += 1
            except Repeated:
                self.answered[room] += 1
            else:
                self.answered[room] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            await asyncio.sleep(0.005)


async def ready(store: RedisStore) -> None:
    """Return when the store takes writes again."""
    async with asyncio.timeout(READY):
        while True:
            try:
                return await store.ping()
            except StoreAway:
                await asyncio.sleep(0.05)


async def test_nothing_that_was_answered_is_lost_when_a_primary_is_killed(frail: Trio | Six, store: RedisStore) -> None:
    practice = Practice(store)
    enough = asyncio.Event()
    working = [asyncio.create_task(practice.work(room, enough.is_set)) for room in ROOMS]
    await asyncio.sleep(0.5)

    frail.at(room_keys("r0").room).kill()
    await ready(store)
    upto = {room: version + 20 for room, version in practice.answered.items()}
    async with asyncio.timeout(READY):
        while any(practice.answered[room] < version for room, version in upto.items()):
            await asyncio.sleep(0.05)
    enough.set()
    await asyncio.gather(*working)

    owed: list[bytes] = []
    while items := await store.outbox.read(500):
        owed += [item for _, _, item in items]
        await store.outbox.trim({partition: id for partition, id, _ in items})
    for room, version in practice.answered.items():
        assert await store.rooms.load(room) == Stored(version, b"room %d" % version)
        events = await store.rooms.events(room, max(0, version - 100))
        assert events is not None
        assert [seq for seq, _ in events] == list(range(max(0, version - 100) + 1, version + 1))
        told = [item for item in owed if item.startswith(f"{room} ".encode())]
        assert told == [f"{room} {number}".encode() for number in range(1, version + 1)]
    assert practice.slowest < 2.5


async def test_news_of_all_rooms_goes_on_after_a_primary_was_killed_and_the_hub_is_told_of_the_gap(
    frail: Trio | Six, store: RedisStore
) -> None:
    hub = Hub()
    bus = await redis_bus.connect(store, hub.deliver, hub.gap, beat=0.1, patience=2.0)
    for room in ROOMS:
        await bus.subscribe(room)

    frail.at(room_keys("r0").room).kill()
    await ready(store)
    async with asyncio.timeout(READY):
        while not hub.gaps:
            await asyncio.sleep(0.05)
    gaps = -1
    while gaps != hub.gaps:  # the last of them is over: no beat is missing
        gaps = hub.gaps
        await asyncio.sleep(0.5)
    for room in ROOMS:
        await store.rooms.commit(room, change(0))

    await hub.until(lambda: len(hub.heard) == len(ROOMS))
    assert sorted(hub.heard) == sorted((room, 1, b"event 1") for room in ROOMS)
    await bus.close()


async def test_a_failover_in_good_order_is_followed_by_all_connections(trio: Trio, sentinel_store: RedisStore) -> None:
    before = trio.primary
    await sentinel_store.rooms.commit("r1", change(0, outbox=(b"owed",)))
    await asyncio.gather(*(sentinel_store.nodes.beat(f"n{number}", 1) for number in range(8)))

    async with asyncio.timeout(READY):
        while trio.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE) != b"OK":
            await asyncio.sleep(0.1)  # it has not heard of a replica just now
        while trio.primary is before:
            await asyncio.sleep(0.05)
    await ready(sentinel_store)

    await sentinel_store.rooms.commit("r1", change(1, outbox=(b"owed",)))
    await asyncio.gather(*(sentinel_store.nodes.beat(f"n{number}", 2) for number in range(8)))
    assert set((await sentinel_store.nodes.all()).values()) == {2}
    assert trio.primary.command("EXISTS", room_keys("r1").room) == 1


async def test_an_old_primary_that_was_only_cut_off_is_not_asked_again(trio: Trio, sentinel_store: RedisStore) -> None:
    await asyncio.gather(*(sentinel_store.secrets.put("link", f"{number}", b"old") for number in range(8)))
    before = trio.primary
    before.freeze()
    await ready(sentinel_store)
    await sentinel_store.secrets.put("link", "0", b"new")

    before.resume()
    assert before.told("replication")["role"] == "master", "it learns only later that it is none"
    found = await asyncio.gather(*(sentinel_store.secrets.get("link", "0") for _ in range(16)))

    assert found == [b"new"] * 16


async def test_what_billing_needs_is_answered_only_when_a_replica_has_it(
    shared_trio: Trio, hasty_store: RedisStore, no_replicas: Callable[[], None]
) -> None:
    await hasty_store.rooms.commit("r1", change(0, outbox=(b"owed 1",)))
    no_replicas()

    await hasty_store.rooms.commit("r2", change(0))
    with pytest.raises(StoreAway):
        await hasty_store.rooms.commit("r1", change(1, outbox=(b"owed 2",)))
    with pytest.raises(StoreAway):
        await hasty_store.documents.put("p1", "a", "x", b"value", outbox=[b"audit"])
    for server in shared_trio.servers:
        server.resume()

    with pytest.raises(Repeated):
        await hasty_store.rooms.commit("r1", change(1, outbox=(b"owed 2",)))
    assert [item for _, _, item in await hasty_store.outbox.read() if item != b"audit"] == [b"owed 1", b"owed 2"]


async def test_replicas_that_do_not_keep_up_are_not_waited_for_for_ever(
    hasty_store: RedisStore, no_replicas: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipes, "LAG", 0)
    no_replicas()

    async with asyncio.timeout(10):
        while True:
            try:
                await hasty_store.rooms.commit("r1", change(0, outbox=(b"owed",)))
            except StoreAway:
                continue
            except Repeated:
                pass
            break

    assert [item for _, _, item in await hasty_store.outbox.read()] == [b"owed"]


async def test_a_repeated_request_is_answered_only_when_a_replica_has_it(
    shared_trio: Trio, hasty_store: RedisStore, sealer: Sealer, no_replicas: Callable[[], None]
) -> None:
    other = await redis.connect(shared_trio.url, sealer, attempt=0.2, total=0.7)
    await other.rooms.commit("r2", change(0, outbox=(b"owed",)))
    no_replicas()
    with pytest.raises(StoreAway):
        await hasty_store.rooms.commit("r1", change(0, outbox=(b"owed",)))

    with pytest.raises(StoreAway):
        await other.rooms.commit("r1", change(0, outbox=(b"owed",)))
    await other.close()


async def test_replicas_that_are_gone_are_not_waited_for_unless_the_servers_demand_one(
    trio: Trio, sentinel_store: RedisStore
) -> None:
    await sentinel_store.rooms.commit("r1", change(0, outbox=(b"owed",)))
    primary = trio.primary
    for server in trio.servers:
        if server is not primary:
            server.kill()
    await asyncio.sleep(1.1)  # what was known of them is believed for a second

    await sentinel_store.rooms.commit("r1", change(1, outbox=(b"owed",)))
    await sentinel_store.ping()
    primary.command("CONFIG", "SET", "min-replicas-to-write", "1")

    with pytest.raises(StoreAway):
        await sentinel_store.rooms.commit("r1", change(2, outbox=(b"owed",)))
    with pytest.raises(StoreAway):
        await sentinel_store.ping()
    primary.command("CONFIG", "SET", "min-replicas-to-write", "0")
    await ready(sentinel_store)


async def test_a_service_is_found_as_long_as_one_sentinel_answers(trio: Trio, sealer: Sealer) -> None:
    trio.sentinels[0].kill()
    trio.sentinels[1].freeze()

    store = await redis.connect(trio.url, sealer)

    await store.rooms.commit("r1", change(0))
    await store.close()


async def test_a_service_that_no_sentinel_knows_cannot_be_opened(shared_trio: Trio, sealer: Sealer) -> None:
    with pytest.raises(StoreAway):
        await redis.connect(shared_trio.url.replace(f"/{SERVICE}", "/other"), sealer, attempt=0.2, total=0.7)


def names_of(server: object, six: Six) -> tuple[str, str]:
    """The id and the port of a server of the cluster."""
    number = six.servers.index(server)  # type: ignore[arg-type]
    return six._ids[number], str(six.servers[number].port)


async def test_a_slot_that_moves_takes_its_keys_along_and_nobody_notices(
    shared_six: Six, cluster_store: RedisStore
) -> None:
    key = secret_key("link", "abc")
    await cluster_store.secrets.put("link", "abc", b"value")
    slot = shared_six.servers[0].command("CLUSTER", "KEYSLOT", key)
    source = shared_six.at(key)
    target = next(server for server in shared_six.primaries if server is not source)
    (from_id, _), (to_id, to_port) = names_of(source, shared_six), names_of(target, shared_six)

    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from_id)
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
    assert await cluster_store.secrets.get("link", "abc") == b"value"
    source.command("MIGRATE", "127.0.0.1", to_port, key, 0, 1000)
    assert await cluster_store.secrets.get("link", "abc") == b"value", "ASK was not followed"
    await cluster_store.secrets.put("link", "abc", b"value 2")
    assert target.commands(("ASKING",), ("EXISTS", key))[1] == 1
    for server in (target, source):
        server.command("CLUSTER", "SETSLOT", slot, "NODE", to_id)

    assert await cluster_store.secrets.get("link", "abc") == b"value 2", "MOVED was not followed"


async def test_a_room_whose_slot_moves_is_away_for_a_moment_and_then_elsewhere(
    shared_six: Six, cluster_store: RedisStore, sealer: Sealer
) -> None:
    keys = room_keys("r1")
    await cluster_store.rooms.commit("r1", change(0, deadline=5))
    slot = shared_six.servers[0].command("CLUSTER", "KEYSLOT", keys.room)
    source = shared_six.at(keys.room)
    target = next(server for server in shared_six.primaries if server is not source)
    (from_id, _), (to_id, to_port) = names_of(source, shared_six), names_of(target, shared_six)

    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", from_id)
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
    others = [await redis.connect(shared_six.url, sealer) for _ in range(2)]
    commit = asyncio.create_task(cluster_store.rooms.commit("r1", change(1)))
    due = asyncio.create_task(cluster_store.rooms.due(5))
    await asyncio.sleep(0.2)
    while moving := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.command("MIGRATE", "127.0.0.1", to_port, "", 0, 1000, "KEYS", *moving)
    for server in (target, source):
        server.command("CLUSTER", "SETSLOT", slot, "NODE", to_id)
    await commit

    assert await due == ["r1"]
    assert shared_six.at(keys.room) is target
    assert await cluster_store.rooms.load("r1") == Stored(2, b"room 2")
    # Other nodes still ask the server that had it.
    assert await others[0].rooms.due(5) == []
    await others[1].rooms.commit("r1", change(2, documents={("closed", "a"): b"document"}))
    assert await cluster_store.rooms.load("r1") == Stored(3, b"room 3")
    for other in others:
        await other.close()


async def test_a_url_of_one_server_that_leads_to_a_cluster_says_so(shared_six: Six, sealer: Sealer) -> None:
    other = next(server for server in shared_six.primaries if server is not shared_six.at("agreed:partitions"))

    with pytest.raises(redis.BadStoreUrl, match="leads to a cluster"):
        await redis.connect(other.url, sealer)


async def test_a_store_and_its_bus_are_opened_though_servers_of_the_cluster_are_down(six: Six, sealer: Sealer) -> None:
    for server in six.servers[3:]:
        server.kill()
    hub = Hub()

    for _ in range(3):  # whatever server has its turn
        store = await redis.connect(six.url, sealer)
        bus = await redis_bus.connect(store, hub.deliver, hub.gap)
        await bus.close()
        await store.close()


async def test_a_primary_whose_news_does_not_arrive_is_noticed_whichever_it_is(shared_six: Six, sealer: Sealer) -> None:
    hub = Hub()
    store = await redis.connect(shared_six.url, sealer, attempt=0.1, total=0.3)
    bus = await redis_bus.connect(store, hub.deliver, hub.gap, beat=0.1, patience=1.0)

    for primary in shared_six.primaries:
        before = hub.gaps
        primary.freeze()
        try:
            await hub.until(lambda before=before: hub.gaps > before)  # type: ignore[misc]
        finally:
            primary.resume()
        await ready(store)
        await asyncio.sleep(0.5)  # its beats are heard again

    await bus.close()
    await store.close()
