"""Which rooms of others a provider is told of: those with an opened appointment that they share, and no other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from server.registry import room_id
from server.registry.appointments import OPENS_BEFORE, Plan
from tests.server.test_registry_appointments import alarms, close
from tests.server.world import DAY, NOW, World, plan

ROOM = room_id("elm", "amy")


@pytest.fixture
async def world() -> World:
    world = World()
    await world.practice("elm")
    for provider in ("amy", "bob", "cat"):
        await world.provider(provider)
    return world


def shared(*others: str, start: int = NOW, minutes: int = 50) -> Plan:
    return replace(plan("ann", start=start, minutes=minutes), providers=("amy", *others))


async def put(world: World, id: str, plan: Plan) -> None:
    await world.registry.appointments.put("elm", id, plan, by="key")


async def rooms(world: World, provider: str) -> list[tuple[str, str]]:
    return [(one.room, one.host.id) for one in await world.registry.shared.of("elm", provider)]


async def test_a_co_provider_is_told_the_hosts_room_once(world: World) -> None:
    await put(world, "a1", shared("bob"))
    await put(world, "a2", shared("bob"))

    assert await rooms(world, "bob") == [(ROOM, "amy")]
    assert await rooms(world, "amy") == []
    assert await rooms(world, "cat") == []


async def test_a_later_appointment_is_shared_from_its_opening_on(world: World) -> None:
    start = NOW + 3 * DAY
    await put(world, "a1", shared("bob", start=start))
    assert await rooms(world, "bob") == []

    world.now = start - OPENS_BEFORE
    await alarms(world)

    assert await rooms(world, "bob") == [(ROOM, "amy")]


async def test_who_is_taken_off_is_told_no_more(world: World) -> None:
    await put(world, "a1", shared("bob"))

    await put(world, "a1", shared("cat"))

    assert await rooms(world, "bob") == []
    assert await rooms(world, "cat") == [(ROOM, "amy")]


async def test_a_cancelled_appointment_is_shared_no_more(world: World) -> None:
    await put(world, "a1", shared("bob"))

    await world.registry.appointments.cancel("elm", "a1", by="key")

    assert await rooms(world, "bob") == []
    assert world.documents[room_id("elm", "bob"), "shared"] == {}


async def test_a_closed_appointment_is_shared_no_more_and_leaves_the_index(world: World) -> None:
    await put(world, "a1", shared("bob"))
    close(world, "a1")

    assert await rooms(world, "bob") == []
    assert world.documents[room_id("elm", "bob"), "shared"] == {}


async def test_an_index_that_is_behind_lets_nobody_in(world: World) -> None:
    await put(world, "a1", shared("bob"))
    behind = dict(world.documents[room_id("elm", "bob"), "shared"])
    await put(world, "a1", shared("cat"))
    world.documents[room_id("elm", "bob"), "shared"] = behind

    assert await rooms(world, "bob") == []


async def test_a_practice_that_is_deleted_leaves_no_index(world: World) -> None:
    await put(world, "a1", shared("bob", "cat"))

    await world.registry.practices.delete("elm", by="operator")

    assert not [found for (_, kind), found in world.documents.items() if kind == "shared" and found]
