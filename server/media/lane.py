"""The fast lane, which nearly every packet takes: it has one receiver, and its header keeps its length.

Such a packet is read, unprotected, rewritten and protected in one place, and sent from there: what `Peer`, `Source` and
`Sink` would do with it, and nothing else. So is what a receiver says ten times a second about arrivals, with `feedback`
and `Congestion` in their place. Whatever is unusual is left to them; a test sends the same packets both ways. It is
there because it is measured to be cheaper: `python3 run.py bench media`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from server.media import rtcp, rtp
from server.media.alive import PATIENCE
from server.media.rtp import HAS_PADDING
from server.media.srtp import AT, LARGEST, InPlace

if TYPE_CHECKING:
    from server.media.peer import Peer
    from server.media.relay import Source

PLAIN: Final = 0x90
"""The first byte of an RTP header with extensions, and with nothing else that is optional."""
SHORTEST: Final = 24
ONE_WORD: Final = int.from_bytes(rtp.ONE_WORD)
TWO_WORDS: Final = int.from_bytes(rtp.TWO_WORDS)
_WORD: Final = struct.Struct("!BBHIIIB")
"""The fixed header, that of one word of extensions or two, and the head of the first element in it."""
_WIDE: Final = struct.Struct("!BHB")
"""The second element of two words: the transport-wide number, and padding."""
_NUMBER: Final = struct.Struct("!BH")
"""The same without the padding."""
_VALUE: Final = AT + 18
_SECOND: Final = AT + 20
"""Where the second half of the first element's value lies, and the second element."""
_FEEDBACK: Final = 0x80 | rtcp.ARRIVALS
_ARRIVALS: Final = struct.Struct("!BBHIIHH")
"""The header, whose the feedback is and about which stream, the first number, and how many there are."""


