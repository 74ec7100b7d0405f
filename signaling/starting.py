"""Start, admit: exactly the clients who wait for this appointment are let in."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Busy, NotFound, NotReady, Refused, TooMany
from signaling.fields import Override
from signaling.lookup import (
    hosts,
    present_seats,
    provider_ids,
    situation_of,
)
from signaling.matching import match
from signaling.permissions import demand
from signaling.proposals import GROUP_LIMIT
from signaling.rejoining import withdraw_elsewhere
from signaling.requests import Admit, Start
from signaling.seats import entry_for, leave_line, moved
from signaling.segment import begin_segment, join_segment
from signaling.state import AS_THEY_COME, IN, WAITING, Entry, Interval, Seat, Visit, Who
from signaling.visit import demand_rev


def start(draft: Draft, by: Who, request: Start) -> Visit:
    """The provider begins one appointment's visit: exactly its clients who wait are let in."""
    entry = entry_for(draft.room, by, request.entry) if request.entry is not None else None
    visit = _visit_to_start(draft, by, request, entry)
    demand_rev(draft, by, visit, request.expect)
    if draft.index.live not in (None, visit.id):
        raise Busy("another visit is in progress in this room")
    demand(by.role, situation_of(draft.room, by, visit), Start)
    if entry is not None and entry.visit is None and visit.appointment is not None:
        visit = match(draft, by, visit, entry, request.client)
    waiting = [seat for seat in visit.seats.values() if seat.stand is WAITING]
    if not waiting:
        raise NotReady("nobody of this appointment waits")
    if len(waiting) > GROUP_LIMIT:  # those who came first; the provider may make room for the others later
        waiting = sorted(waiting, key=lambda seat: seat.waited[-1].start)[:GROUP_LIMIT]

    # One click is one step of `rev`, however many clients it lets in.
    visit = begin_segment(draft, _let_in(draft, visit, waiting), Start)
    withdraw_elsewhere(draft, visit)
    draft.notify("visit.started", visit=visit.id, appointment=visit.appointment)
    draft.audit("start", by.participant, visit.id, _override(request.override))
    return visit


def _override(override: Override | None) -> str:
    # The reason is the provider's own words and might name somebody: the trail keeps the rule alone.
    return f"override:{override.rule}" if override is not None else ""


def _visit_to_start(draft: Draft, by: Who, request: Start, entry: Entry | None) -> Visit:
    if entry is None:
        return _visit_named(draft, by, request.appointment)
    if entry.visit is not None:
        return _visit_waited_for(draft, entry.visit, request.appointment)
    if request.appointment is None:
        return _visit_of_walk_in(draft, entry)
    return _visit_named(draft, by, request.appointment)


def _visit_waited_for(draft: Draft, visit: str, appointment: str | None) -> Visit:
    found = draft.room.visits[visit]
    if appointment not in (None, found.appointment):
        raise Refused("that entry waits for another appointment")
    return found


def _visit_named(draft: Draft, by: Who, appointment: str | None) -> Visit:
    id = draft.index.appointments.get(appointment or "")
    if id is None or not hosts(named := draft.room.visits[id], by):
        raise NotFound("no such appointment of this provider")
    return named


def _visit_of_walk_in(draft: Draft, entry: Entry) -> Visit:
    seat = Seat(
        participant=entry.participant,
        name=entry.name,
        stand=WAITING,
        entry=entry.id,
        checked_in=entry.checked_in,
        waited=(Interval(entry.since),),
    )
    room = draft.room
    visit = Visit(
        id=f"vis_{draft.fresh}",
        policy=room.policy,
        providers=(room.host,),
        seats={seat.participant: seat},
        start=draft.now,
        end=draft.now,
    )
    draft.put_visit(visit)
    draft.put_entry(replace(entry, visit=visit.id))
    return visit


def _let_in(draft: Draft, visit: Visit, waiting: Iterable[Seat]) -> Visit:
    """Take seats out of the queue; return the visit with them in, and the audio-only flags of their check-ins."""
    now, queue = draft.now, draft.room.entries
    entries: list[Entry] = []
    seats, attendees = visit.seats.copy(), visit.attendees.copy()
    for seat in waiting:
        id, said = seat.participant, seat.checked_in
        assert seat.entry is not None, "a waiting seat has an entry"
        entry = queue[seat.entry]
        entries.append(entry)
        seats[id] = moved(seat, IN, now)
        camera = said is None or (said.devices.camera and entry.media == "video")
        known = attendees.get(id, AS_THEY_COME)
        attendees[id] = replace(known, mode=entry.media, reason=entry.media_reason, camera=camera)
    leave_line(draft, entries, provider_ids(visit), "admitted")
    return replace(visit, seats=seats, attendees=attendees)


def admit(draft: Draft, by: Who, request: Admit) -> Visit:
    """One more waiting client into a live group visit; a walk-in once they are matched to a seat of it."""
    entry = entry_for(draft.room, by, request.entry)
    if entry.visit is not None:
        visit = _visit_waited_for(draft, entry.visit, request.appointment)
    elif request.appointment is not None:
        visit = _visit_named(draft, by, request.appointment)
    else:
        raise Refused("a walk-in is started, or matched")
    demand(by.role, situation_of(draft.room, by, visit), Admit)
    if len(present_seats(visit)) >= GROUP_LIMIT:
        raise TooMany("clients in one visit")
    if entry.visit is None:
        visit = match(draft, by, visit, entry, request.client)
    visit = _let_in(draft, visit, (visit.seats[entry.participant],))
    visit = join_segment(draft, replace(visit, rev=visit.rev + 1), entry.participant)
    draft.audit("admit", by.participant, visit.id, entry.participant)
    return visit
