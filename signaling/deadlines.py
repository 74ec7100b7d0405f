"""When time alone brings something about: a question to the state, with no timer objects.

A room's index holds the answers, so that most decisions look at one number.
"""

from __future__ import annotations

from typing import Final

from signaling.state import CLOSED, IN_PROGRESS, SCHEDULED, WAITING, Entry, Room, Seat, Visit

NEVER: Final = 2**62
"""Later than any time, in ms."""


def due_at(room: Room, id: str) -> int:
    """Return when something becomes of an entry, a visit, or (by the room's own id) the host's absence; or `NEVER`.

    Ids tell the kind by how they begin, so no two of them are alike.
    """
    if (visit := room.visits.get(id)) is not None:
        return visit_deadline(visit)
    if (entry := room.entries.get(id)) is not None:
        return entry_deadline(room, entry)
    if id == room.id and room.host_gone_since is not None:
        return room.host_gone_since + room.policy.away_after
    return NEVER


def entry_deadline(room: Room, entry: Entry) -> int:
    """Return when something becomes of an entry, or `NEVER`.

    Its grace is over, nobody came to the unverified lane, or nobody answered the notice.
    """
    due = notice_deadline(entry)
    visit = room.visits.get(entry.visit or "")
    if entry.dropped_at is not None:
        due = min(due, entry.dropped_at + (visit.policy if visit is not None else room.policy).grace)
    if entry.visit is None:
        due = min(due, entry.since + room.policy.waiting_limit)
    return due


def notice_deadline(entry: Entry) -> int:
    """Return when the notice of an arrival has been unanswered for too long, in ms, or `NEVER`."""
    return NEVER if entry.acknowledged or entry.unanswered_at is None else entry.unanswered_at


def awaited_since(visit: Visit) -> int:
    """Return since when a client who is not there is absent, in ms: from the start, if they could come by then."""
    opened = visit.start if visit.start > visit.opened_at else visit.opened_at
    return max(opened, visit.outages[-1].end or 0) if visit.outages else opened


def kept_waiting_until(visit: Visit, seat: Seat) -> int:
    """Return when a client has waited long enough to be let into what goes on without them, in ms, or `NEVER`."""
    if seat.stand is not WAITING:
        return NEVER
    return max(awaited_since(visit), seat.waited[-1].start) + visit.policy.waiting_limit


def visit_deadline(visit: Visit) -> int:
    """Return when a visit stops waiting for what it waits for, in ms, or `NEVER`."""
    phase, policy = visit.phase, visit.policy
    if phase is SCHEDULED:
        awaited, left, waits = awaited_since(visit), 0, False
        for seat in visit.seats.values():
            if seat.stand is WAITING:
                awaited, waits = max(awaited, seat.waited[-1].start), True
            elif seat.waited:
                left = max(left, seat.waited[-1].end or 0)
        return awaited + policy.waiting_limit if waits else max(awaited, left) + policy.no_show_after
    if phase is IN_PROGRESS:
        due = visit.alone_since + policy.abandoned_after if visit.alone_since is not None else NEVER
        for seat in visit.seats.values():
            if seat.stand is WAITING:
                due = min(due, kept_waiting_until(visit, seat))
        return due
    # A closed visit waits for nothing: it has no window either.
    return visit.rejoin_until if visit.rejoin_until is not None and phase is not CLOSED else NEVER
