"""Finish and close: the visit leaves the room, and its one record goes to billing."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import NotFound
from signaling.events import DeadlinePassed
from signaling.fields import Outcome
from signaling.lookup import (
    provider_ids,
    situation_of,
    visit_for,
)
from signaling.messages import VisitClosed
from signaling.outcomes import facts_of, outcome_of, overall
from signaling.permissions import demand
from signaling.policy import DAY
from signaling.requests import Finish
from signaling.seats import forget_waiting
from signaling.state import CLOSED, Seat, Visit, Who
from signaling.visit import advance


def finish(draft: Draft, by: Who, request: Finish) -> Visit:
    """The provider closes the visit before its rejoin window is over, with a word on attendance where they have one."""
    visit = visit_for(draft.room, by, request.visit)
    demand(by.role, situation_of(draft.room, by, visit), Finish)
    seats = dict(visit.seats)
    for given in request.outcomes:
        seat = next((s for s in seats.values() if given.client in (s.client, s.participant)), None)
        if seat is None:
            raise NotFound("no such client in this visit")
        code = given.service_code if given.service_code is not None else seat.service_code
        seats[seat.participant] = replace(seat, outcome=given.outcome, service_code=code)
    visit = advance(replace(visit, seats=seats), Finish, CLOSED)
    return close(draft, visit, by=by.participant)


def close(draft: Draft, visit: Visit, *, by: str, cancelled: Outcome | None = None) -> Visit:
    """The visit leaves the room, and its one record goes to billing.

    Billing hears of it only now: a visit that resumes after a mistaken click is still one visit, with two segments.
    """
    rev = visit.rev
    # Judged before the queue is emptied: who waits to this very moment did not leave.
    outcomes = {id: _outcome(visit, seat, cancelled, draft.now) for id, seat in visit.seats.items()}
    visit = replace(forget_waiting(draft, visit, "closed"), rev=rev)
    draft.hand_off(visit, outcomes)
    whole = overall(list(outcomes.values()))
    draft.tell(provider_ids(visit), VisitClosed(visit=visit.id, rev=visit.rev, outcome=whole))
    for id, outcome in outcomes.items():
        draft.tell((id,), VisitClosed(visit=visit.id, rev=visit.rev, outcome=outcome), close=4510)
    draft.close_peers(visit.id)
    draft.notify("visit.closed", visit=visit.id, appointment=visit.appointment, outcome=whole)
    draft.audit("close", by, visit.id, whole)
    if visit.appointment is not None:
        draft.close_appointment(visit.appointment, whole)
    late = {id: at for id, at in draft.room.closed.items() if at > draft.now - DAY}
    late[visit.id] = draft.now
    draft.drop_visit(visit.id, late)
    return visit


def _outcome(visit: Visit, seat: Seat, cancelled: Outcome | None, now: int) -> Outcome:
    shown = outcome_of(visit, seat, now)
    if cancelled is None or seat.attended:
        # Who was in a segment and then sent back to wait was there, whatever the EHR cancels afterwards.
        return shown
    # A late cancellation is held against the client, and must not be when they had waited for nobody.
    in_vain = cancelled == "late_cancel" and facts_of(visit, seat, now).waited >= visit.policy.no_show_after
    return "provider_absent" if in_vain else cancelled


def close_by_deadline(draft: Draft, visit: Visit) -> Visit:
    """The window to come, to wait, or to rejoin is over."""
    return close(draft, advance(visit, DeadlinePassed, CLOSED), by="system")
