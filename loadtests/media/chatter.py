"""What a browser says beside its media (RTCP): ten times a second when packets arrived, each second its reports."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Sequence
from typing import Final

from loadtests.media.tally import Tally
from loadtests.media.traffic import Stream

INTERVAL: Final = 0.1
"""Seconds between two feedbacks about arrivals: Chromium's, at a megabit."""
MOST: Final = 500
"""Arrivals that one feedback tells of."""
REPORT_EVERY: Final = 10
"""Feedbacks between two reports."""
TICK: Final = 64_000
"""Nanoseconds of a unit of the feedback's reference time, in thousands: 64 ms."""
NTP: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""


def packet(count: int, kind: int, body: bytes) -> bytes:
    """Return one RTCP packet (RFC 3550 section 6.4)."""
    return struct.pack("!BBH", 0x80 | count, kind, len(body) >> 2) + body


class Chatter:
    """One peer's RTCP; a pacer sends it like a stream, and does not count it."""

    counted: Final = False

    def __init__(self, tally: Tally, streams: Sequence[Stream], chance: random.Random) -> None:
        """`tally`: what the peer gets. `streams`: what it sends, whose reports it makes."""
        self._tally = tally
        self._streams = streams
        self._chance = chance
        self._due = 0.0
        self._number = chance.randrange(REPORT_EVERY)

    def begin(self, now: float) -> float:
        """Begin somewhere in the interval, so that not all speak at once."""
        self._due = now + self._chance.random() * INTERVAL
        return self._due

    def next(self) -> tuple[bytes, float]:
        """Return what is to be said now, if anything, and when it is again."""
        self._due += INTERVAL
        self._number += 1
        said = self._arrivals()
        if self._number % REPORT_EVERY == 0:
            said = self._report() + said
        return said, self._due

    def _arrivals(self) -> bytes:
        """Tell of all since the last time, as if they had come evenly (transport-wide congestion control, draft 01)."""
        numbers, self._tally.numbers = self._tally.numbers[-MOST:], []
        if not numbers:
            return b""
        first, count = numbers[0], min((numbers[-1] - numbers[0] & 0xFFFF) + 1, MOST)
        mine, theirs = self._streams[-1].ssrc, self._tally.wide_ssrc
        reference = time.monotonic_ns() // TICK // 1000 & 0xFFFFFF
        head = struct.pack("!IIHHIH", mine, theirs, first, count, reference << 8 | self._number & 0xFF, 1 << 13 | count)
        body = head + bytes([min(255, int(INTERVAL * 4000 / count))]) * count
        return packet(15, 205, body + bytes(-len(body) % 4))

    def _report(self) -> bytes:
        """Report on what is sent, and in the first report on what is heard."""
        now = time.time()
        clock = int(now + NTP) << 32 | int(now % 1 * (1 << 32))
        blocks = [struct.pack("!IIIIII", ssrc, 0, highest, 0, 0, 0) for ssrc, highest in self._tally.heard()][:31]
        said = b""
        for stream in self._streams:
            info = struct.pack("!IQIII", stream.ssrc, clock, stream.stamp, stream.sent, stream.sent * 100)
            said += packet(len(blocks), 200, info + b"".join(blocks))
            blocks = []
        return said
