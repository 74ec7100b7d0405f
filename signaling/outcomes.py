"""What is said of a client's attendance: a table of rules over the ledger of who waited for whom.

The commonest dispute is about money for an hour that did not happen. So each outcome follows from measured facts, and
what went wrong on our side, or on the provider's, never becomes the client's no-show. A provider's word goes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from signaling.fields import Outcome
from signaling.minutes import connected
from signaling.policy import Policy
from signaling.spans import length, overlap, spans, without
from signaling.state import OUT, WAITING, Seat, Visit


class Facts(Struct, frozen=True, kw_only=True):
    """What a visit shows of one client. Spans are milliseconds."""

    came: bool
    """They checked in."""
    was_in: bool
    """They were let in."""
    late: int
    """How long after the start they first came; less than 0: before it."""
    left_before: int
    """How long before the others' end, or the scheduled one, they went out of a visit that went on."""
    waited: int
    """How long they waited in vain after the start."""
    still_waits: bool
    connected: int | None
    """How long media connected them with the provider's side. None: nothing of ours failed, and nobody asks."""
    faults: bool
    """Something of ours failed."""


RULES: Final[tuple[tuple[Outcome, str, Callable[[Facts, Policy], bool]], ...]] = (
    (
        "technical_failure",
        "was let in, and nothing connected them because of a fault of ours",
        lambda f, _: f.was_in and f.faults and f.connected == 0,
    ),
    ("late_arrival", "came after the grace for lateness", lambda f, p: f.was_in and f.late > p.late_after),
    ("left_early", "went out while it went on", lambda f, p: f.was_in and f.left_before > p.early_before),
    ("attended", "was in", lambda f, _: f.was_in),
    (
        "provider_absent",
        "waited as long as a client is waited for, or to the very end",
        lambda f, p: f.came and (f.still_waits or f.waited >= p.no_show_after),
    ),
    ("technical_failure", "came, and lost the place by a fault of ours", lambda f, _: f.came and f.faults),
    ("left_early", "came, and went before anybody was absent", lambda f, _: f.came),
    ("technical_failure", "never came, and something of ours had failed", lambda f, _: f.faults),
    ("no_show", "never came", lambda _, __: True),
)
"""Outcome, why, and when; the first rule that holds decides."""

BEST: Final[tuple[Outcome, ...]] = (
    "attended",
    "late_arrival",
    "left_early",
    "technical_failure",
    "provider_absent",
    "cancelled",
    "late_cancel",
    "no_show",
)
"""What is said of a group as a whole: the first of these that is said of any client."""


def outcome_of(visit: Visit, seat: Seat, now: int) -> Outcome:
    """Return what is said of a client's attendance: a provider's word, else what the ledger shows at `now`."""
    if seat.outcome is not None:
        return seat.outcome
    facts = facts_of(visit, seat, now)
    for outcome, _, holds in RULES:
        if holds(facts, visit.policy):
            return outcome
    raise AssertionError("the last rule holds of everybody")


def overall(outcomes: list[Outcome]) -> Outcome:
    """Return what is said of the visit as a whole."""
    for best in BEST:
        if best in outcomes:
            return best
    return "no_show"


def facts_of(visit: Visit, seat: Seat, now: int) -> Facts:
    """Return what a visit shows of one client at `now`."""
    # Nobody is late for, or absent from, what was scheduled only afterwards.
    awaited = max(visit.start, visit.opened_at)
    ours = spans(visit.outages, now)
    came = seat.waited[0].start if seat.waited else awaited
    # Nor does a time count, for whoever waited or should have come, in which we served nobody.
    waited = without(overlap(spans(seat.waited, now), ((awaited, max(awaited, now)),)), ours)
    open_since = max([awaited, *[end for _, end in ours if end <= came]]) if ours else awaited
    return Facts(
        came=bool(seat.waited),
        was_in=bool(seat.attended),
        late=came - open_since if visit.appointment is not None else 0,
        left_before=_left_before(visit, seat),
        waited=length(waited),
        still_waits=seat.stand is WAITING,
        connected=sum(connected(visit, seat.participant, now).values()) if visit.faults else None,
        faults=bool(visit.faults),
    )


def _left_before(visit: Visit, seat: Seat) -> int:
    # Who was removed or sent back to wait did not leave, and who was ended with the others did not leave before them.
    if not seat.attended or seat.stand is not OUT or seat.sent_back:
        return 0
    came, left = seat.attended[-1].start, seat.attended[-1].end
    for run in visit.segments:
        over = run.ended_at
        if over is not None and left is not None and run.started_at <= came <= over:
            until = min(over, visit.end) if visit.end > visit.start else over
            return max(0, until - left)
    return 0
