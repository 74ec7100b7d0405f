"""Transport-wide congestion control: a sender hears when each of its packets arrived, and sends as much as fits.

Where one receiver gets all that a peer sends, its own word is passed on, as if both were connected directly: then the
whole way counts. Else this node says what arrived here, and its receivers' estimates (REMB) limit the rest of the way:
a sender who hears nothing would take the network for broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from server.media import rtcp
from server.media.relay import Path, Sink, Source
from server.media.rtcp import Part
from server.media.rtp import TRANSPORT_WIDE, wide_of

INTERVAL: Final = 0.1
"""Seconds of arrivals that are told together."""
MOST: Final = 2000
"""Numbers that are told of together; a gap that is longer is no loss."""
JUMP: Final = 4096
"""How far a receiver's numbers jump when they come from another sender: beyond any that it has not told of yet."""
LATE: Final = 5.0
"""Seconds after which nothing is told any more of what was sent before."""
UNLIMITED: Final = 0
"""As an estimate: lifts an earlier one, which a browser keeps for ever. A high one would be believed."""


class Congestion:
    """One peer's part: what it sends with transport-wide numbers, and whose numbers it gets."""

    __slots__ = ("_arrivals", "_count", "_first", "_next", "_since", "_sources", "_top", "path", "sender", "to")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.to: Congestion | None = None
        """Who gets all that this peer sends, and says so itself."""
        self.sender: Congestion | None = None
        """Whose numbers this peer gets."""
        self._sources: tuple[Source, ...] = ()
        self._arrivals: dict[int, float] = {}
        """By number: what arrived here and is not told of yet."""
        self._next: int | None = None
        """The number behind the highest one that was told of."""
        self._count = 0
        self._first = 0
        """Of what this peer gets: the first number of its present sender."""
        self._since = 0.0
        self._top = 0
        """The same: the number behind the last one that it told of."""

    # --- Who hears whom

    def settle(self, sources: Sequence[Source], to: Congestion | None) -> None:
        """Let the sender of `sources` hear from `to`, from the next packet on; None: from this node."""
        if to is not self.to:
            self.release()
            if to is not None:
                if to.sender is not None:
                    to.sender.release()
                self.to, to.sender = to, self
        for source in self._sources:
            source.watch = None
        self._sources = tuple(sources)
        if self.to is None or self.to.path.shift is None:
            for source in sources:
                source.watch = partial(self._note, source.formats.extensions[TRANSPORT_WIDE])

    def release(self) -> None:
        """Let the peer that was listened to go."""
        to, self.to = self.to, None
        if to is not None:
            to.sender = to.path.shift = None
            for source in self._sources:
                source.watch = partial(self._note, source.formats.extensions[TRANSPORT_WIDE])

    def close(self) -> None:
        """Take no more part."""
        if self.sender is not None:
            self.sender.release()
        self.release()
        for source in self._sources:
            source.watch = None
        self._sources = ()

    # --- What arrives

    def _note(self, extension: int, packet: bytes, now: float) -> None:
        """See a packet for which no receiver has the word yet."""
        number = wide_of(packet, extension)
        if number is None:
            return
        if self.to is not None:
            self.look(now, patience=0.0)
            self._next = None
            self.to.begin(number, now)
            for source in self._sources:
                source.watch = None
            if any(source.limited for source in self._sources):
                for source in self._sources:
                    source.limited = False
                self._tell(lambda reporter, media: rtcp.write_remb(reporter, UNLIMITED, self._streams()))
            return
        self.look(now)
        if self._next is None or (number - self._next) & 0xFFFF < 0x8000:  # else it was told of as lost
            self._arrivals.setdefault(number, now)

    def look(self, now: float, patience: float = INTERVAL) -> None:
        """Tell the sender what has arrived, if the first of it is so old."""
        if not self._arrivals or now - next(iter(self._arrivals.values())) < patience:
            return
        arrivals, self._arrivals = self._arrivals, {}
        middle = next(iter(arrivals))
        ordered = sorted(arrivals, key=lambda number: (number - middle + 0x8000) & 0xFFFF)
        first, last = ordered[0], ordered[-1]
        if self._next is not None and (last - self._next) & 0xFFFF < MOST:
            first = self._next
        length = min(((last - first) & 0xFFFF) + 1, MOST)
        times = [arrivals.get((first + step) & 0xFFFF) for step in range(length)]
        self._next = (last + 1) & 0xFFFF
        self._count += 1
        self._tell(lambda reporter, media: rtcp.write_arrivals(reporter, media, self._count, first, times))

    def _tell(self, write: Callable[[int, int], bytes]) -> None:
        """Tell the sender something, in a reporter's name about one of its streams."""
        named = self._named()
        if named is not None:
            source, ssrc = named
            source.feedback(write(source.reporter, ssrc))

    def _named(self) -> tuple[Source, int] | None:
        """Return the first source whose stream is known, and its SSRC."""
        for source in self._sources:
            if source.ssrc is not None:
                return source, source.ssrc
        return None

    def _streams(self) -> list[int]:
        return [ssrc for one in self._sources for ssrc in (one.ssrc, one.rtx_ssrc) if ssrc is not None]

    # --- What a receiver says

    def begin(self, number: int, now: float) -> None:
        """Get numbers from another sender, whose first is `number`."""
        self._first = (self._top + JUMP) & 0xFFFF
        self._since = now
        self.path.shift = self._first - number

    def told(self, part: Part, now: float) -> None:
        """Pass on what this peer says about arrivals, if it is about its present sender."""
        found = rtcp.arrivals_of(part)
        moved = self.moved(*found, now) if found is not None else None
        if moved is not None:
            source, ssrc, first = moved
            source.path.rtcp(rtcp.move_arrivals(part, source.reporter, ssrc, first))

    def moved(self, first: int, length: int, now: float) -> tuple[Source, int, int] | None:
        """Return (a source of the present sender, its SSRC, the number there) for arrivals from `first` on, or None."""
        sender, shift = self.sender, self.path.shift
        if sender is None or shift is None:
            return None
        self._top = (first + length) & 0xFFFF
        if now - self._since < LATE and (first - self._first) & 0xFFFF >= 0x8000:
            return None
        named = sender._named()
        return (*named, (first - shift) & 0xFFFF) if named is not None else None


def settle(senders: Mapping[Congestion, Sequence[Source]], receivers: Iterable[Congestion]) -> None:
    """Decide whom each sender hears from.

    `senders`: what each peer sends with transport-wide numbers. `receivers`: the newest peer of everybody; what an
    older one says, soon to be closed, does not count.
    """
    by_path = {receiver.path: receiver for receiver in receivers}
    ways: dict[Congestion, list[Sink]] = {}
    """Of each sender whose every stream has just one way on: these."""
    comes: Counter[Path] = Counter()
    for sender, sources in senders.items():
        sinks = [[sink for sink in source.live if sink.path in by_path] for source in sources]
        comes.update({sink.path for each in sinks for sink in each})
        if all(len(each) == 1 for each in sinks):
            ways[sender] = [sink for each in sinks for sink in each]
    for sender, sources in senders.items():
        paths = {sink.path for sink in ways.get(sender, ())}
        numbered = all(TRANSPORT_WIDE in sink.formats.extensions for sink in ways.get(sender, ()))
        alone = len(paths) == 1 and numbered and all(comes[path] == 1 for path in paths)
        sender.settle(sources, by_path[paths.pop()] if alone else None)
