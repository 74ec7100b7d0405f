"""How much is measured, what came out, and whether that is within the budget."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BUDGETS: Final[dict[str, float]] = tomllib.loads((Path(__file__).parents[1] / "budgets.toml").read_text())["media"]
AT_LEAST: Final = frozenset({"media_relay"})
"""Goals that a figure has to reach; all others it may not exceed."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    visits: int = 40
    audio_visits: int = 120
    group: int = 12
    rounds: int = 5
    seconds: float = 8.0
    warm: float = 1.0
    tries: int = 4
    """How often a round is begun while the machine is too busy for the generator."""
    relay_seconds: float = 5.0
    peers: int = 100
    short_visits: int = 1000


QUICK: Final = Size(
    visits=2,
    audio_visits=2,
    group=3,
    rounds=1,
    seconds=0.5,
    warm=0.1,
    tries=1,
    relay_seconds=0.5,
    peers=4,
    short_visits=8,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. `goal` is a name in budgets.toml, if there is one for it."""

    what: str
    figure: float | None
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: str = ""
    note: str = ""
    rounds: tuple[float, ...] = field(default=())

    @property
    def judged(self) -> float | None:
        """What the goal is about: the ratio, where there is one."""
        return self.ratio if self.ratio is not None else self.figure

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None if there is none, or nothing was measured."""
        if not self.goal or self.judged is None:
            return None
        goal = BUDGETS[self.goal]
        return self.judged >= goal if self.goal in AT_LEAST else self.judged <= goal


def shown(row: Row) -> str:
    """Return a row as it is printed."""

    def number(value: float | None, unit: str = "") -> str:
        return "" if value is None else f"{value:.4g} {unit}".strip()

    goal = ""
    if row.goal:
        goal = f"{'≥' if row.goal in AT_LEAST else '≤'} {BUDGETS[row.goal]:g}"
    told = {True: "holds", False: "MISSED", None: ""}[row.holds]
    spread = f"rounds {min(row.rounds):.3g}-{max(row.rounds):.3g}" if row.rounds else ""
    words = "; ".join(text for text in (told, spread, row.note) if text)
    return line(row.what, number(row.figure, row.unit), number(row.floor, row.unit), number(row.ratio), goal, words)


def line(what: str, figure: str, floor: str, ratio: str, goal: str, words: str) -> str:
    """Return its parts in columns."""
    return f"{what:<42} {figure:>13} {floor:>13} {ratio:>8} {goal:>8}  {words}".rstrip()
