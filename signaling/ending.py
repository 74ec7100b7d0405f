"""End, leave, remove, return to waiting: a segment stops, for one or for all."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Forbidden, Refused
from signaling.events import DeadlinePassed, EndedOffline
from signaling.lookup import (
    is_connected,
    present_seats,
    provider_ids,
    roster,
    situation_of,
    visit_for,
    visit_of,
)
from signaling.matching import unmatch
from signaling.messages import VisitEnded
from signaling.permissions import Situation, demand
from signaling.requests import End, Leave, Remove, Request, ReturnToWaiting
from signaling.seats import leave_queue, leave_waiting, move_seat, seat_meant, tell_entered
from signaling.segment import stop_media_log, stop_segment, tell_participant, with_company
from signaling.state import (
    CLIENT,
    ENDED,
    IN,
    IN_PROGRESS,
    OUT,
    REMOVED,
    SCHEDULED,
    WAITING,
    Attendee,
    Entry,
    Stand,
    Visit,
    Who,
)
from signaling.visit import advance, demand_rev
from signaling.waiting import tell_came


def end(draft: Draft, by: Who, request: End) -> Visit:
    """Either side ends the segment for everyone; in a group, the provider alone."""
    visit = visit_for(draft.room, by, request.visit)
    demand_rev(draft, by, visit, request.expect)
    demand(by.role, situation_of(draft.room, by, visit), End)
    if by.role is CLIENT and visit.group:
        raise Forbidden("a client leaves a group visit, and does not end it")
    return end_segment(draft, visit, End, by=by, reason="ended")


def ended_offline(draft: Draft, event: EndedOffline) -> None:
    """An End that could not be saved when it was asked for: the segment ends at its measured time, or has ended."""
    visit = draft.room.visits.get(event.visit)
    if visit is None or visit.phase is not IN_PROGRESS or len(visit.segments) != event.segment:
        return
    at = max(visit.segments[-1].started_at, min(event.at, draft.now))
    end_segment(draft, visit, End, by=event.by, reason="ended", at=at)


def leave(draft: Draft, by: Who, _: Leave) -> None:
    """A client gives the place up, or goes out of the visit."""
    visit = visit_of(draft.room, by)
    situation = situation_of(draft.room, by, visit)
    demand(by.role, situation, Leave)
    if situation is Situation.WAITING or visit is None:
        leave_waiting(draft, by)
    else:
        leave_visit(draft, by, visit)


def leave_visit(draft: Draft, by: Who, visit: Visit) -> Visit:
    """A client goes out of a live visit: a 1:1 visit ends; a group goes on while a client is in."""
    if not visit.group:
        return end_segment(draft, visit, End, by=by, reason="left")
    return _take_out(draft, by, visit, by.participant, OUT, End, "left")


def _take_out(
    draft: Draft, by: Who, visit: Visit, participant: str, stand: Stand, event: type[Request], reason: str
) -> Visit:
    rev = visit.rev
    visit = stop_media_log(visit, participant, draft.now)
    visit = move_seat(draft, visit, visit.seats[participant], stand)
    draft.close_peers(visit.id, participant)
    if not present_seats(visit):
        return end_segment(draft, replace(visit, rev=rev), event, by=by, reason=reason)
    visit = draft.put_visit(with_company(draft, visit))
    if stand is OUT:
        draft.tell((participant,), replace(_ended_for(visit, reason, by), live=True))
    tell_participant(draft, visit, participant)
    return visit


def _ended_for(visit: Visit, reason: str, by: Who, text: str | None = None) -> VisitEnded:
    # `text` is for the client alone: it is neither in the room, nor in the trail, nor in the record.
    return VisitEnded(visit=visit.id, rev=visit.rev, reason=reason, by=by.role.value, text=text)


def end_segment(
    draft: Draft,
    visit: Visit,
    event: type[Request] | type[DeadlinePassed],
    *,
    by: Who | None,
    reason: str,
    at: int | None = None,
) -> Visit:
    """Stop the running segment, now or as of `at`: everybody is out, media stops, the rejoin window opens anew."""
    now = draft.now if at is None else at
    told = roster(visit)
    role = by.role.value if by is not None else None
    visit = stop_segment(visit, now, role, reason)
    visit = advance(visit, event, ENDED)
    visit = draft.put_visit(replace(visit, rejoin_until=now + visit.policy.rejoin_window))
    assert visit.rejoin_until is not None
    draft.tell(
        told,
        VisitEnded(visit=visit.id, rev=visit.rev, by=role, reason=reason, rejoin_until=visit.rejoin_until),
    )
    draft.close_peers(visit.id)
    draft.notify("visit.ended", visit=visit.id, appointment=visit.appointment)
    draft.audit("end", by.participant if by is not None else "system", visit.id, reason)
    return visit


def return_to_waiting(draft: Draft, by: Who, request: ReturnToWaiting) -> Visit:
    """A client goes back to wait: of a group alone; a 1:1 visit is scheduled again, its minutes kept."""
    visit, _, participant = seat_meant(draft, by, request.participant, request.entry)
    if visit is None or visit.seats[participant].stand is not IN:
        raise Refused("not in the visit")
    demand(by.role, situation_of(draft.room, by, visit), ReturnToWaiting)
    seat, now, rev = visit.seats[participant], draft.now, visit.rev
    last_one = len(present_seats(visit)) == 1
    if last_one and visit.group:
        raise Refused("the last client of a group is not returned; end the visit")
    visit = stop_media_log(visit, participant, now)
    if last_one:
        visit = stop_segment(visit, now, by.role.value, "returned")
        visit = advance(visit, ReturnToWaiting, SCHEDULED)
        seat = visit.seats[participant]
    attendee = visit.attendees.get(participant, Attendee())
    entry = Entry(
        id=f"ent_{visit.id.removeprefix('vis_')}_{rev}_{list(visit.seats).index(participant)}",
        participant=participant,
        since=seat.waited[0].start if seat.waited else now,
        visit=visit.id,
        name=seat.name,
        checked_in=seat.checked_in,
        acknowledged=True,  # the provider sent them there: there is nothing to announce
        media=attendee.mode,
        media_reason=attendee.reason,
        dropped_at=None if is_connected(draft.room, participant) else now,
    )
    draft.put_entry(entry)
    visit = move_seat(draft, replace(visit, rev=rev), replace(seat, sent_back=True), WAITING, entry.id)
    draft.close_peers(visit.id, None if last_one else participant)
    told = _ended_for(visit, "returned", by)
    draft.tell((entry.participant,), replace(told, text=request.reason))
    if last_one:
        draft.tell(provider_ids(visit), told)
    tell_entered(draft, provider_ids(visit), entry, visit)
    tell_came(draft, entry)
    if not last_one:
        tell_participant(draft, visit, entry.participant)
    draft.audit("return_to_waiting", by.participant, visit.id, participant)
    return visit


def remove(draft: Draft, by: Who, request: Remove) -> None:
    """A client is sent away: from the queue or from the visit. Their link does not let them back into this visit."""
    visit, entry, participant = seat_meant(draft, by, request.participant, request.entry)
    demand(by.role, situation_of(draft.room, by, visit), Remove)
    if entry is not None:
        visit = leave_queue(draft, entry, "removed", REMOVED)
    elif visit is not None and visit.seats[participant].stand is IN:
        visit = _take_out(draft, by, visit, participant, REMOVED, Remove, "removed")
    else:
        raise Refused("neither waiting nor in")
    if visit is not None and visit.phase in (SCHEDULED, IN_PROGRESS):
        visit = draft.put_visit(unmatch(visit, participant))
    told = VisitEnded(
        visit=visit.id if visit else "",
        rev=visit.rev if visit else 0,
        reason="removed",
        by=by.role.value,
        text=request.reason,
    )
    draft.tell((participant,), told, close=4511)
    draft.audit("remove", by.participant, visit.id if visit else "", participant)
