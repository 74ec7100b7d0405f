"""Audio first: when a network stays bad, the picture gives way to the voice; it comes back slowly, tried first.

A pure machine, one for each way (what a participant is sent, what comes from them), asked about every half second.

    video ──bad for seconds──► held ──nothing bad for `wait`──► probing ──good for PROBE──► video
                                ▲                                  │
                                └───────bad for RELAPSE, `wait` doubles

Nobody but the machine knows of a probe: it is told as video only once it was good, so that no screen flickers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from server.media.reception import Reading

State = Literal["video", "held", "probing"]


class Row(NamedTuple):
    """One sign of a bad network."""

    bad: Callable[[Reading], bool]
    """Whether the picture should give way."""
    lingers: Callable[[Reading], bool]
    """Whether it is too early to try it again: with some distance, so that nothing swings around one value."""
    patience: float
    """Seconds that it has to be bad."""
    probed: bool = True
    """Whether it counts from the first moment of a picture."""


def _loss(most: float) -> Callable[[Reading], bool]:
    return lambda reading: reading.loss is not None and reading.loss > most


def _round_trip(most: float) -> Callable[[Reading], bool]:
    return lambda reading: reading.round_trip is not None and reading.round_trip > most


def _narrow(reading: Reading) -> bool:
    """Tell whether the estimate leaves no room for a picture, and is in use.

    An estimate never rises far above what was sent: where nobody sends much, it is low and means nothing.
    """
    return reading.estimate is not None and reading.estimate < min(LEAST_ESTIMATE, IN_USE * reading.rate)


def _unknown(reading: Reading) -> bool:
    """With the picture held an estimate is about the voice alone, and cannot tell."""
    return False


LEAST_ESTIMATE: Final = 120_000
"""Bits a second: a voice with its headers takes 45,000, and a picture of less than the rest shows no face."""
IN_USE: Final = 1.25

RECEIVING: Final = (
    # Opus repairs and conceals some 10 % (in-band FEC); of more, words go missing, and the picture freezes anyway.
    Row(bad=_loss(0.10), lingers=_loss(0.05), patience=4.0),
    # Queues filled by a picture: people begin to talk at the same time from 400 ms one way (ITU-T G.114).
    Row(bad=_round_trip(0.8), lingers=_round_trip(0.6), patience=5.0),
    # After a hold it rises by 8 % a second from what the voice alone had shown.
    Row(bad=_narrow, lingers=_unknown, patience=5.0, probed=False),
)
SENDING: Final = (
    # Longer than RECEIVING's: the sender is told to send little first (`doubtful`), and that mostly helps.
    Row(bad=_loss(0.10), lingers=_loss(0.05), patience=7.0),
)

DOUBT: Final = 2.0
"""Seconds of bad signs, after which less picture is asked for."""
FIRST_WAIT: Final = 10.0
LONGEST_WAIT: Final = 60.0
"""Seconds without a bad sign until a probe: the first at first, doubled by each relapse."""
PROBE: Final = 5.0
"""Seconds that a probe has to be good."""
RELAPSE: Final = 2.0
"""Seconds of bad signs that end a probe."""
GRACE: Final = 15.0
"""Seconds from the first picture, or the begin of a probe, in which rows that are not `probed` do not count."""
STEADY: Final = 60.0
"""Seconds of video after which all relapses are forgotten."""


class Adaptation:
    """Whether one way of a participant's network carries pictures."""

    __slots__ = ("_bad", "_begun", "_rows", "_since", "_wait", "held_at", "state")

    def __init__(self, rows: tuple[Row, ...]) -> None:
        self.state: State = "video"
        self.held_at: float | None = None
        """When pictures were withheld; None: they are not. A probe that goes well is over from its begin."""
        self._rows = rows
        self._bad: dict[int, float] = {}
        """By row: since when it is bad."""
        self._since = float("-inf")
        """Of `video`: when it came back. Of `held`: the last bad sign. Of `probing`: its begin."""
        self._begun: float | None = None
        """Of `video` and `probing`: the first picture."""
        self._wait = FIRST_WAIT

    @property
    def forwards(self) -> bool:
        """Whether pictures are forwarded now, if only to try."""
        return self.state != "held"

    def doubtful(self, now: float) -> bool:
        """Tell whether there are bad signs for long enough to ask for less."""
        return self.state != "video" or any(now - since >= DOUBT for since in self._bad.values())

    def feel(self, now: float, reading: Reading) -> float | None:
        """Take a reading. Return when it changed what is told, if it did: `held_at` says to what."""
        if self.state == "held":
            if any(row.lingers(reading) for row in self._rows):
                self._since = now
            elif now - self._since >= self._wait:
                self.state, self._since, self._begun = "probing", now, now
            return None
        self._begun = now if self._begun is None else self._begun
        self._note(now, reading)
        if self.state == "probing":
            if any(now - since >= RELAPSE for since in self._bad.values()):
                self._hold(now)
            elif now - self._since >= PROBE and not self._bad:
                self.state, self.held_at = "video", None
                return self._since
            return None
        if any(now - since >= self._rows[number].patience for number, since in self._bad.items()):
            self._hold(now)
            self.held_at = now
            return now
        return None

    def rest(self, now: float) -> float | None:
        """Note that there is no picture to be withheld. Return when what is told changed, if it did."""
        self._bad.clear()
        self._begun = None
        if self.state == "video":
            return None
        self.state, self._since, self.held_at = "video", now, None
        return now

    def _note(self, now: float, reading: Reading) -> None:
        """Note which rows are bad, and since when."""
        early = self._begun is None or now - self._begun < GRACE
        for number, row in enumerate(self._rows):
            if row.bad(reading) and not (early and not row.probed):
                self._bad.setdefault(number, now)
            else:
                self._bad.pop(number, None)

    def _hold(self, now: float) -> None:
        relapsed = self.state == "probing" or now - self._since < STEADY
        self._wait = min(2 * self._wait, LONGEST_WAIT) if relapsed else FIRST_WAIT
        self.state, self._since = "held", now
        self._bad.clear()
