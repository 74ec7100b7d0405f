"""An appointment becomes a visit, changes, or is cancelled."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.closing import close
from signaling.draft import Draft
from signaling.events import Appointment
from signaling.lookup import (
    provider_ids,
    visit_of_appointment,
)
from signaling.messages import (
    Outcome,
    VisitChanged,
)
from signaling.policy import Policy
from signaling.shown import (
    shown_appointment,
)
from signaling.state import (
    Phase,
    Seat,
    Visit,
)


def open_visit(draft: Draft, appointment: Appointment, policy: Policy) -> None:
    """An appointment's day has come: it becomes a visit, judged from now on by this copy of the policy."""
    if appointment.visit in draft.room.visits:
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
    )
    draft.put_visit(visit)
    draft.tell(provider_ids(visit), VisitChanged(appointment=shown_appointment(draft.room, visit)))


def reschedule(draft: Draft, appointment: Appointment, policy: Policy) -> None:
    """The EHR changed an opened appointment. Who sits where stays; seats come, and empty ones go."""
    visit = draft.room.visits.get(appointment.visit)
    if visit is None:
        open_visit(draft, appointment, policy)
        return
    named = {seat.participant: seat for seat in appointment.seats}
    seats: dict[str, Seat] = {}
    for participant, new in named.items():
        old = visit.seats.get(participant, new)
        seats[participant] = replace(old, name=new.name, payer=new.payer, service_code=new.service_code)
    # Somebody who waits, is in or took part is not written out of what happened.
    seats |= {p: old for p, old in visit.seats.items() if p not in named and (old.waited or old.attended)}
    visit = replace(
        visit,
        providers=appointment.providers,
        seats=seats,
        start=appointment.start,
        end=appointment.end,
        group=appointment.group,
        policy=policy if visit.phase is Phase.SCHEDULED else visit.policy,
        rev=visit.rev + 1,
    )
    draft.put_visit(visit)
    draft.tell(provider_ids(visit), VisitChanged(appointment=shown_appointment(draft.room, visit)))


def cancel(draft: Draft, appointment: str, outcome: Outcome) -> None:
    """The EHR cancelled an opened appointment; whoever waits is told at once. A live visit is not cut off."""
    visit = visit_of_appointment(draft.room, appointment)
    if visit is not None and visit.phase is Phase.SCHEDULED:
        close(draft, replace(visit, phase=Phase.CLOSED, rev=visit.rev + 1), by="system", cancelled=outcome)
