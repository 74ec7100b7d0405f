"""redis-py's client within our limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from server.ports import StoreAway
from server.redis_link import client as clients
from server.redis_link.address import address_of
from server.redis_link.client import CONNECTIONS, Client
from server.redis_link.faults import StoreFault
from tests.server.store.valkey import Valkey


@pytest.fixture
async def client(server: Valkey) -> AsyncIterator[Client]:
    client = Client(address_of(server.url), attempt=0.2, total=0.7)
    yield client
    await client.close()


def connections(server: Valkey) -> int:
    return len(server.command("CLIENT", "LIST", "TYPE", "normal").splitlines())


async def test_many_callers_share_few_connections(client: Client, server: Valkey) -> None:
    before = connections(server)
    counts = await asyncio.gather(*(client.ask("n", lambda redis: redis.incr("n")) for _ in range(300)))

    assert sorted(counts) == list(range(1, 301))
    assert connections(server) - before <= CONNECTIONS


async def test_cancelled_callers_cost_nobody_a_reply_or_a_connection(client: Client) -> None:
    for n in range(60):
        await client.ask(f"k{n}", lambda redis, n=n: redis.set(f"k{n}", f"value {n}"))

    for tick in range(30):
        tasks = [
            asyncio.create_task(client.ask(f"k{n}", lambda redis, n=n: redis.get(f"k{n}"), repeat=True))
            for n in range(60)
        ]
        for _ in range(tick):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        assert await asyncio.gather(*tasks[1::2]) == [b"value %d" % n for n in range(1, 60, 2)]

    # All connections of the pool can still be held at once.
    all_held = asyncio.Barrier(CONNECTIONS)

    async def hold(redis: Redis) -> None:
        async with redis.client():
            await all_held.wait()

    await asyncio.gather(*(client.ask("n", hold) for _ in range(CONNECTIONS)))


async def test_connections_that_died_while_idle_cost_nobody_a_call(client: Client, server: Valkey) -> None:
    await asyncio.gather(*(client.ask("n", lambda redis: redis.incr("n")) for _ in range(10)))

    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(0.01)  # the news of it comes with the next tick
    await asyncio.gather(*(client.ask("n", lambda redis: redis.incr("n")) for _ in range(10)))

    assert await client.ask("n", lambda redis: redis.get("n")) == b"20"


async def test_a_connection_that_was_idle_for_long_is_asked_before_it_is_used(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "HEALTH", 0.05)
    client = Client(address_of(server.url), attempt=0.2, total=0.7)
    await client.ask("n", lambda redis: redis.set("n", 0))
    await asyncio.sleep(0.1)
    server.freeze()
    count = asyncio.create_task(client.ask("n", lambda redis: redis.incr("n")))
    await asyncio.sleep(0.3)  # its first try is over, and it was nothing but the question
    server.resume()

    assert await count == 1
    await client.close()


async def test_a_write_refused_by_a_replica_is_tried_again(client: Client, server: Valkey) -> None:
    await client.ask("n", lambda redis: redis.set("n", 0))
    server.command("REPLICAOF", "127.0.0.1", "1")
    count = asyncio.create_task(client.ask("n", lambda redis: redis.incr("n")))
    await asyncio.sleep(0.02)
    server.command("REPLICAOF", "NO", "ONE")

    assert await count == 1


async def test_an_error_reply_is_told_by_its_code_alone(client: Client) -> None:
    await client.ask("n", lambda redis: redis.set("n", "Canary"))

    with pytest.raises(StoreFault) as wrong_type:
        await client.ask("n", lambda redis: redis.lpush("n", "Canary"))
    with pytest.raises(StoreFault) as in_a_pipeline:
        await client.each(["n", "n"], lambda pipeline, key: pipeline.hget(key, "Canary"))

    assert wrong_type.value.code == "WRONGTYPE"
    assert in_a_pipeline.value.code == "WRONGTYPE"
    assert await client.ask("n", lambda redis: redis.get("n")) == b"Canary"


async def test_a_closed_client_is_away(client: Client) -> None:
    await client.close()

    with pytest.raises(StoreAway):
        await client.ask("n", lambda redis: redis.ping())
