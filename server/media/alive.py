"""Whether something goes on, told by its signs of life alone: the facts that billing's minutes are made of.

Times are seconds of a monotonic clock: an estimate of the store's time may be corrected between two looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 5.0
"""After how many seconds without a sign something is over — since its last sign."""
DOUBT: Final = 3.0
"""After how many seconds without a sign people are shown that somebody is being reconnected."""
KNOCK: Final = 1.0
"""After how many seconds without a sign one is asked for: a browser that sends no media may be silent for six."""

Run = tuple[float, float]
"""(first sign, last sign) of an unbroken run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Something began (`up`) or ended, at `at`."""

    up: bool
    at: float


class Pulse:
    """One thing that comes and goes: a participant's transport, or their video."""

    __slots__ = ("_last", "up")

    def __init__(self) -> None:
        self.up = False
        self._last = -math.inf

    def feel(self, now: float, runs: Iterable[Run]) -> list[Turn]:
        """Return what has begun or ended, given the latest run of each of its carriers."""
        turns: list[Turn] = []
        for first, last in sorted(runs):
            if self.up and first - self._last >= PATIENCE:
                turns.append(Turn(up=False, at=self._last))
                self.up = False
            if not self.up and last > self._last:
                turns.append(Turn(up=True, at=max(first, self._last)))
                self.up = True
            self._last = max(self._last, last)
        if self.up and now - self._last >= PATIENCE:
            turns.append(Turn(up=False, at=self._last))
            self.up = False
        return turns

    def doubtful(self, now: float) -> bool:
        """Tell whether it went on once, and gave no sign for a while, or has ended since."""
        return -math.inf < self._last <= now - DOUBT

    def end(self) -> list[Turn]:
        """Return the end of what goes on: its last carrier is gone."""
        turns = [Turn(up=False, at=self._last)] if self.up else []
        self.up = False
        return turns
