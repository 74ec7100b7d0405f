"""Which pictures a receiver gets, of many: as many as its network takes, in the order of what matters; the rest pauses.

An estimate never rises far above what was sent. So a network is not asked how much it takes: pictures come one by one
while it shows room, and go as soon as it shows none.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Final, TypeVar

from server.media.adaptation import IN_USE
from server.media.reception import Reading
from server.media.wiring import Sent

Picture = TypeVar("Picture", bound=Hashable)

SHORT: Final = 0.9
"""An estimate below this part of what is sent says that it is too much."""
STEP: Final = 2.0
"""Seconds between one picture more and the next: an estimate follows what is sent within about one."""
FIRST_WAIT: Final = 6.0
LONGEST_WAIT: Final = 60.0
"""Seconds without growth after it was too much: doubled each time that growth itself was too much."""
LOSS: Final = 0.02
ROUND_TRIP: Final = 0.3
"""Up to these a network is well, whatever an estimate says: it falls with every unsteadiness of a busy computer."""
PATIENCE: Final = 3.0
"""Seconds that it must be too much: senders give way by themselves, and what they sent is counted over that time."""
STEADY: Final = 30.0
"""Seconds within which a shrinking is blamed on the growth before it."""


def in_order(pictures: Collection[Sent], speakers: Sequence[str], leads: Collection[str]) -> list[Sent]:
    """Return pictures, most important first: screens, who has the floor, providers, who had it, and the rest as it is.

    `speakers`: who has the floor, then those who had it.
    """
    rank = {name: place for place, name in enumerate(speakers)}

    def importance(sent: Sent) -> tuple[bool, bool, bool, int]:
        place = rank.get(sent.participant, len(rank))
        return not sent.number, place > 0, sent.participant not in leads, place

    return sorted(pictures, key=importance)


class Share:
    """How many pictures one receiver gets."""

    __slots__ = ("_grew", "_next", "_short", "_wait", "most")

    def __init__(self) -> None:
        self.most: int | None = None
        """None: all that there are."""
        self._grew = float("-inf")
        self._next = float("-inf")
        self._short: float | None = None
        """Since when it is too much."""
        self._wait = FIRST_WAIT

    def one_alone(self, now: float) -> None:
        """Begin again with a single picture: the network carried none for a while."""
        self.most, self._grew, self._next = 1, now, now + FIRST_WAIT

    def fit(self, now: float, rates: Sequence[int], reading: Reading) -> int:
        """Return how many of the pictures, most important first, go to the receiver; `rates` are bits a second."""
        shown = len(rates) if self.most is None else min(self.most, len(rates))
        estimate, sent = reading.estimate, reading.rate
        short = estimate is not None and estimate < SHORT * sent and shown > 1 and not _is_well(reading)
        self._short = (now if self._short is None else self._short) if short else None
        if estimate is not None and self._short is not None and now - self._short >= PATIENCE:
            self._shrink(now, shown, rates, estimate - (sent - sum(rates[:shown])))
        elif short:
            pass
        elif shown < len(rates) and now >= self._next and _has_room(reading):
            self.most, self._grew, self._next = shown + 1, now, now + STEP
        elif shown == len(rates) and self.most is not None and now - self._grew >= STEADY:
            self.most, self._wait = None, FIRST_WAIT
        return len(rates) if self.most is None else min(self.most, len(rates))

    def _shrink(self, now: float, shown: int, rates: Sequence[int], room: float) -> None:
        """Keep what fits into `room`; at least one picture, and one less than now."""
        fits = 0
        for rate in rates[: shown - 1]:
            room -= rate
            if room < 0:
                break
            fits += 1
        self._wait = min(2 * self._wait, LONGEST_WAIT) if now - self._grew < STEADY else FIRST_WAIT
        self.most, self._next, self._short = max(1, fits), now + self._wait, None


def _is_well(reading: Reading) -> bool:
    known = reading.loss is not None and reading.round_trip is not None
    return known and (reading.loss or 0.0) <= LOSS and (reading.round_trip or 0.0) <= ROUND_TRIP


def _has_room(reading: Reading) -> bool:
    """Tell whether one picture more may be tried."""
    return reading.estimate is None or reading.estimate >= IN_USE * reading.rate or _is_well(reading)


def shares(rate: int, caps: Sequence[int | None]) -> list[int]:
    """Share `rate` evenly; what a cap leaves over goes to the others."""
    given = [0] * len(caps)
    left = rate
    # The tightest first: what each leaves over is known when the next is looked at.
    order = sorted(range(len(caps)), key=lambda n: (caps[n] is None, caps[n] or 0))
    for place, n in enumerate(order):
        even = left // (len(order) - place)
        cap = caps[n]
        given[n] = even if cap is None else min(even, cap)
        left -= given[n]
    return given
