"""What was heard of one peer, and how much more of it is listened to.

What comes with each packet is not timed: it is counted, and may go on up to a mark, which is moved at each of the
node's looks. So a packet costs a comparison.
"""

from __future__ import annotations

from server.media.alive import PATIENCE
from server.media.limits import OCTETS, PACKETS, REPORTS, Rate


class Heard:
    """Counts, marks and times of one peer, close together: every packet touches them."""

    __slots__ = (
        "_looked_at", "at", "most_octets", "most_packets", "most_reports", "octets", "packets", "reports", "since",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        """`now` is in seconds of a monotonic clock, here and elsewhere."""
        self.packets = self.octets = self.reports = 0
        """Packets of RTP, that were its own and within its marks, their octets, and packets of RTCP."""
        self.most_packets, self.most_octets, self.most_reports = PACKETS.at_once, OCTETS.at_once, REPORTS.at_once
        """How far the counts may go."""
        self.since: float | None = None
        """When the present run of signs of life began; None: there was none."""
        self.at = 0.0
        """When the last one came."""
        self._looked_at = now

    def sign(self, now: float) -> None:
        """Note a sign of life."""
        if now - self.at >= PATIENCE:
            self.since = now
        self.at = now

    def move(self, now: float) -> None:
        """Move the marks."""
        passed = max(0.0, now - self._looked_at)
        self._looked_at = now
        self.most_packets = _moved(self.most_packets, self.packets, PACKETS, passed)
        self.most_octets = _moved(self.most_octets, self.octets, OCTETS, passed)
        self.most_reports = _moved(self.most_reports, self.reports, REPORTS, passed)


def _moved(mark: int, used: int, rate: Rate, passed: float) -> int:
    """Return the next mark. What was sent a little beyond the last one is owed."""
    return used + min(rate.at_once, mark - used + round(rate.each_second * passed))
