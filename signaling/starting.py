"""Start, admit: exactly the clients who wait for this appointment are let in."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Busy, NotFound, NotReady, Refused, TooMany
from signaling.lookup import (
    entry_of,
    hosts,
    live_visit,
    present_seats,
    situation_of,
    visit_of_appointment,
)
from signaling.matching import match
from signaling.messages import (
    Admit,
    Override,
    Start,
    VisitStarted,
)
from signaling.permissions import demand
from signaling.proposals import GROUP_LIMIT
from signaling.rejoining import withdraw_elsewhere
from signaling.seats import entry_for, leave_queue
from signaling.segment import begin_segment, join_segment, tell_inside
from signaling.state import IN, IN_PROGRESS, WAITING, Attendee, Entry, Interval, Seat, Visit, Who
from signaling.visit import advance, demand_rev


def start(draft: Draft, by: Who, request: Start) -> Visit:
    """The provider begins one appointment's visit: exactly its clients who wait are let in."""
    entry = entry_for(draft.room, by, request.entry) if request.entry is not None else None
    visit = _visit_to_start(draft, by, request, entry)
    demand_rev(draft, by, visit, request.expect)
    live = live_visit(draft.room)
    if live is not None and live.id != visit.id:
        raise Busy("another visit is in progress in this room")
    demand(by.role, situation_of(draft.room, by, visit), Start)
    if entry is not None and entry.visit is None and visit.appointment is not None:
        visit = match(draft, by, visit, entry, request.client)
    waiting = [seat for seat in visit.seats.values() if seat.stand is WAITING]
    if not waiting:
        raise NotReady("nobody of this appointment waits")
    if len(waiting) > GROUP_LIMIT:  # those who came first; the provider may make room for the others later
        waiting = sorted(waiting, key=lambda seat: seat.waited[-1].start)[:GROUP_LIMIT]

    rev = visit.rev
    for seat in waiting:
        visit = _let_in(draft, visit, seat)
    # One click is one step of `rev`, however many clients it let in.
    visit = begin_segment(draft, advance(replace(visit, rev=rev), Start, IN_PROGRESS))
    told = VisitStarted(
        visit=visit.id,
        appointment=visit.appointment,
        segment=len(visit.segments),
        rev=visit.rev,
        participants=(),
        ice_servers=(),
    )
    tell_inside(draft, visit, told)
    withdraw_elsewhere(draft, visit)
    draft.notify("visit.started", visit=visit.id, appointment=visit.appointment)
    draft.audit("start", by.participant, visit.id, _override(request.override))
    return visit


def _override(override: Override | None) -> str:
    # The reason is the provider's own words and might name somebody: the trail keeps the rule alone.
    return f"override:{override.rule}" if override is not None else ""


def _visit_to_start(draft: Draft, by: Who, request: Start, entry: Entry | None) -> Visit:
    if entry is not None and entry.visit is not None:
        return _visit_waited_for(draft, entry.visit, request.appointment)
    if entry is not None and request.appointment is None:
        return _visit_of_walk_in(draft, entry)
    return _visit_named(draft, by, request.appointment)


def _visit_waited_for(draft: Draft, visit: str, appointment: str | None) -> Visit:
    found = draft.room.visits[visit]
    if appointment not in (None, found.appointment):
        raise Refused("that entry waits for another appointment")
    return found


def _visit_named(draft: Draft, by: Who, appointment: str | None) -> Visit:
    named = visit_of_appointment(draft.room, appointment) if appointment is not None else None
    if named is None or not hosts(named, by):
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


def _let_in(draft: Draft, visit: Visit, seat: Seat) -> Visit:
    """Move a waiting seat in, and carry the audio-only flag of the check-in over."""
    entry = entry_of(draft.room, seat.participant)
    assert entry is not None, "a waiting seat has an entry"
    visit = leave_queue(draft, entry, "admitted", IN) or visit
    attendee = visit.attendees.get(seat.participant, Attendee())
    camera = seat.checked_in is None or (seat.checked_in.devices.camera and entry.media == "video")
    attendee = replace(attendee, mode=entry.media, reason=entry.media_reason, camera=camera)
    return draft.put_visit(replace(visit, attendees={**visit.attendees, seat.participant: attendee}))


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
    visit = _let_in(draft, visit, visit.seats[entry.participant])
    visit = join_segment(draft, visit, entry.participant)
    draft.audit("admit", by.participant, visit.id, entry.participant)
    return visit
