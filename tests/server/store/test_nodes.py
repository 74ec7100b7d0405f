"""Nodes: who lives, who has which rooms, who holds a lease, and what all agree on."""

from __future__ import annotations

import asyncio

from server.ports.nodes import IDLE, Carried, Load
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


async def test_a_pulse_tells_the_time_and_when_every_node_last_was_alive(store: Store) -> None:
    nodes = store.nodes
    first = (await nodes.pulse("n1")).now

    pulses = await nodes.pulse("n2")

    assert pulses.now >= first > 0
    assert pulses.last == {"n1": first, "n2": pulses.now}
    await nodes.forget("n1")
    assert set((await nodes.pulse("n3")).last) == {"n2", "n3"}
    await nodes.hush("n2")
    assert set((await nodes.pulse("n3")).last) == {"n3"}


async def test_a_pulse_tells_what_every_node_has_to_do_until_it_goes(store: Store) -> None:
    nodes, full = store.nodes, Load(visits=12, free=0, draining=True)
    await nodes.pulse("n1", Load(visits=1, free=7))
    await nodes.pulse("n1", full)

    pulses = await nodes.pulse("n2")

    assert pulses.loads == {"n1": full, "n2": IDLE}
    await nodes.hush("n1")
    assert (await nodes.pulse("n2")).loads == {"n2": IDLE}


async def test_a_visit_is_carried_by_one_node_and_of_those_who_would_take_it_over_one_wins(store: Store) -> None:
    nodes = store.nodes
    first = await nodes.claim("v1", "n1")
    assert first == Carried("n1", 1)
    assert await nodes.claim("v1", "n2") == first
    assert await nodes.claim("v1", "n1") == first

    takers = await asyncio.gather(*(nodes.claim("v1", node, over=first) for node in ("n2", "n3")))

    assert takers[0] == takers[1]
    assert takers[0].fence == 2
    assert await nodes.claim("v1", "n1", over=first) == takers[0]
    assert await nodes.carriers(["v1", "v2"]) == {"v1": takers[0]}


async def test_a_fence_rises_also_after_a_release_and_above_what_a_room_has_seen(store: Store) -> None:
    nodes = store.nodes
    await nodes.claim("v1", "n1")
    await nodes.release("v1", "n2")
    assert await nodes.carriers(["v1"]) == {"v1": Carried("n1", 1)}

    await nodes.release("v1", "n1")

    assert await nodes.carriers(["v1"]) == {}
    assert await nodes.claim("v1", "n2") == Carried("n2", 2)
    assert await nodes.claim("v2", "n2", floor=7) == Carried("n2", 8)


async def test_all_agree_on_the_first_value(store: Store) -> None:
    agreed = await asyncio.gather(*(store.nodes.agree("colour", value) for value in ("red", "blue", "green")))

    assert len(set(agreed)) == 1
    assert await store.nodes.agree("colour", "black") == agreed[0]
