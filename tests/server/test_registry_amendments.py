"""Corrections of closed visits: each a revision of its own, in the outbox with its trail, and none lost."""

from __future__ import annotations

from typing import Any

import pytest

from server.ports.documents import Changed
from server.registry import room_id
from server.registry.errors import Clash, Invalid
from signaling.amending import Change
from signaling.events import DeadlinePassed
from signaling.policy import HOUR
from signaling.proposals import NO_FEE
from tests.server.world import World, plan

ROOM = room_id("elm", "amy")


@pytest.fixture
async def world() -> World:
    """Two clients were expected, and nobody came."""
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    world.now += HOUR
    await world.rooms_door.fact(ROOM, DeadlinePassed())
    world.outbox.clear()
    return world


async def amend(world: World, reason: str = "a slip", **changes: Change) -> tuple[dict[str, Any], bool]:
    return await world.registry.amendments.make("elm", world.records[-1], changes, reason, by="key_1")


def archived(world: World) -> None:
    """The archiver came by."""
    world.records += [one.data for one in world.outbox if one.kind == "record"]


def outcomes(record: dict[str, Any]) -> list[str]:
    return [client["outcome"] for client in record["facts"]["clients"]]


async def test_an_amendment_is_owed_to_the_ledger_with_its_trail(world: World) -> None:
    amended, new = await amend(world, ann=Change("late_cancel"))

    record, trail = world.outbox
    assert new
    assert (record.kind, record.practice, record.room, record.data) == ("record", "elm", ROOM, amended)
    assert (amended["id"], amended["revision"]) == (world.records[0]["id"], 2)
    assert outcomes(amended) == ["late_cancel", "no_show"]
    assert amended["amendment"] == {"at": world.now, "by": "key_1", "reason": "a slip"}
    assert trail.data == {"action": "visit.amended", "by": "key_1", "target": amended["visit"], "detail": "2"}
    assert outcomes(world.records[0]) == ["no_show", "no_show"]


async def test_a_second_amendment_is_made_of_the_first_even_if_the_ledger_is_behind(world: World) -> None:
    await amend(world, ann=Change("late_cancel"))
    second, _ = await amend(world, ben=Change("provider_absent"))

    assert second["revision"] == 3
    assert outcomes(second) == ["late_cancel", "provider_absent"]

    archived(world)
    third, _ = await amend(world, ben=Change("no_show"))
    assert third["revision"] == 4
    assert outcomes(third) == ["late_cancel", "no_show"]


async def test_of_two_at_the_same_time_none_is_lost(world: World) -> None:
    put = world.registry.shelf.documents.put
    raced = False

    async def race(place: str, kind: str, id: str, value: bytes, **options: Any) -> int:
        nonlocal raced
        if kind == "amended" and not raced:
            raced = True
            await amend(world, ann=Change("late_cancel"))
        return await put(place, kind, id, value, **options)

    world.registry.shelf.documents.put = race  # type: ignore[method-assign]
    mine, _ = await amend(world, ben=Change("provider_absent"))

    assert mine["revision"] == 3
    assert outcomes(mine) == ["late_cancel", "provider_absent"]
    assert [one.data["revision"] for one in world.outbox if one.kind == "record"] == [2, 3]


async def test_the_same_said_again_makes_no_other_revision(world: World) -> None:
    first, _ = await amend(world, ann=Change("late_cancel"))
    world.now += 1000

    again, new = await amend(world, ann=Change("late_cancel"))

    assert (again, new) == (first, False)
    assert len(world.outbox) == 2


async def test_who_was_never_of_the_visit_cannot_be_amended(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        await amend(world, ann=Change("late_cancel"), zoe=Change("attended"))

    assert refused.value.at == "$.outcomes[1].client"
    assert world.outbox == []


async def test_a_client_may_be_named_as_the_participant(world: World) -> None:
    participant = world.records[0]["facts"]["clients"][0]["participant"]

    amended, _ = await amend(world, **{participant: Change("attended", NO_FEE)})

    assert outcomes(amended) == ["attended", "no_show"]
    assert amended["facts"]["clients"][0]["no_fee"] is True


async def test_who_always_comes_second_is_told_to_try_again(world: World) -> None:
    async def changed(*_: object, **__: object) -> int:
        raise Changed

    world.registry.shelf.documents.put = changed  # type: ignore[method-assign]

    with pytest.raises(Clash):
        await amend(world, ben=Change("provider_absent"))


async def test_a_practice_that_is_deleted_leaves_no_word_of_it(world: World) -> None:
    await amend(world, ann=Change("late_cancel"))

    await world.registry.practices.delete("elm", by="operator")

    assert not world.documents.get((ROOM, "amended"))
