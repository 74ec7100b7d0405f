"""A visit's life as a table: `NEXT` is the state machine; `docs/visit.md` is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Stale
from signaling.events import DeadlinePassed
from signaling.lookup import hosts, situation_of
from signaling.requests import Admit, End, Finish, Rejoin, Remove, Request, ReturnToWaiting, Start, Withdraw
from signaling.shown import (
    shown_appointment,
)
from signaling.state import (
    Phase,
    Visit,
    Who,
)

NEXT: Final[Mapping[tuple[Phase, type[Request] | type[DeadlinePassed]], frozenset[Phase]]] = {
    (Phase.SCHEDULED, Start): frozenset({Phase.IN_PROGRESS}),
    (Phase.SCHEDULED, DeadlinePassed): frozenset({Phase.CLOSED}),
    (Phase.IN_PROGRESS, Admit): frozenset({Phase.IN_PROGRESS}),
    (Phase.IN_PROGRESS, ReturnToWaiting): frozenset({Phase.IN_PROGRESS, Phase.SCHEDULED}),
    (Phase.IN_PROGRESS, Remove): frozenset({Phase.IN_PROGRESS, Phase.ENDED}),
    (Phase.IN_PROGRESS, Rejoin): frozenset({Phase.IN_PROGRESS}),
    (Phase.IN_PROGRESS, End): frozenset({Phase.ENDED}),
    (Phase.IN_PROGRESS, DeadlinePassed): frozenset({Phase.ENDED}),
    (Phase.ENDED, Rejoin): frozenset({Phase.REJOIN_PENDING}),
    (Phase.ENDED, Finish): frozenset({Phase.CLOSED}),
    (Phase.ENDED, DeadlinePassed): frozenset({Phase.CLOSED}),
    (Phase.REJOIN_PENDING, Rejoin): frozenset({Phase.REJOIN_PENDING, Phase.IN_PROGRESS}),
    (Phase.REJOIN_PENDING, Withdraw): frozenset({Phase.REJOIN_PENDING, Phase.ENDED}),
    (Phase.REJOIN_PENDING, Finish): frozenset({Phase.CLOSED}),
    (Phase.REJOIN_PENDING, DeadlinePassed): frozenset({Phase.CLOSED}),
}
"""Every event that moves a visit, and where it may lead; the function of its name chooses. All others are refused.

Besides these a cancellation by the EHR closes a scheduled visit, and a client's `leave` from a 1:1 visit is `end`.
"""


def advance(visit: Visit, event: type[Request] | type[DeadlinePassed], to: Phase) -> Visit:
    """Return the visit in its next phase, `rev` counted up."""
    demand_move(visit, event, to)
    return replace(visit, phase=to, rev=visit.rev + 1)


def demand_move(visit: Visit, event: type[Request] | type[DeadlinePassed], to: Phase) -> None:
    """A move that the table does not hold is our own mistake."""
    assert to in NEXT.get((visit.phase, event), ()), f"{visit.phase} -{event.__name__}-> {to} is not in NEXT"


def demand_rev(draft: Draft, by: Who, visit: Visit, expect: int | None) -> None:
    """Raise `Stale`, with the visit as it is, unless it still has the `rev` that the request was made for."""
    if expect is None or expect == visit.rev:
        return
    if hosts(visit, by):
        raise Stale("the visit has moved on", shown_appointment(draft.index.connected, visit))
    # A client is told where they stand themselves, and of nobody else.
    phase = situation_of(draft.room, by, visit).value
    raise Stale("the visit has moved on", {"visit": visit.id, "rev": visit.rev, "phase": phase})
