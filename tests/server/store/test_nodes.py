"""Nodes: who lives, who has which rooms, who holds a lease, and what all agree on."""

from __future__ import annotations

import asyncio

from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store.fixtures import Live

Store = MemoryStore | RedisStore


async def test_a_node_is_known_by_its_last_beat(store: Store) -> None:
    await store.nodes.beat("n1", 100)
    await store.nodes.beat("n2", 150)
    await store.nodes.beat("n1", 200)

    assert await store.nodes.all() == {"n1": 200, "n2": 150}


async def test_a_node_has_the_rooms_it_entered_and_did_not_leave(store: Store) -> None:
    for room in ("r1", "r2", "r2", "r3"):
        await store.nodes.enter("n1", room)
    await store.nodes.enter("n2", "r1")
    await store.nodes.leave("n1", "r3")

    assert await store.nodes.rooms("n1") == ["r1", "r2"]
    assert await store.nodes.rooms("n2") == ["r1"]


async def test_a_forgotten_node_leaves_nothing(store: Store) -> None:
    await store.nodes.beat("n1", 100)
    await store.nodes.enter("n1", "r1")

    await store.nodes.forget("n1")

    assert await store.nodes.all() == {}
    assert await store.nodes.rooms("n1") == []


async def test_a_lease_is_held_by_one_until_it_runs_out(live: Live) -> None:
    nodes = live.store.nodes
    assert await nodes.lease("archiver", "n1", 2000)
    assert not await nodes.lease("archiver", "n2", 2000)

    live.pass_time(1500)
    assert await nodes.lease("archiver", "n1", 2000)
    live.pass_time(1500)
    assert not await nodes.lease("archiver", "n2", 2000)
    live.pass_time(501)
    assert await nodes.lease("archiver", "n2", 2000)
    assert not await nodes.lease("archiver", "n1", 2000)


async def test_all_agree_on_the_first_value(store: Store) -> None:
    agreed = await asyncio.gather(*(store.nodes.agree("colour", value) for value in ("red", "blue", "green")))

    assert len(set(agreed)) == 1
    assert await store.nodes.agree("colour", "black") == agreed[0]
