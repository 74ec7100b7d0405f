"""An appointment's way: planned, opened, changed, cancelled or closed, and its links with it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from server.ports import StoreAway
from server.ports.documents import Changed, Document
from server.registry import room_id
from server.registry.appointments import OPENS_BEFORE, SOON
from server.registry.errors import Clash, Invalid, Missing
from server.registry.links import LINK_OUTLIVES
from signaling.events import Cancelled, DeadlinePassed, Fact, LinkRevoked, Opened, Rescheduled
from signaling.policy import HOUR, MINUTE
from signaling.state import Phase, Segment
from tests.server.world import DAY, NOW, World, plan

ROOM = room_id("elm", "amy")


@pytest.fixture
async def world() -> World:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.provider("bob")
    world.facts.clear()
    world.outbox.clear()
    return world


def told(world: World) -> list[type[Fact]]:
    return [type(fact) for _, fact in world.facts]


async def alarms(world: World) -> None:
    """What the alarm loop does with the agenda."""
    for what in await world.registry.shelf.documents.scheduled(world.now):
        await world.registry.appointments.open_due(what)


async def test_the_same_put_gives_the_same_links_and_tells_nobody_twice(world: World) -> None:
    first, new = await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    again, anew = await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")

    assert (new, anew) == (True, False)
    assert first == again
    assert told(world) == [Opened]
    assert world.trail() == [("key", "appointment.created")]


async def test_an_appointment_of_today_is_a_visit_of_its_hosts_room_at_once(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    visit = world.rooms[ROOM].visits[found.appointment.visit]
    seat = visit.seats[found.appointment.clients[0].participant]
    assert visit.appointment == "a1"
    assert [person.name for person in visit.providers] == ["Dr. amy"]
    assert (seat.client, seat.name) == ("ann", "Client ann")
    assert world.agenda == {}


async def test_a_later_appointment_is_opened_by_the_agenda_a_day_before(world: World) -> None:
    start = NOW + 3 * DAY
    await world.registry.appointments.put("elm", "a1", plan("ann", start=start), by="key")
    assert list(world.agenda.values()) == [start - OPENS_BEFORE]

    world.now = start - OPENS_BEFORE - 1
    await alarms(world)
    assert told(world) == []
    world.now += 1
    await alarms(world)
    await alarms(world)

    assert told(world) == [Opened]
    assert world.agenda == {}


async def test_the_first_knock_opens_a_later_appointment(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann", start=NOW + 3 * DAY), by="key")
    invited = await world.registry.links.invited(found.appointment.clients[0].token)
    assert invited is not None

    await world.registry.appointments.knocked(invited)
    await world.registry.appointments.knocked(invited)

    assert told(world) == [Opened]
    assert found.appointment.visit in world.rooms[ROOM].visits
    assert world.agenda == {}


async def test_a_change_before_the_day_is_between_us_and_the_document(world: World) -> None:
    await world.registry.appointments.put("elm", "a1", plan("ann", start=NOW + 3 * DAY), by="key")

    await world.registry.appointments.put("elm", "a1", plan("ann", start=NOW + 4 * DAY), by="key")

    assert told(world) == []
    assert list(world.agenda.values()) == [NOW + 4 * DAY - OPENS_BEFORE]


async def test_a_change_of_an_opened_appointment_is_told_to_its_room(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    await world.registry.appointments.put("elm", "a1", plan("ann", start=NOW + HOUR), by="key")

    assert told(world) == [Opened, Rescheduled]
    assert world.rooms[ROOM].visits[found.appointment.visit].start == NOW + HOUR


async def test_an_opening_that_was_cut_short_is_made_whole_by_the_agenda(world: World) -> None:
    fact = world.rooms_door.fact

    async def away(room: str, said: Fact) -> None:
        raise StoreAway

    world.rooms_door.fact = away  # type: ignore[method-assign]
    with pytest.raises(StoreAway):
        await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    world.rooms_door.fact = fact  # type: ignore[method-assign]

    await alarms(world)
    assert told(world) == []  # it may still be on its way
    world.now += SOON
    await alarms(world)
    await alarms(world)

    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    assert list(world.rooms[ROOM].visits) == [found.appointment.visit]
    assert len(world.facts) == 1


async def test_a_closed_visit_is_never_opened_again(world: World) -> None:
    await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    close(world, "a1")
    what = f"open:elm:{ROOM}:a1"
    world.agenda[what] = world.now
    world.facts.clear()

    await world.registry.appointments.open_due(what)
    same, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    assert told(world) == []
    assert world.agenda == {}
    assert (same.state, same.outcome) == ("closed", "attended")
    with pytest.raises(Clash):
        await world.registry.appointments.put("elm", "a1", plan("ann", minutes=30), by="key")
    with pytest.raises(Clash):
        await world.registry.appointments.cancel("elm", "a1", by="key")
    with pytest.raises(Clash):
        await world.registry.appointments.new_link("elm", "a1", "ann", by="key")


async def test_a_visit_that_closes_while_the_ehr_changes_it_stays_closed(world: World) -> None:
    await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    put = world.registry.shelf.documents.put

    async def closing(place: str, kind: str, id: str, value: bytes, **options: object) -> int:
        close(world, "a1")
        return await put(place, kind, id, value, **options)  # type: ignore[arg-type]

    world.registry.shelf.documents.put = closing  # type: ignore[method-assign]
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann", minutes=25), by="key")

    assert found.state == "closed"
    assert told(world) == [Opened]
    assert world.rooms[ROOM].visits == {}
    assert world.agenda == {}


async def test_a_visit_that_closes_between_the_marker_and_the_fact_is_not_begun_anew(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    fact = world.rooms_door.fact

    async def closing(room: str, said: Fact) -> None:
        if isinstance(said, Rescheduled):
            world.now = NOW + HOUR
            await fact(room, DeadlinePassed())
        await fact(room, said)

    world.rooms_door.fact = closing  # type: ignore[method-assign]
    changed, _ = await world.registry.appointments.put("elm", "a1", plan("ann", minutes=25), by="key")

    assert (changed.state, changed.outcome) == ("closed", "no_show")
    assert told(world) == [Opened, DeadlinePassed, Rescheduled]
    assert world.rooms[ROOM].visits == {}
    assert [record["visit"] for record in world.records] == [found.appointment.visit]
    assert world.agenda == {}


async def test_a_visit_that_closes_while_it_is_being_cancelled_keeps_its_outcome(world: World) -> None:
    await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    fact = world.rooms_door.fact

    async def closing(room: str, said: Fact) -> None:
        close(world, "a1")
        await fact(room, said)

    world.rooms_door.fact = closing  # type: ignore[method-assign]
    with pytest.raises(Clash):
        await world.registry.appointments.cancel("elm", "a1", by="key")

    kept = await world.registry.appointments.get("elm", "a1")
    assert kept is not None
    assert (kept.state, kept.outcome) == ("closed", "attended")


async def test_one_appointment_that_cannot_be_opened_holds_up_no_other(world: World) -> None:
    await world.registry.appointments.open_due("something of a later version")
    await world.registry.appointments.open_due(f"open:gone:{ROOM}:a1")

    assert told(world) == []


async def test_an_appointment_may_change_its_host_until_it_is_opened(world: World) -> None:
    start = NOW + 3 * DAY
    before, _ = await world.registry.appointments.put("elm", "a1", plan("ann", start=start), by="key")
    moved, _ = await world.registry.appointments.put("elm", "a1", plan("ann", provider="bob", start=start), by="key")

    assert moved.room == room_id("elm", "bob")
    assert moved.appointment.visit == before.appointment.visit
    token = before.appointment.clients[0].token
    invited = await world.registry.links.invited(token)
    assert invited is not None
    assert invited.provider.id == "bob"
    world.now = start
    await alarms(world)
    assert [room for room, _ in world.facts] == [room_id("elm", "bob")]
    with pytest.raises(Clash):
        await world.registry.appointments.put("elm", "a1", plan("ann", start=start), by="key")


async def test_two_programs_that_put_the_same_appointment_agree_on_its_links(world: World) -> None:
    put = world.registry.shelf.documents.put
    raced = False

    async def race(place: str, kind: str, id: str, value: bytes, **options: object) -> int:
        nonlocal raced
        if kind == "appointment" and not raced:
            raced = True
            await world.registry.appointments.put("elm", "a1", plan("ann"), by="other")
        return await put(place, kind, id, value, **options)  # type: ignore[arg-type]

    world.registry.shelf.documents.put = race  # type: ignore[method-assign]
    mine, new = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    kept = await world.registry.appointments.get("elm", "a1")
    assert not new
    assert mine == kept
    assert await world.registry.links.invited(mine.appointment.clients[0].token) is not None
    assert len(world.rooms[ROOM].visits) == 1


async def test_a_program_that_always_comes_second_is_told_to_try_again(world: World) -> None:
    async def changed(*_: object, **__: object) -> int:
        raise Changed

    world.registry.shelf.documents.put = changed  # type: ignore[method-assign]

    with pytest.raises(Clash):
        await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")


async def test_an_unknown_provider_or_practice_is_refused(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        await world.registry.appointments.put("elm", "a1", plan("ann", provider="zoe"), by="key")
    assert refused.value.at == "$.providers[0]"
    with pytest.raises(Missing):
        await world.registry.appointments.put("oak", "a1", plan("ann"), by="key")


async def test_cancelling_closes_the_visit_and_kills_the_link(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    cancelled = await world.registry.appointments.cancel("elm", "a1", "late_cancel", by="key")
    again = await world.registry.appointments.cancel("elm", "a1", "late_cancel", by="key")

    assert cancelled == again
    assert (cancelled.state, cancelled.outcome) == ("cancelled", "late_cancel")
    assert told(world) == [Opened, Cancelled]
    assert world.rooms[ROOM].visits == {}
    assert await world.registry.links.invited(found.appointment.clients[0].token) is None
    with pytest.raises(Clash):
        await world.registry.appointments.put("elm", "a1", plan("ann", minutes=20), by="key")


async def test_cancelling_before_the_day_concerns_no_room(world: World) -> None:
    await world.registry.appointments.put("elm", "a1", plan("ann", start=NOW + 3 * DAY), by="key")

    await world.registry.appointments.cancel("elm", "a1", by="key")
    world.now += 3 * DAY
    await alarms(world)

    assert told(world) == []


async def test_a_visit_that_has_started_cannot_be_cancelled_and_its_link_lives(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    room = world.rooms[ROOM]
    visit = room.visits[found.appointment.visit]
    live = msgspec.structs.replace(visit, phase=Phase.IN_PROGRESS, segments=(Segment(started_at=NOW),))
    world.rooms[ROOM] = msgspec.structs.replace(room, visits={visit.id: live})

    with pytest.raises(Clash):
        await world.registry.appointments.cancel("elm", "a1", by="key")

    kept = await world.registry.appointments.get("elm", "a1")
    assert kept is not None
    assert kept.state == "open"
    assert await world.registry.links.invited(found.appointment.clients[0].token) is not None


async def test_a_cancel_that_was_cut_short_is_made_whole_by_its_repeat(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    await world.rooms_door.fact(ROOM, Cancelled(appointment="a1"))

    cancelled = await world.registry.appointments.cancel("elm", "a1", by="key")

    assert (cancelled.state, cancelled.outcome) == ("cancelled", "cancelled")
    assert cancelled.appointment.visit == found.appointment.visit


async def test_a_new_link_kills_the_old_one_and_what_it_opened(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    ann, ben = found.appointment.clients

    new = await world.registry.appointments.new_link("elm", "a1", "ann", by="key")

    assert new.participant == ann.participant
    assert new.token != ann.token
    assert await world.registry.links.invited(ann.token) is None
    assert await world.registry.links.invited(new.token) is not None
    assert await world.registry.links.invited(ben.token) is not None
    assert world.facts[-1] == (ROOM, LinkRevoked(participant=ann.participant))
    kept, _ = await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    assert kept.appointment.clients == (new, ben)
    with pytest.raises(Missing):
        await world.registry.appointments.new_link("elm", "a1", "zoe", by="key")


async def test_a_replaced_link_stays_dead_even_if_its_key_comes_back(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    keys = dict(world.secrets)

    await world.registry.appointments.new_link("elm", "a1", "ann", by="key")
    world.secrets |= keys

    assert await world.registry.links.invited(found.appointment.clients[0].token) is None


async def test_a_client_who_is_taken_off_has_no_link_any_more(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    ann, ben = found.appointment.clients

    await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    assert await world.registry.links.invited(ben.token) is None
    assert await world.registry.links.invited(ann.token) is not None
    assert (ROOM, LinkRevoked(participant=ben.participant)) in world.facts
    assert list(world.rooms[ROOM].visits[found.appointment.visit].seats) == [ann.participant]


async def unknown(world: World, token: str) -> str:
    return "no-such-token"


async def expired(world: World, token: str) -> str:
    world.now = NOW + 50 * MINUTE + LINK_OUTLIVES
    return token


async def revoked(world: World, token: str) -> str:
    await world.registry.appointments.new_link("elm", "a1", "ann", by="key")
    return token


async def cancelled(world: World, token: str) -> str:
    await world.registry.appointments.cancel("elm", "a1", by="key")
    return token


async def closed(world: World, token: str) -> str:
    close(world, "a1")
    return token


@pytest.mark.parametrize("spoil", [unknown, expired, revoked, cancelled, closed])
async def test_no_bad_link_leads_anywhere_and_each_costs_as_many_reads(
    world: World, spoil: Callable[[World, str], object]
) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")
    token = await spoil(world, found.appointment.clients[0].token)  # type: ignore[misc]
    reads: list[str] = []
    get = world.registry.shelf.documents.get

    async def counted(place: str, kind: str, id: str) -> Document | None:
        reads.append(kind)
        return await get(place, kind, id)

    world.registry.shelf.documents.get = counted  # type: ignore[method-assign]

    assert await world.registry.links.invited(token) is None
    assert sorted(reads) == ["appointment", "closed", "practice", "provider"]


async def test_no_secret_is_the_name_of_anything(world: World) -> None:
    found, _ = await world.registry.appointments.put("elm", "a1", plan("ann"), by="key")

    names = repr([*world.secrets, *world.documents, *world.agenda, *world.facts]) + repr(world.outbox)

    assert found.appointment.clients[0].token not in names


def close(world: World, appointment: str) -> None:
    """The room closed the appointment's visit, as dispatch would save it."""
    room = world.rooms[ROOM]
    visits = {id: visit for id, visit in room.visits.items() if visit.appointment != appointment}
    world.rooms[ROOM] = msgspec.structs.replace(room, visits=visits)
    marker = msgspec.msgpack.encode({"outcome": "attended", "at": world.now})
    world.documents.setdefault((ROOM, "closed"), {})[appointment] = Document(1, marker)
