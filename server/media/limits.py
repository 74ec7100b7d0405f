"""How much one peer may send, and ask of others: generous for a browser, and a bound for whoever is none."""

from __future__ import annotations

import math
from typing import Final, NamedTuple


class Rate(NamedTuple):
    """So much in a second in the long run, and so much at once after a silence."""

    each_second: float
    at_once: int


PACKETS: Final = Rate(1_500, 3_000)
"""Of RTP. A camera and a screen at their best, with what is sent again, are some 600 in a second."""
OCTETS: Final = Rate(1_500_000, 3_000_000)
"""Of RTP: 12 Mbit/s."""
REPORTS: Final = Rate(200, 600)
"""Of RTCP, whatever it says. A browser that gets twelve cameras by a bad network sends some 60 in a second."""
REPEATS: Final = Rate(500, 1_500)
"""Of packets that a peer may ask for once more, of all who send to it: a second of everything, after an outage."""
KEYFRAMES: Final = Rate(1, 5)
"""Of one source, however many ask; who begins to get it has theirs at once."""


class Bucket:
    """Tokens that come back with time, for what is too rare to be counted otherwise."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left = float(rate.at_once)
        self._at = -math.inf

    def take(self, number: int, now: float) -> int:
        """Return how many of so many are granted."""
        self._left = min(self._rate.at_once, self._left + self._rate.each_second * max(0.0, now - self._at))
        self._at = now
        granted = min(number, int(self._left))
        self._left -= granted
        return granted
