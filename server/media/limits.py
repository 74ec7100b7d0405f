"""How much one peer may send, and ask of others: generous for a browser, and a bound for whoever is none.

What comes with each packet is not timed: a peer counts what it sends, and may go on up to a mark, which is moved at
each of the node's looks. So a packet costs a comparison. Rarer things take from a bucket.
"""

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


class Budget:
    """How far the counters of one peer may go."""

    __slots__ = ("_looked_at", "octets", "packets", "reports")

    def __init__(self, now: float) -> None:
        """`now` is in seconds, here and elsewhere."""
        self.packets = PACKETS.at_once
        self.octets = OCTETS.at_once
        self.reports = REPORTS.at_once
        self._looked_at = now

    def move(self, now: float, *, packets: int, octets: int, reports: int) -> None:
        """Move the marks, given what the peer has sent by now."""
        passed = max(0.0, now - self._looked_at)
        self._looked_at = now
        self.packets = _moved(self.packets, packets, PACKETS, passed)
        self.octets = _moved(self.octets, octets, OCTETS, passed)
        self.reports = _moved(self.reports, reports, REPORTS, passed)


def _moved(mark: int, used: int, rate: Rate, passed: float) -> int:
    """Return the next mark. What was sent a little beyond the last one is owed."""
    return used + min(rate.at_once, mark - used + round(rate.each_second * passed))


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
