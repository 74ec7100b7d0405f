"""What arrived at a peer: counted by the header, lost by the gaps in it, timed by one packet in so many."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pylibsrtp import Error

from loadtests.media.traffic import MARK, TWO_WORDS, WIDE_ID

HALF: Final = 1 << 15
NUMBERED: Final = WIDE_ID << 4 | 1
"""Before a transport-wide number."""


class Tally:
    """Counts SRTP of one peer."""

    def __init__(self, look_every: int) -> None:
        """Open one packet in `look_every`."""
        self.packets = 0
        self.reports = 0
        """RTCP, a compound each."""
        self.wrong = 0
        """Opened, and not what was sent."""
        self.numbers: list[int] = []
        """Transport-wide ones of what has come and was not told of yet."""
        self.wide_ssrc = 0
        """Whose packets have such numbers."""
        self.delays: list[float] = []
        """Seconds that packets were on their way."""
        self.unprotect: Callable[[bytes], bytes] | None = None
        self._look_every = look_every
        self._streams: dict[bytes, list[int]] = {}

    def count(self, data: bytes) -> None:
        """Take one datagram."""
        if 192 <= data[1] <= 223:
            self.reports += 1
            return
        self.packets += 1
        if data[12:16] == TWO_WORDS and data[20] == NUMBERED:  # extensions are in the clear, too
            self.numbers.append(data[21] << 8 | data[22])
            self.wide_ssrc = int.from_bytes(data[8:12])
        number = data[2] << 8 | data[3]
        stream = self._streams.get(data[8:12])
        if stream is None:
            self._streams[data[8:12]] = [number, number, 1]
        else:
            ahead = (number - stream[1]) & 0xFFFF
            if ahead < HALF:
                stream[1] += ahead
            stream[2] += 1
        if self.packets % self._look_every == 0 and self.unprotect is not None:
            try:
                packet = self.unprotect(data)
            except Error:
                self.wrong += 1
                return
            self.delays.append((time.monotonic_ns() - MARK.unpack(packet[-MARK.size :])[0]) / 1e9)

    def heard(self) -> list[tuple[int, int]]:
        """Return of each stream (SSRC, the highest number)."""
        return [(int.from_bytes(ssrc), stream[1]) for ssrc, stream in self._streams.items()]

    @property
    def lost(self) -> int:
        """How many numbers are missing of all streams."""
        return sum(max(0, last - first + 1 - came) for first, last, came in self._streams.values())
