"""A walk-in takes a seat of an appointment: by a provider's click, and never by itself.

The provider has seen or asked who it is. From then on the seat is the walk-in's, with what the practice knows of the
client; whoever comes by the link of that seat is another device of whoever sits there.
"""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import NotFound, Refused
from signaling.events import Disconnected
from signaling.lookup import connections_of
from signaling.messages import Displaced
from signaling.presence import disconnected
from signaling.seats import ended
from signaling.state import Entry, Interval, Seat, Stand, Visit, Who


def match(draft: Draft, by: Who, visit: Visit, entry: Entry, client: str | None) -> Visit:
    """Return the visit with the walk-in waiting in a seat of it: the one that is free, or that of `client`.

    `rev` stays: the click that matches goes on to let them in, and is one step. Raise `NotFound` or `Refused`.
    """
    seat = _free_seat(visit, client)
    # Whoever has that client's link open looks on from an older device now.
    for id in connections_of(draft.room, seat.participant):
        draft.tell((seat.participant,), Displaced(), connection=id, close=4509)
        disconnected(draft, Disconnected(id))
    waited = ended(seat.waited, draft.now)
    since = max(entry.since, waited[-1].end or 0) if waited else entry.since
    taken = replace(
        seat,
        participant=entry.participant,
        called=entry.name,
        stand=Stand.WAITING,
        entry=entry.id,
        checked_in=entry.checked_in,
        waited=(*waited, Interval(since)),
    )
    seats = {one.participant: one for one in (taken if old is seat else old for old in visit.seats.values())}
    draft.put_entry(replace(entry, visit=visit.id))
    draft.audit("match", by.participant, visit.id, entry.participant)
    return draft.put_visit(
        replace(visit, seats=seats, matched={**visit.matched, seat.participant: entry.participant}),
    )


def unmatch(visit: Visit, participant: str) -> Visit:
    """Return the visit with the seat its client's again, whom somebody else was taken for and sent away.

    What that somebody did stays theirs, as somebody the practice does not know.
    """
    if not visit.matched:
        return visit
    owner = next((owner for owner, taken in visit.matched.items() if taken == participant), None)
    seat = visit.seats[participant]
    if owner is None or seat.called is None:
        return visit
    free = Seat(owner, seat.name, client=seat.client, payer=seat.payer, service_code=seat.service_code)
    stranger = replace(seat, name=seat.called, client=None, payer=None, service_code=None)
    seats = {
        one.participant: one for old in visit.seats.values() for one in ((free, stranger) if old is seat else (old,))
    }
    matched = {link: taken for link, taken in visit.matched.items() if link != owner}
    return replace(visit, seats=seats, matched=matched)


def _free_seat(visit: Visit, client: str | None) -> Seat:
    if client is not None and all(client != seat.client for seat in visit.seats.values()):
        raise NotFound("no such client in this visit")
    # Nobody is given what another did: who waits, is in or took part keeps the seat.
    free = [s for s in visit.seats.values() if s.stand is Stand.OUT and not s.attended and client in (None, s.client)]
    if len(free) != 1:
        raise Refused("several seats are free: name the client" if free else "no seat is free")
    return free[0]
