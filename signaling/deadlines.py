"""When time alone brings something about: a question to the state, with no timer objects.

Each visit carries the answer for itself (`due`) and the room carries the least of all, so that most decisions look at
one number. `Draft` keeps both right.
"""

from __future__ import annotations

from typing import Final

from signaling.state import Entry, Phase, Room, Seat, Stand, Visit

NEVER: Final = 2**62
"""Later than any time, in ms."""


def deadline(room: Room) -> int | None:
    """Return when the room next wants to be looked at, in ms; None: not before something happens."""
    due = first_due(room)
    return due if due < NEVER else None


def first_due(room: Room) -> int:
    """Return the least deadline there is, or `NEVER`."""
    due = NEVER if room.host_gone_since is None else room.host_gone_since + room.policy.away_after
    for entry in room.entries.values():
        if (entry.dropped_at is not None or entry.visit is None) and (at := entry_deadline(room, entry)) < due:
            due = at
    for visit in room.visits.values():
        if (at := visit.due if visit.due is not None else visit_deadline(visit) or NEVER) < due:
            due = at
    return due


def entry_deadline(room: Room, entry: Entry) -> int:
    """Return when an entry stops waiting: its grace is over, or nobody came to the unverified lane; or `NEVER`."""
    due = NEVER
    visit = room.visits.get(entry.visit or "")
    if entry.dropped_at is not None:
        due = entry.dropped_at + (visit.policy if visit is not None else room.policy).grace
    if entry.visit is None:
        due = min(due, entry.since + room.policy.waiting_limit)
    return due


def awaited_since(visit: Visit) -> int:
    """Return since when a client who is not there is absent, in ms: from the start, if they could come by then."""
    served_again = (visit.outages[-1].end or 0) if visit.outages else 0
    return max(visit.start, visit.opened_at, served_again)


def kept_waiting_until(visit: Visit, seat: Seat) -> int:
    """Return when a client has waited long enough to be let into what goes on without them, in ms, or `NEVER`."""
    if seat.stand is not Stand.WAITING:
        return NEVER
    return max(awaited_since(visit), seat.waited[-1].start) + visit.policy.waiting_limit


def visit_deadline(visit: Visit) -> int | None:
    """Return when a visit stops waiting for what it waits for, in ms."""
    policy = visit.policy
    match visit.phase:
        case Phase.SCHEDULED:
            awaited = awaited_since(visit)
            waiting = [seat.waited[-1].start for seat in visit.seats.values() if seat.stand is Stand.WAITING]
            if waiting:
                return max([awaited, *waiting]) + policy.waiting_limit
            left = [span.end for seat in visit.seats.values() for span in seat.waited if span.end is not None]
            return max([awaited, *left]) + policy.no_show_after
        case Phase.IN_PROGRESS:
            abandoned = visit.alone_since + policy.abandoned_after if visit.alone_since is not None else NEVER
            due = min([abandoned, *(kept_waiting_until(visit, seat) for seat in visit.seats.values())])
            return due if due < NEVER else None
        case Phase.ENDED | Phase.REJOIN_PENDING:
            return visit.rejoin_until
        case Phase.CLOSED:
            return None
