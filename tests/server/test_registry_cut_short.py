"""Whatever is cut short between any two steps is made whole: by its repeat, and by the alarm loop alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from server.ports import StoreAway
from server.registry import room_id
from server.registry.appointments import SOON, Plan
from server.registry.errors import Clash
from server.registry.names import digest
from tests.server.world import DAY, NOW, World, plan

LATER = NOW + 3 * DAY
PROVIDERS = ("amy", "bob", "cat")
Step = Callable[[World], Awaitable[object]]


async def make(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")


async def make_later(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", plan("ann", "ben", start=LATER), by="key")


async def change(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", plan("ann", "cat", minutes=25), by="key")


async def move(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", plan("ann", "ben", provider="bob", start=LATER), by="key")


async def share(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", shared_with("bob"), by="key")


async def share_with_another(world: World) -> object:
    return await world.registry.appointments.put("elm", "a1", shared_with("cat"), by="key")


def shared_with(other: str) -> Plan:
    return replace(plan("ann", "ben"), providers=("amy", other))


async def cancel(world: World) -> object:
    return await world.registry.appointments.cancel("elm", "a1", by="key")


async def knock(world: World) -> object:
    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    invited = await world.registry.links.invited(found.appointment.clients[0].token)
    return None if invited is None else await world.registry.appointments.knocked(invited)


async def replace_link(world: World) -> object:
    return await world.registry.appointments.new_link("elm", "a1", "ann", by="key")


async def fresh() -> World:
    world = World()
    await world.practice("elm")
    for provider in PROVIDERS:
        await world.provider(provider)
    return world


async def alarms(world: World) -> None:
    """Let the alarm loop work until nothing is due."""
    world.now += SOON
    for _ in range(3):
        for what in await world.registry.shelf.documents.scheduled(world.now):
            await world.registry.appointments.open_due(what)


async def cut_short(before: tuple[Step, ...], step: Step, after: int) -> World | None:
    """Return the world in which `step` lost the store after so many answers; None if it was done by then."""
    world = await fresh()
    for earlier in before:
        await earlier(world)
    world.answers = after
    try:
        await step(world)
    except StoreAway:
        return world
    finally:
        world.answers, world.away = None, False
    return None


async def holds(world: World) -> None:
    """What must be true of an appointment and its room whenever nothing is under way."""
    found = await world.registry.appointments.get("elm", "a1")
    visits = {visit.id: room for room in world.rooms.values() for visit in room.visits.values()}
    if found is None:
        assert visits == {}
        return
    appointment = found.appointment
    is_there = found.state == "open" and appointment.opened
    assert list(visits) == ([appointment.visit] if is_there else [])
    if is_there:
        room = visits[appointment.visit]
        visit = room.visits[appointment.visit]
        assert room.id == found.room
        assert (visit.start, visit.end) == (appointment.start, appointment.end)
        assert set(visit.seats) == {client.participant for client in appointment.clients}
    for provider in PROVIDERS:
        rooms = [one.room for one in await world.registry.shared.of("elm", provider)]
        assert rooms == ([found.room] if is_there and provider in appointment.providers[1:] else [])
    assert [at for at in world.agenda.values() if at <= world.now] == []
    assert len(world.records) == (found.state != "open" and appointment.opened)


STORIES: dict[str, tuple[tuple[Step, ...], Step]] = {
    "made for today": ((), make),
    "made for next week": ((), make_later),
    "changed when opened": ((make,), change),
    "changed before": ((make_later,), change),
    "moved to another host": ((make_later,), move),
    "opened by a knock": ((make_later,), knock),
    "cancelled when opened": ((make,), cancel),
    "cancelled before": ((make_later,), cancel),
    "made with a co-provider": ((), share),
    "shared from now on": ((make,), share),
    "given another co-provider": ((share,), share_with_another),
    "cancelled when shared": ((share,), cancel),
    "given a new link": ((make,), replace_link),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("repeated", [False, True], ids=["alone", "repeated"])
async def test_whatever_is_cut_short_is_made_whole(story: str, repeated: bool) -> None:
    before, step = STORIES[story]
    cuts = 0

    while (world := await cut_short(before, step, cuts)) is not None:
        if repeated:
            await step(world)
        await alarms(world)
        await holds(world)
        if repeated:
            await works(world)
        world.now = LATER
        await alarms(world)
        await holds(world)
        cuts += 1

    assert cuts > 3


async def works(world: World) -> None:
    """After the repeat every link leads to the appointment, or none does if it is over."""
    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    invited = [await world.registry.links.invited(client.token) for client in found.appointment.clients]
    assert [one is not None for one in invited] == [found.state == "open"] * 2
    tokens = {digest(client.token) for client in found.appointment.clients}
    assert {hash for kind, hash in world.secrets if kind == "link"} == (tokens if found.state == "open" else set())


async def test_a_cancel_that_was_cut_short_is_not_undone_by_the_alarms() -> None:
    cuts = 0
    while (world := await cut_short((make,), cancel, cuts)) is not None:
        await alarms(world)
        found = await world.registry.appointments.get("elm", "a1")
        assert found is not None
        assert (world.rooms[room_id("elm", "amy")].visits == {}) == (found.state != "open")
        if found.state == "closed":
            with pytest.raises(Clash):
                await change(world)
        cuts += 1
