"""The closed visit's record, as billing gets it: measured facts, dated proposals, flags. Never a verdict."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from signaling.messages import Outcome
from signaling.state import Seat, Visit


class Record(Struct, frozen=True):
    """One revision of one visit's record. `facts` is PROTOCOL.md's object; times are ms UTC."""

    id: str
    visit: str
    revision: int
    facts: dict[str, Any]
    proposals: dict[str, Any] = {}
    flags: tuple[str, ...] = ()


def connected(visit: Visit, participant: str, now: int) -> dict[str, int]:
    return {"video": 0, "audio": 0}


def outcome_of(visit: Visit, seat: Seat) -> Outcome:
    return seat.outcome or "attended"


def record_of(visit: Visit, outcomes: dict[str, Outcome], now: int) -> Record:
    return Record("rec_" + visit.id.removeprefix("vis_"), visit.id, 1, {})
