"""Questions that every part of the heart asks of a room: who is this, which visit is meant, who is connected."""

from __future__ import annotations

from typing import Final

from signaling.errors import NotFound
from signaling.index import index_of
from signaling.permissions import OF_PHASE, Situation
from signaling.state import (
    CLIENT,
    CLOSED,
    IN,
    OUT,
    REJOIN_PENDING,
    REMOVED,
    SCHEDULED,
    WAITING,
    Entry,
    Role,
    Room,
    Seat,
    Status,
    Visit,
    Who,
)

PROVIDERS: Final = (Role.PROVIDER, Role.CO_PROVIDER)
AWAY: Final = Status("away")
WITH_SOMEONE: Final = Status("with_someone")


def visit_of(room: Room, who: Who) -> Visit | None:
    """Return the visit of a client's seat; None for a provider, a walk-in nobody has started, and where it is gone."""
    if who.role is not CLIENT:
        return None
    if who.visit is not None:
        visit = room.visits.get(who.visit)
        return visit if visit is not None and who.participant in visit.seats else None
    return next((visit for visit in room.visits.values() if who.participant in visit.seats), None)


def holder(room: Room, visit: str, participant: str) -> str:
    """Return the participant of the seat that a join link leads to: the link's own, or the walk-in matched to it.

    Whoever comes by the link of a seat that was given away is another device of whoever sits there: they take
    over by a click, and need not ask the one who was taken for them.
    """
    found = room.visits.get(visit)
    return participant if found is None else found.matched.get(participant, participant)


def is_known(room: Room, participant: str) -> bool:
    """Tell whether a client waits in this room, or has a seat in a visit of it."""
    return entry_of(room, participant) is not None or any(participant in visit.seats for visit in room.visits.values())


def visit_of_appointment(room: Room, appointment: str) -> Visit | None:
    """Return the opened visit of an appointment."""
    id = index_of(room).appointments.get(appointment)
    return room.visits[id] if id is not None else None


def entry_of(room: Room, participant: str) -> Entry | None:
    """Return the waiting entry of a participant."""
    id = index_of(room).waiting.get(participant)
    return room.entries[id] if id is not None else None


def live_visit(room: Room) -> Visit | None:
    """Return the one visit in progress."""
    id = index_of(room).live
    return room.visits[id] if id is not None else None


def hosts(visit: Visit, who: Who) -> bool:
    """Tell whether `who` is a provider of this visit."""
    return who.role in PROVIDERS and who.participant in provider_ids(visit)


def provider_ids(visit: Visit) -> tuple[str, ...]:
    """Return the participant ids of a visit's providers, host first."""
    providers = visit.providers
    if len(providers) == 1:  # as it mostly is
        return (providers[0].id,)
    return tuple([provider.id for provider in providers])


def visit_for(room: Room, who: Who, visit: str) -> Visit:
    """Return the visit a participant means. Unknown and not theirs are alike: `NotFound`."""
    found = room.visits.get(visit)
    if found is None or not (hosts(found, who) or who.participant in found.seats):
        raise NotFound("no such visit of this participant")
    return found


def seat_of(visit: Visit, who: Who) -> Seat | None:
    """Return the seat of a client."""
    return visit.seats.get(who.participant)


def may_rejoin(seat: Seat) -> bool:
    """Tell whether a seat that is out was in the visit before, and may therefore choose to rejoin."""
    return seat.stand is OUT and bool(seat.attended) and not seat.sent_back


def situation_of(room: Room, who: Who, visit: Visit | None) -> Situation:
    """Return what a participant's request is judged by; a client's is also the `phase` of their view."""
    if who.role is not CLIENT:
        return OF_PHASE[visit.phase if visit is not None else SCHEDULED]
    if visit is None:
        if who.visit is not None:
            # Their visit has closed, or their seat is gone: a link leads to one appointment, never to the lane beside.
            return Situation.CLOSED
        return Situation.WAITING if entry_of(room, who.participant) else Situation.SCHEDULED
    return client_situation(visit, visit.seats[who.participant])


def client_situation(visit: Visit, seat: Seat) -> Situation:
    """Return where a client stands, as they live it."""
    if visit.phase is CLOSED or seat.stand is REMOVED:
        return Situation.CLOSED
    if seat.stand is WAITING:
        return Situation.WAITING
    if seat.stand is IN:
        return Situation.IN_PROGRESS
    if visit.phase is SCHEDULED or not may_rejoin(seat):
        return Situation.SCHEDULED
    return Situation.REJOIN_PENDING if visit.phase is REJOIN_PENDING else Situation.ENDED


def is_connected(room: Room, participant: str) -> bool:
    """Tell whether any connection of the participant lives."""
    return participant in index_of(room).connected


def connections_of(room: Room, participant: str) -> tuple[str, ...]:
    """Return the ids of a participant's live connections."""
    return index_of(room).connected.get(participant, ())


def device_of(room: Room, participant: str) -> str:
    """Return the device that a client is at; empty if they are gone."""
    return next((room.connections[id].device for id in connections_of(room, participant)), "")


def present_seats(visit: Visit) -> list[Seat]:
    """Return the seats that are in."""
    return [seat for seat in visit.seats.values() if seat.stand is IN]


def inside(visit: Visit) -> tuple[str, ...]:
    """Return everybody who is in a visit in progress: providers first."""
    return (*provider_ids(visit), *clients_inside(visit))


def clients_inside(visit: Visit) -> tuple[str, ...]:
    """Return the clients who are in a visit in progress."""
    return tuple([seat.participant for seat in visit.seats.values() if seat.stand is IN])


def roster(visit: Visit) -> tuple[str, ...]:
    """Return everybody who is in the visit, or may rejoin it: providers first."""
    clients = [seat.participant for seat in visit.seats.values() if seat.stand is IN or may_rejoin(seat)]
    return (*provider_ids(visit), *clients)


def host_status(room: Room) -> Status:
    """Return how the host is: nobody there is `away`, whatever was set."""
    return AWAY if room.host_away else room.status


def shown_status(room: Room) -> Status:
    """Return what waiting clients see of their provider. `with_someone` says less than what the provider says."""
    if room.host_away:
        return AWAY
    return WITH_SOMEONE if room.status.kind == "available" and index_of(room).live is not None else room.status
