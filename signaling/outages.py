"""Time in which the whole service could serve nobody. It is our fault, and counts against nobody.

What time alone would have brought meanwhile is given anew: who is awaited has the practice's full minutes again,
a place in the queue its full grace, a rejoin window the rest that was left of it. Whoever still never comes met
a `technical_failure`, for they may have stood at a door that did not open.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from signaling.deadlines import awaited_since
from signaling.draft import Draft
from signaling.rejoining import tell_agreed
from signaling.state import Interval, Phase, Stand, Visit

FAULT = "outage"
"""As the record names it."""


def unheard(draft: Draft, outages: Sequence[Interval]) -> Sequence[Interval]:
    """Return the outages, oldest first, that this room does not know of, without the parts that it does."""
    heard = draft.room.outages_until
    if not outages or (outages[-1].end or 0) <= heard:
        return ()
    return [Interval(max(one.start, heard), one.end) for one in outages if (one.end or 0) > heard]


def outage(draft: Draft, during: Interval) -> None:
    """Nobody was served `during` that. All that was due before it has been settled."""
    start, end = during.start, during.end or during.start
    draft.hear_of_outage(end)
    for entry in list(draft.room.entries.values()):
        given = entry
        if entry.dropped_at is not None and entry.dropped_at < end:
            given = replace(given, dropped_at=end)
        if entry.unanswered_at is not None:
            given = replace(given, unanswered_at=entry.unanswered_at + end - start)  # nobody could have answered
        if given is not entry:
            draft.put_entry(given)
    for visit in list(draft.room.visits.values()):
        match visit.phase:
            case Phase.SCHEDULED:
                waits = any(seat.stand is Stand.WAITING for seat in visit.seats.values())
                if waits or end > awaited_since(visit):
                    draft.put_visit(failed_during(visit, during))
            case Phase.IN_PROGRESS:
                if visit.alone_since is not None and visit.alone_since < end:
                    draft.put_visit(replace(visit, alone_since=end))
            case Phase.ENDED | Phase.REJOIN_PENDING:
                until = visit.rejoin_until
                if until is not None:
                    tell_agreed(draft, draft.put_visit(replace(visit, rejoin_until=until + end - start)))
    draft.at(end)  # what became due in between becomes so now


def failed_during(visit: Visit, during: Interval) -> Visit:
    """Return the visit with a time in which nobody could come to it."""
    faults = visit.faults if FAULT in visit.faults else (*visit.faults, FAULT)
    return replace(visit, faults=faults, outages=(*visit.outages, during))
