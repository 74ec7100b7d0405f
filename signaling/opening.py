"""An appointment becomes a visit, changes, or is cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from signaling.closing import close
from signaling.direct import fall_back
from signaling.draft import Draft
from signaling.effects import Told
from signaling.errors import TooMany
from signaling.events import Appointment
from signaling.fields import Outcome
from signaling.lookup import (
    provider_ids,
    visit_of_appointment,
)
from signaling.messages import ClientReady, QueueLeft, VisitChanged, VisitClosed, VisitEnded
from signaling.outages import FAULT, failed_during
from signaling.policy import Policy
from signaling.proposals import GROUP_LIMIT
from signaling.rejoining import tell_agreed
from signaling.seats import tell_entered
from signaling.segment import join_segment, with_company
from signaling.shown import (
    shown_appointment,
)
from signaling.state import CLOSED, ENDED, IN_PROGRESS, REJOIN_PENDING, SCHEDULED, Interval, Seat, Visit


def open_visit(draft: Draft, appointment: Appointment, policy: Policy, outages: Sequence[Interval] = ()) -> None:
    """An appointment's day has come: it becomes a visit, judged from now on by this copy of the policy.

    Raise `TooMany` for more clients than a group may have.
    """
    demand_size(appointment)
    if appointment.visit in draft.room.visits or appointment.visit in draft.room.closed:
        return
    visit = Visit(
        id=appointment.visit,
        policy=policy,
        providers=appointment.providers,
        seats={seat.participant: seat for seat in appointment.seats},
        appointment=appointment.id,
        start=appointment.start,
        end=appointment.end,
        group=appointment.group,
        opened_at=draft.now,
    )
    for during in outages:
        if during.start <= visit.start < (during.end or 0):  # its day came and went while we were away
            visit = failed_during(visit, during)
    draft.put_visit(visit)
    _tell(draft, visit)


def demand_size(appointment: Appointment) -> None:
    """Raise `TooMany` unless everybody who is meant may be in at once."""
    if len(appointment.seats) > GROUP_LIMIT:
        raise TooMany("clients of one appointment")


def _tell(draft: Draft, visit: Visit) -> None:
    shown = ("appointment", shown_appointment, (draft.index.connected, visit))
    draft.tell(provider_ids(visit), VisitChanged(appointment={}), later=shown)


def tell_rev(draft: Draft) -> None:
    """Tell providers each `rev` that their next request is judged by, where no event of a changed phase does."""
    for id in draft.touched:
        before, visit = draft.before.visits.get(id), draft.room.visits.get(id)
        if before is None or visit is None or visit.rev == before.rev or not visit.appointment:
            continue
        # With the beginning of a segment everybody was told the rev, and mostly nothing follows it in the same step.
        told = draft.begun is visit or (visit.phase is not before.phase and _told_rev(draft, visit) == visit.rev)
        if not told:
            _tell(draft, visit)


def _told_rev(draft: Draft, visit: Visit) -> int | None:
    """Return the `rev` that this step told a visit's providers last: one that came late may hold several changes."""
    host = visit.providers[0].id
    for entry in reversed(draft.entries):
        if type(entry) is Told and host in entry.to and getattr(entry.message, "visit", None) == visit.id:
            return getattr(entry.message, "rev", None)
    return None


def reschedule(draft: Draft, appointment: Appointment, policy: Policy, outages: Sequence[Interval] = ()) -> None:
    """The EHR changed an opened appointment. Who sits where stays; seats come, and empty ones go.

    Told the same again, nothing changes. A visit that was started keeps its providers and stays a group.
    Raise `TooMany` for more clients than a group may have.
    """
    demand_size(appointment)
    visit = draft.room.visits.get(appointment.visit)
    if visit is None:
        open_visit(draft, appointment, policy, outages)
        return
    # Where a walk-in was matched, the appointment's document still names the participant of the link.
    named = {visit.matched.get(seat.participant, seat.participant): seat for seat in appointment.seats}
    seats: dict[str, Seat] = {}
    for participant, new in named.items():
        old = visit.seats.get(participant, new)
        seats[participant] = replace(old, name=new.name, payer=new.payer, service_code=new.service_code)
    # Somebody who waits, is in or took part is not written out of what happened.
    seats |= {p: old for p, old in visit.seats.items() if p not in named and (old.waited or old.attended)}
    started = bool(visit.segments)
    kept = tuple(p for p in visit.providers if p.id not in {new.id for new in appointment.providers})
    moved = visit.start != appointment.start
    changed = replace(
        visit,
        providers=(*appointment.providers, *kept) if started else appointment.providers,
        seats=seats,
        start=appointment.start,
        end=appointment.end,
        group=appointment.group or (started and visit.group),
        policy=policy if visit.phase is SCHEDULED else visit.policy,
        opened_at=draft.now if moved else visit.opened_at,
        # An outage before they are expected anew kept nobody away.
        faults=tuple(fault for fault in visit.faults if fault != FAULT) if moved else visit.faults,
    )
    if changed == visit:
        return
    changed = draft.put_visit(replace(changed, rev=visit.rev + 1))
    if changed.phase is IN_PROGRESS:
        changed = draft.put_visit(with_company(draft, changed))
        if len(changed.providers) > 1:
            changed = fall_back(draft, changed, "company")
    _tell_providers(draft, visit, changed)
    for participant in [id for id in visit.seats if id not in seats]:
        # Their page must not go on asking for a seat that is not there.
        draft.tell((participant,), VisitClosed(visit=visit.id, rev=changed.rev, outcome="cancelled"), close=4510)


def _tell_providers(draft: Draft, before: Visit, visit: Visit) -> None:
    """Show those who host it from now on who waits and who is in, and have those who do not forget it."""
    entries = [entry for entry in draft.room.entries.values() if entry.visit == visit.id]
    new = [id for id in provider_ids(visit) if id not in provider_ids(before)]
    gone = [id for id in provider_ids(before) if id not in provider_ids(visit)]
    for entry in entries:
        tell_entered(draft, new, entry, visit)
        if not entry.acknowledged:
            draft.tell(new, ClientReady(entry=entry.id))  # the arrival is news to them
        draft.tell(gone, QueueLeft(entry=entry.id, reason="closed"))
    draft.tell(gone, VisitClosed(visit=visit.id, rev=visit.rev, outcome="cancelled"))
    if visit.phase is IN_PROGRESS:
        for id in new:
            visit = join_segment(draft, visit, id)
    elif visit.phase in (ENDED, REJOIN_PENDING):
        reason = visit.segments[-1].reason or "ended"
        draft.tell(new, VisitEnded(visit=visit.id, rev=visit.rev, reason=reason, rejoin_until=visit.rejoin_until))
        if new and visit.agreed:
            tell_agreed(draft, visit)


def cancel(draft: Draft, appointment: str, outcome: Outcome) -> None:
    """The EHR cancelled an opened appointment; whoever waits is told at once. A live visit is not cut off."""
    visit = visit_of_appointment(draft.room, appointment)
    if visit is not None and visit.phase is SCHEDULED:
        close(draft, replace(visit, phase=CLOSED, rev=visit.rev + 1), by="system", cancelled=outcome)
