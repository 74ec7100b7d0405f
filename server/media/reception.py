"""How well a peer gets what it is sent, by its own reports; and how well this node gets what a peer sends.

A receiver reports every packet that it lacks, also those that this node never got from the sender. Its network is
blamed for the rest alone. Times are seconds of a monotonic clock, rates bits a second, losses fractions of one.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple, Protocol

from server.media.rtcp import Block

WINDOW: Final = 3.0
"""For how many seconds what was counted counts."""
FEWEST: Final = 20
"""Packets in a window, below which a fraction of them says nothing."""
ROUND_TRIP_LIFE: Final = 8.0
"""For how many seconds a round trip counts: browsers report on sound alone every 2.5 to 7.5 s."""
ESTIMATE_LIFE: Final = 5.0
KEPT: Final = 8
"""Senders' reports of a stream that are remembered until they are answered."""


class Reading(NamedTuple):
    """What is known of a network now; None: nothing."""

    loss: float | None = None
    round_trip: float | None = None
    """Seconds from this node to the peer and back."""
    estimate: int | None = None
    """What the peer believes that it can take."""
    rate: int = 0
    """What it is sent."""


class Counted(Protocol):
    """Where a stream comes from, as far as this node has counted its packets."""

    @property
    def ssrc(self) -> int | None: ...
    @property
    def number(self) -> int:
        """The last packet's sequence number."""
        ...

    @property
    def received(self) -> int: ...
    @property
    def octets(self) -> int: ...


class Mark(NamedTuple):
    """How far a source had come at some moment."""

    source: Counted
    ssrc: int | None
    number: int
    received: int
    octets: int

    @classmethod
    def of(cls, source: Counted) -> Mark:
        """Note how far it has come now."""
        return cls(source, source.ssrc, source.number, source.received, source.octets)

    def until(self, later: Mark) -> tuple[int, int, int] | None:
        """Return (packets that were sent, those that came, their octets) since; None if it became another stream."""
        if later.source is not self.source or later.ssrc != self.ssrc:
            return None
        came = later.received - self.received
        sent = (later.number - self.number) & 0xFFFF if came else 0
        # One that was overtaken at either moment is no gap, a number far behind is not a round of them all, and before
        # the first packet there was no number.
        known = self.received and came <= sent < 0x8000
        return sent if known else came, came, later.octets - self.octets


class Reception:
    """What one peer tells of how it receives."""

    __slots__ = ("_estimate", "_heard", "_marks", "_passed", "_round_trip")

    def __init__(self) -> None:
        self._passed: dict[int, deque[tuple[int, float]]] = {}
        """By SSRC: the middle of a sender's report's time, and when it was passed on."""
        self._marks: dict[int, tuple[int, Mark]] = {}
        """By SSRC, at the last report: the highest number received, and how far the source had come."""
        self._heard: deque[tuple[float, float, float]] = deque()
        """When, packets that were sent to it, and those of them that it lacked."""
        self._round_trip = -math.inf, 0.0
        self._estimate = -math.inf, 0

    def passed(self, ssrc: int, ntp: int, now: float) -> None:
        """Note that a sender's report went to the peer, by whose answer the round trip is known (RFC 3550 6.4.1)."""
        kept = self._passed.get(ssrc)
        if kept is None:
            kept = self._passed[ssrc] = deque(maxlen=KEPT)
        kept.append((ntp >> 16 & 0xFFFFFFFF, now))

    def reported(self, block: Block, source: Counted, now: float) -> None:
        """Take what the peer says of the stream that it gets from `source`, `block.ssrc` being the stream's own."""
        for middle, at in self._passed.get(block.ssrc, ()):
            if block.lsr and middle == block.lsr:
                self._round_trip = now, max(0.0, now - at - block.dlsr / 65_536)
        before, mark = self._marks.get(block.ssrc), Mark.of(source)
        self._marks[block.ssrc] = block.highest, mark
        passed = before[1].until(mark) if before is not None else None
        if before is None or passed is None:
            return
        expected = (block.highest - before[0]) & 0xFFFFFFFF
        if 0 < expected < 0x8000:
            missed = passed[0] - passed[1]
            lacked = expected * (block.loss >> 24) / 256
            self._heard.append((now, max(1, expected - missed), max(0.0, lacked - missed)))

    def estimated(self, rate: int, now: float) -> None:
        """Take the peer's estimate of what it can be sent."""
        self._estimate = now, rate

    def reading(self, now: float, rate: int = 0) -> Reading:
        """Return what is known, `rate` being what the peer is sent."""
        while self._heard and now - self._heard[0][0] > WINDOW:
            self._heard.popleft()
        sent = sum(sent for _, sent, _ in self._heard)
        lost = sum(lost for _, _, lost in self._heard)
        return Reading(
            loss=min(1.0, lost / sent) if sent >= FEWEST else None,
            round_trip=self._round_trip[1] if now - self._round_trip[0] <= ROUND_TRIP_LIFE else None,
            estimate=self._estimate[1] if now - self._estimate[0] <= ESTIMATE_LIFE else None,
            rate=rate,
        )


class Meter:
    """How much comes from one source, and how much of it is missing. To be looked at regularly."""

    __slots__ = ("_came", "_counts", "_mark", "_octets", "_sent", "_took", "rate")

    def __init__(self) -> None:
        self._mark: tuple[float, Mark] | None = None
        self._counts: deque[tuple[float, int, int, int]] = deque()
        """Between two looks each: seconds, packets sent, received, octets."""
        self._clear()

    def _clear(self) -> None:
        self._counts.clear()
        self._took = 0.0
        self._sent = self._came = self._octets = 0
        self.rate = 0
        """What came in the window."""

    def look(self, source: Counted, now: float) -> tuple[int, int]:
        """Return (packets sent, received) in the window that ends now."""
        before, mark = self._mark, Mark.of(source)
        self._mark = now, mark
        counted = before[1].until(mark) if before is not None else None
        if before is None or counted is None:
            self._clear()
            return 0, 0
        self._counts.append((now - before[0], *counted))
        self._add(1, *self._counts[-1])
        while self._took > WINDOW + 0.001 and len(self._counts) > 1:
            self._add(-1, *self._counts.popleft())
        self.rate = round(8 * self._octets / self._took) if self._took > 0 else 0
        return self._sent, self._came

    def _add(self, times: int, took: float, sent: int, came: int, octets: int) -> None:
        self._took += times * took
        self._sent += times * sent
        self._came += times * came
        self._octets += times * octets


def lost(counts: list[tuple[int, int]]) -> float | None:
    """Return which part of (packets sent, received), over several streams, is missing; None if there are too few."""
    sent, came = sum(sent for sent, _ in counts), sum(came for _, came in counts)
    return max(0.0, 1 - came / sent) if sent >= FEWEST else None
