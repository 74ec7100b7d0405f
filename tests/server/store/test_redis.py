"""What memory need not prove: opening, scripts, batching, and that values stay where they were put."""

from __future__ import annotations

import asyncio

import pytest

from server.bus import redis as redis_bus
from server.crypto import SealBroken, Sealer, fresh_key
from server.ports import PARTITIONS
from server.ports.documents import Document
from server.ports.rooms import Stored
from server.redis_link.faults import StoreFault
from server.redis_link.keys import room_keys
from server.store import redis
from server.store.redis import RedisStore, WrongNeighbour
from tests.server.bus.hub import Hub
from tests.server.store.fixtures import Servers
from tests.server.store.six import Six
from tests.server.store.test_rooms import change
from tests.server.store.valkey import Valkey


async def test_a_node_with_another_keyring_is_refused_and_writes_nothing(
    redis_store: RedisStore, servers: Servers
) -> None:
    before = servers.everywhere("DBSIZE")

    with pytest.raises(WrongNeighbour, match="keyring"):
        await redis.connect(servers.url, Sealer(fresh_key()))

    assert servers.everywhere("DBSIZE") == before


async def test_a_node_with_another_number_of_partitions_is_refused(servers: Servers, sealer: Sealer) -> None:
    servers.at("agreed:partitions").command("SET", "agreed:partitions", PARTITIONS * 2)

    with pytest.raises(WrongNeighbour, match="partitions"):
        await redis.connect(servers.url, sealer)


async def test_nodes_that_start_together_agree(servers: Servers, sealer: Sealer) -> None:
    stores = await asyncio.gather(*(redis.connect(servers.url, sealer) for _ in range(5)))

    await stores[0].documents.put("p1", "a", "x", b"value")

    for store in stores:
        assert await store.documents.get("p1", "a", "x") == Document(1, b"value")
        await store.close()


async def test_everything_is_found_after_a_rotation_even_when_the_old_key_is_gone(servers: Servers) -> None:
    old, new = fresh_key("k1"), fresh_key("k2")
    first = await redis.connect(servers.url, Sealer(old))
    await first.documents.put("p1", "a", "x", b"value")
    await first.documents.schedule("p1", "open x", 100)
    await first.rooms.commit("r1", change(0))
    await first.close()

    second = await redis.connect(servers.url, Sealer(f"{new},{old}"))
    assert await second.documents.get("p1", "a", "x") == Document(1, b"value")
    assert await second.rooms.reply("r1", "request 1") == (b"reply 1", "a hash")
    await second.documents.put("p1", "a", "x", b"sealed anew")
    await second.close()

    third = await redis.connect(servers.url, Sealer(new))
    assert await third.documents.get("p1", "a", "x") == Document(2, b"sealed anew")
    assert await third.documents.scheduled(100) == ["open x"]
    with pytest.raises(SealBroken):
        await third.rooms.load("r1")
    await third.close()


async def test_a_value_moved_to_another_key_is_not_believed(redis_store: RedisStore, servers: Servers) -> None:
    await redis_store.rooms.commit("r1", change(0))
    await redis_store.rooms.commit("r2", change(0))
    await redis_store.rooms.commit("r2", change(1))

    one, two = (room_keys(room).room for room in ("r1", "r2"))
    servers.at(two).command("SET", two, servers.at(one).command("GET", one))

    with pytest.raises(SealBroken):
        await redis_store.rooms.load("r2")


async def test_a_version_written_over_is_not_believed(redis_store: RedisStore, servers: Servers) -> None:
    await redis_store.rooms.commit("r1", change(0))

    key = room_keys("r1").room
    servers.at(key).command("SETRANGE", key, 7, "\x05")

    with pytest.raises(SealBroken):
        await redis_store.rooms.load("r1")


async def test_a_server_that_forgot_the_scripts_is_told_them_again(redis_store: RedisStore, servers: Servers) -> None:
    servers.everywhere("SCRIPT", "FLUSH")

    await asyncio.gather(*(redis_store.rooms.commit(f"r{n}", change(0)) for n in range(5)))
    servers.everywhere("SCRIPT", "FLUSH")
    assert await redis_store.secrets.count("guess", "h", 1000) == 1
    assert await redis_store.nodes.lease("archiver", "n1", 1000)
    assert await redis_store.documents.put("p1", "a", "x", b"value") == 1

    assert await redis_store.rooms.load("r4") == Stored(1, b"room 1")


async def test_an_account_needs_no_more_rights_than_the_manual_says(servers: Servers, sealer: Sealer) -> None:
    kinds = ["read", "write", "pubsub", "scripting", "connection"]
    words = ("time", "info", "wait", "role", "cluster|slots")
    rights = ("-@all", *(f"+@{kind}" for kind in kinds), *(f"+{word}" for word in words))
    each = servers.servers if isinstance(servers, Six) else [servers]
    for server in each:
        server.command("ACL", "SETUSER", "carelobby", "reset", "on", ">open-sesame", "~*", "&*", *rights)
    hub = Hub()
    try:
        store = await redis.connect(servers.url.replace("://", "://carelobby:open-sesame@"), sealer)
        bus = await redis_bus.connect(store, hub.deliver, hub.gap)
        await bus.subscribe("r1")
        await store.rooms.time()
        await store.rooms.commit("r1", change(0, outbox=(b"owed",), documents={("closed", "a"): b"document"}))
        await hub.until(lambda: bool(hub.heard))
        await store.rooms.delete("r1")
        await store.documents.put("p1", "a", "x", b"value", outbox=[b"audit"])
        await store.secrets.count("guess", "h", 1000)
        await store.nodes.lease("archiver", "n1", 1000)
        await store.ping()
        assert await store.outbox.length() == 2
        await bus.close()
        await store.close()
    finally:
        for server in each:
            server.command("ACL", "DELUSER", "carelobby")


async def test_a_password_is_given_and_a_wrong_one_is_refused_without_being_told(
    server: Valkey, sealer: Sealer
) -> None:
    server.command("ACL", "SETUSER", "carelobby", "on", ">open-sesame", "~*", "&*", "+@all")
    try:
        store = await redis.connect(f"unix://carelobby:open-sesame@{server.path}?db=1", sealer)
        await store.ping()
        await store.close()
        with pytest.raises(StoreFault) as refusal:
            await redis.connect(f"unix://carelobby:wrong-sesame@{server.path}", sealer)
    finally:
        server.command("ACL", "DELUSER", "carelobby")

    assert refusal.value.code == "WRONGPASS"
    assert "sesame" not in str(refusal.value)
