"""Which line of a peer each stream belongs to, by its SSRC: as its description says, or as its packets do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from server.media import rtp
from server.media.relay import Sink, Source, is_whole
from server.media.rtp import MID

MOST: Final = 64
"""How many SSRCs of one peer are told apart; more are not looked at."""

Route = Callable[[bytes, float], None]
"""Takes a packet, and when it came."""


class Streams:
    """The streams of one peer, both ways."""

    __slots__ = ("_now", "_routes", "lanes", "sinks", "sources")

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: seconds of a monotonic clock."""
        self._now = now
        self._routes: dict[int, Route] = {}
        self.sources: dict[int, Source] = {}
        """What it sends, by SSRC; of retransmissions nothing is reported."""
        self.lanes: dict[int, Source] = {}
        """Likewise, as long as it is heard."""
        self.sinks: dict[int, Sink] = {}
        """What it gets, by SSRC, retransmissions as well."""

    def expect(self, sink: Sink) -> None:
        """Know a line's streams to the peer."""
        self.sinks[sink.ssrc] = self.sinks[sink.rtx_ssrc] = sink

    def announce(self, source: Source, ssrc: int | None, rtx_ssrc: int | None) -> None:
        """Expect a line's streams under the numbers that the description gives."""
        if ssrc is not None and ssrc not in self._routes and len(self._routes) < MOST:
            self._adopt(source, ssrc)
        if rtx_ssrc is not None and rtx_ssrc not in self._routes and len(self._routes) < MOST:
            self._adopt_repair(source, rtx_ssrc)

    def route(self, packet: bytes) -> Route | None:
        """Return where packets of the same stream go; None: it is not known."""
        return self._routes.get(int.from_bytes(packet[8:12]))

    def learn(self, packet: bytes, lines: Iterable[tuple[str, Source]]) -> Route | None:
        """Find which of the lines (their mids and what they send) an unknown stream is of (RFC 8843 section 9.2).

        By its MID, else by its payload type.
        """
        if len(self._routes) >= MOST or not is_whole(packet):
            return None
        kind, ssrc = packet[1] & 0x7F, int.from_bytes(packet[8:12])
        fitting = [(mid, source) for mid, source in lines if source.formats.has(kind)]
        named = [one for one in fitting if rtp.mid_of(packet, one[1].formats.extensions.get(MID, 0)) == one[0]]
        found = [source for _, source in named[:1] or fitting]
        if len(found) != 1:
            return None
        (source,) = found
        return self._adopt_repair(source, ssrc) if source.formats.is_repair(kind) else self._adopt(source, ssrc)

    def close(self) -> None:
        """Hear nothing more."""
        self._routes.clear()
        self.lanes.clear()

    def _adopt(self, source: Source, ssrc: int) -> Route:
        if source.ssrc is not None:
            self._routes.pop(source.ssrc, None)
            self.sources.pop(source.ssrc, None)
            self.lanes.pop(source.ssrc, None)
        source.adopt(ssrc)
        self.sources[ssrc] = self.lanes[ssrc] = source
        self._routes[ssrc] = source.forward
        if source.wanted:
            source.ask_keyframe(self._now())
        return source.forward

    def _adopt_repair(self, source: Source, ssrc: int) -> Route:
        if source.rtx_ssrc is not None:
            self._routes.pop(source.rtx_ssrc, None)
        source.rtx_ssrc = ssrc
        self.lanes.pop(ssrc, None)
        self._routes[ssrc] = source.forward_repair
        return source.forward_repair