class Lane:
    """Reads the datagrams of one peer, and forwards what it can; made once it is connected, for its wire."""

    __slots__ = (
        "_chars", "_clock", "_handle", "_heard", "_lanes", "_length", "_opener", "_otherwise", "_packet", "_peer",
        "_receive", "_room", "_unprotect", "_unprotect_rtcp", "_view",
    )  # fmt: skip

    def __init__(
        self,
        peer: Peer,
        lanes: Mapping[int, Source],
        opener: InPlace,
        receive: Callable[[memoryview], int],
        otherwise: Callable[[bytes], None],
    ) -> None:
        """`lanes`: the peer's streams that may be forwarded here, by SSRC.

        `receive` puts a datagram where it is told and returns its length, or raises `OSError`. `otherwise` gets what
        cannot be forwarded here.
        """
        self._peer, self._heard, self._clock, self._lanes = peer, peer.heard, peer.now, lanes
        self._receive, self._otherwise = receive, otherwise
        self._opener = opener  # keeps alive what the handle belongs to
        self._unprotect, self._unprotect_rtcp, self._handle = opener.work, opener.work_rtcp, opener.handle
        self._chars, self._packet, self._view, self._length = opener.chars, opener.packet, opener.view, opener.length
        self._room = self._view[AT : AT + LARGEST + 1]

    def ready(self) -> None:
        """Take a datagram that has come."""
        try:
            size = self._receive(self._room)
        except OSError:  # nothing has come after all, or nobody listens on the other side any more
            return
        try:
            if not self.forward(size):
                self._otherwise(bytes(self._room[:size]))
        except Exception:  # noqa: BLE001 - an error in forwarding must not stop the loop's other work
            self._peer.complain()

    def forward(self, size: int) -> bool:  # noqa: PLR0915 - in one place, for a call costs what it saves
        """Forward the SRTP or SRTCP packet of `size` bytes in the buffer; False: it cannot, and has done nothing."""
        if not SHORTEST <= size <= LARGEST:
            return False
        view = self._view
        first, second, number, timestamp, ssrc, profile, element = _WORD.unpack_from(view, AT)
        if first != PLAIN:
            return first & ~HAS_PADDING == _FEEDBACK and second == rtcp.TRANSPORT_FEEDBACK and self._report(size)
        source, heard = self._lanes.get(ssrc), self._heard
        if (
            source is None
            or len(live := source.live) != 1
            or source.watch is not None
            or source.loudness is not None
            or source.beginning is not None
            or heard.packets >= heard.most_packets
            or heard.octets >= heard.most_octets
        ):
            return False
        sink = live[0]
        path = sink.path
        seal, kind = path.seal, sink.types[second]
        if seal is None or not kind or sink.fresh:
            return False
        wide = moved = 0
        if profile == TWO_WORDS:
            second, moved, padding = _WIDE.unpack_from(view, _SECOND)
            heads = element << 8 | second
            known, element, wide = sink.picture
            if heads != known:
                found = sink.extensions.pictures.get(heads)
                if found is None:
                    return False
                element, wide = found
                sink.picture = heads, element, wide
            if padding or path.shift is None or not wide >> 4:
                return False
            moved = moved + path.shift & 0xFFFF
        elif profile == ONE_WORD:
            start = sink.extensions.words.get(element)
            if start is None or not (element & 0x0F or not any(view[_VALUE:_SECOND])):
                return False
            element = start[4]
        else:
            return False

        packet, length = self._packet, self._length
        length[0] = size
        if self._unprotect(self._handle, packet, length):  # not from this peer, or replayed
            self._peer.guard.dropped += 1
            return True
        now = self._clock()
        heard.sign(now)
        heard.packets += 1
        heard.octets += size

        if source.last_at is None or now - source.last_at >= PATIENCE:
            source.first_at = now
        source.last_at = now
        source.number = number
        source.received += 1
        source.octets += length[0]

        out = (number + sink.shift) & 0xFFFF
        stamp = (timestamp + sink.timestamp_shift) & 0xFFFFFFFF
        if not sink.advance(out, stamp, now):
            return True
        try:
            _WORD.pack_into(view, AT, PLAIN, kind, out, stamp, sink.ssrc, profile, element)
            if wide:
                _NUMBER.pack_into(view, _SECOND, wide, moved)
            if not seal(path.key, packet, length):
                path.send(view[AT : AT + length[0]])
                sink.packets += 1
        except OSError:  # lost: the system has no room for it, or nobody listens
            return True
        except Exception:  # noqa: BLE001 - an error in forwarding closes nothing but that track
            source.give_up(sink)
        return True

    def _report(self, size: int) -> bool:
        """Pass on what a receiver says about arrivals, as `forward` does."""
        heard, peer, view, length = self._heard, self._peer, self._view, self._length
        if heard.reports >= heard.most_reports:
            return False
        length[0] = size
        if self._unprotect_rtcp(self._handle, self._packet, length):
            peer.guard.dropped += 1
            return True
        now = self._clock()
        heard.sign(now)
        heard.reports += 1
        size = length[0]
        first, _, words, _, _, number, count = _ARRIVALS.unpack_from(view, AT)
        end, padded = AT + size, first & HAS_PADDING
        padding = view[end - 1] if padded else 0
        if 4 * words + 4 != size or size < _ARRIVALS.size + padding or (padded and not 0 < padding < 4):
            peer.reported(bytes(view[AT:end]), now)  # there is more in it, or less
            return True
        view[end - padding : end] = bytes(padding)  # goes on as zeros that nobody counts
        moved = peer.congestion.moved(number, count, now)
        if moved is None:
            return True
        source, ssrc, number = moved
        path = source.path
        if path.seal_rtcp is None or not path.open:
            return True
        rtcp.head_arrivals(view, words, source.reporter, ssrc, number)
        length[0] = end
        if not path.seal_rtcp(path.key, self._chars, length):
            with suppress(OSError):
                path.send(view[: length[0]])
        return True
