"""How the network was, minute by minute and side by side: what browsers measured, as numbers alone.

A browser's report says how it fared since its last one. A minute sums up its reports; the record sums up the minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from signaling.lookup import provider_ids
from signaling.requests import MediaStats
from signaling.state import Minute, Visit

Level = Literal["good", "fair", "poor"]
MOST_MINUTES: Final = 6 * 60
"""Of one participant: what comes later is not kept."""
POOR_MINUTES: Final = 2
"""So many make a fault that the record names: one may be a telephone call, or a lift."""


class Bound(Struct, frozen=True):
    """What a connection of some level stays below, all of it."""

    level: Level
    loss: float
    """Part of the packets that never came, 0 to 1."""
    rtt: float
    """Milliseconds to the other end and back. ITU-T G.114: one way, talk suffers beyond 150 and fails beyond 400."""
    freezes: int
    """Times in a minute that the picture stood still."""


BOUNDS: Final = (Bound("good", 0.02, 300, 2), Bound("fair", 0.08, 800, 6))
"""What is within no row is poor. Opus hides a few lost packets in a hundred; beyond eight, words are missed."""


def level_of(loss: float, rtt: float, freezes: float) -> Level:
    """Return how good a connection is; `freezes` a minute."""
    for bound in BOUNDS:
        if loss < bound.loss and rtt < bound.rtt and freezes < bound.freezes:
            return bound.level
    return "poor"


def level_of_minute(minute: Minute) -> Level:
    """Return how good a minute was."""
    return level_of(minute.lost / 1000, minute.rtt, minute.freezes)


def of_reports(at: int, reports: Sequence[MediaStats]) -> Minute:
    """Return the minute that begins at `at` minutes since 1970, as one browser's reports tell of it."""
    return Minute(
        at,
        rtt=round(_mean(report.rtt_ms for report in reports)),
        lost=round(1000 * _mean(report.loss for report in reports)),
        jitter=round(_mean(report.jitter_ms for report in reports)),
        freezes=sum(report.freezes or 0 for report in reports),
        reports=len(reports),
    )


def with_minute(minutes: tuple[Minute, ...], minute: Minute) -> tuple[Minute, ...]:
    """Add a minute; two accounts of one minute, by two nodes, become one."""
    for place, known in enumerate(minutes):
        if known.at == minute.at:
            return (*minutes[:place], _both(known, minute), *minutes[place + 1 :])
    if len(minutes) >= MOST_MINUTES:
        return minutes
    return tuple(sorted((*minutes, minute), key=lambda one: one.at))


def _both(one: Minute, other: Minute) -> Minute:
    whole = one.reports + other.reports or 1

    def mean(a: int, b: int) -> int:
        return round((a * one.reports + b * other.reports) / whole)

    return Minute(
        one.at,
        rtt=mean(one.rtt, other.rtt),
        lost=mean(one.lost, other.lost),
        jitter=mean(one.jitter, other.jitter),
        freezes=one.freezes + other.freezes,
        reports=one.reports + other.reports,
    )


def summed_up(visit: Visit, participant: str) -> dict[str, Any] | None:
    """Return what the record says of one participant's connection; None: their browser told nothing."""
    minutes = visit.quality.get(participant, ())
    if not minutes:
        return None
    return {
        "minutes": len(minutes),
        "poor_minutes": _poor(minutes),
        "rtt_ms": round(_mean(minute.rtt for minute in minutes)),
        "loss": round(_mean(minute.lost for minute in minutes) / 1000, 3),
        "jitter_ms": round(_mean(minute.jitter for minute in minutes)),
        "freezes": sum(minute.freezes for minute in minutes),
    }


def network_faults(visit: Visit) -> list[str]:
    """Return the codes of networks that were poor for long, as the record's technical faults name them."""
    providers = provider_ids(visit)
    sides = {
        "poor_network_provider": any(_poor(visit.quality.get(id, ())) >= POOR_MINUTES for id in providers),
        "poor_network_client": any(_poor(visit.quality.get(id, ())) >= POOR_MINUTES for id in visit.seats),
    }
    return [code for code, poor in sides.items() if poor]


def _poor(minutes: Iterable[Minute]) -> int:
    return sum(level_of_minute(minute) == "poor" for minute in minutes)


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
