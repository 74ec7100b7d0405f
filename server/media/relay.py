"""Forwarding: a source is what one line of a peer sends, a sink what one line of another peer gets.

A sink has a stream of its own — SSRC, sequence numbers, timestamps, payload types, extension ids, MID — which goes on
without a seam when its source changes or was silent. So each packet is rewritten by what the sink remembers: a few
additions, no parsing beyond the header. Times here are seconds of a monotonic clock; numbers wrap as RTP's do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pylibsrtp import Error as SrtpError

from server.media import rtcp
from server.media.alive import PATIENCE
from server.media.beginning import Beginning
from server.media.formats import Formats, payload_types
from server.media.limits import KEYFRAMES, REPEATS, Bucket
from server.media.reception import Meter, Reception
from server.media.rtp import FIXED, FIXED_LENGTH, HAS_PADDING, HEAD, SHORT, Extensions, Malformed
from server.media.speakers import Loudness
from server.media.srtp import InPlace, Seal

logger = logging.getLogger(__name__)

Head = tuple[int, int, int, int]
"""As `HEAD` unpacks it."""

NO_PICTURE: Final = -1, 0, 0
"""No heads of elements, and what they do not become."""
KEYFRAME_INTERVAL: Final = 0.3
"""Seconds between two keyframe requests to one source, however many ask; who still lacks one asks again."""
LOST: Final = SrtpError, Malformed, OSError
"""A packet cannot be sent: it is too old, or not what it says, or the system has no room for it."""
LATE: Final = 2.0
"""For how many seconds after a change of source stragglers of the old one are looked out for."""
REMB_LIFE: Final = 5.0
"""For how many seconds a receiver's estimate counts."""


# What each packet touches lies close together: slots are in alphabetical order, but those of a base class come first.
# A line of the cache that is not there takes as long as some dozen instructions.


class _PathAtHand:
    __slots__ = ("key", "seal", "send", "shift")


class Path(_PathAtHand):
    """The way out to one peer: what protects a packet and where it goes. Closed until the handshake is done."""

    __slots__ = ("_closer", "name", "open", "protect", "protect_rtcp", "reception", "repeats", "seal_rtcp")

    def __init__(self, name: str) -> None:
        """`name` is for the log: ids only."""
        self.name = name
        self.open = False
        self.protect: Callable[[bytes], bytes] = bytes
        self.protect_rtcp: Callable[[bytes], bytes] = bytes
        self.close_with(None)
        self.send: Callable[[bytes | memoryview], object] = _nowhere
        """Sends a datagram. Raises `OSError` if it is lost: the system has no room for it, or nobody listens."""
        self.repeats = Bucket(REPEATS)
        """What the peer may still ask for once more."""
        self.reception = Reception()
        self.shift: int | None = None
        """What is added to transport-wide numbers that go this way; None: they are left out."""

    def close_with(self, closer: InPlace | None) -> None:
        """Have a packet protected where it lies by `seal`, or `seal_rtcp`, called with `key`; None: it cannot be."""
        self._closer = closer  # keeps alive what the key belongs to
        self.seal: Seal | None = closer.work if closer is not None else None
        self.seal_rtcp: Seal | None = closer.work_rtcp if closer is not None else None
        self.key = closer.handle if closer is not None else None

    def rtcp(self, compound: bytes) -> None:
        """Send an RTCP compound, if the peer can be reached."""
        if self.open:
            try:
                self.send(self.protect_rtcp(compound))
            except OSError:  # whoever said it will say it again, if it matters
                return

    def close(self) -> None:
        """Lead nowhere from now on, and let go of keys and socket, whoever still knows of this path."""
        self.open = False
        self.protect = self.protect_rtcp = bytes
        self.close_with(None)
        self.send = _nowhere
        self.reception = Reception()


def _nowhere(data: bytes | memoryview) -> None:
    """Send nothing."""


class _SinkAtHand:
    __slots__ = (
        "_top", "_top_at", "_top_timestamp", "extensions", "fresh", "packets", "path", "picture", "shift", "ssrc",
        "timestamp_shift", "types",
    )  # fmt: skip


class Sink(_SinkAtHand):
    """The stream that one line of a peer is sent."""

    __slots__ = (
        "_floor", "_floor_until", "_repair_fresh", "_repair_shift", "_repair_top", "broken", "cname", "formats", "mid",
        "rtx_ssrc", "source",
    )  # fmt: skip

    def __init__(self, path: Path, mid: str, *, ssrc: int, rtx_ssrc: int, first: int, timestamp: int) -> None:
        """`first` and `timestamp` begin the stream; `first` < 2**15, so that SRTP's roll-over counter is agreed on."""
        self.path = path
        self.mid = mid
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.cname = ""
        self.formats = Formats()
        self.source: Source | None = None
        self.broken = False
        self.packets = 0
        self.shift = 0
        """What is added to the source's sequence numbers."""
        self.timestamp_shift = 0
        self.types = bytes(256)
        """By the second byte of a packet: what it becomes; 0: such a one is not forwarded."""
        self.extensions = Extensions({}, {}, mid)
        self.picture = NO_PICTURE
        """The last of `extensions.pictures` that was looked up."""
        self.fresh = self._repair_fresh = True
        """Whether the next packet begins a run."""
        self._top = first - 1
        self._top_timestamp = timestamp
        self._top_at: float | None = None
        self._floor = 0
        self._floor_until = 0.0
        self._repair_top = first - 1
        self._repair_shift = 0

    @property
    def started(self) -> bool:
        """Whether a packet of the present run was forwarded, so that the shifts mean something."""
        return not self.fresh

    @property
    def repair_shift(self) -> int:
        """What is added to the sequence numbers of the source's retransmissions."""
        return self._repair_shift

    def bind(self, source: Source | None) -> None:
        """Take packets from `source` from now on. Nothing happens if it is the present one."""
        if source is self.source:
            return
        if self.source is not None:
            self.source.unlink(self)
        self.source = source
        self.broken = False
        self.restart()

    def agree(self) -> None:
        """Make the tables anew, from what both sides have negotiated."""
        if self.source is not None:
            self.types = payload_types(self.source.formats, self.formats)
            self.extensions = Extensions(self.source.formats.extensions, self.formats.extensions, self.mid)
            self.picture = NO_PICTURE

    def restart(self) -> None:
        """Let the next packet follow the last one seamlessly, whatever its own numbers are."""
        self.fresh = self._repair_fresh = True

    def send(self, head: Head, packet: bytes, now: float) -> None:
        """Forward one packet of the source's stream."""
        _, second, number, timestamp = head
        kind = self.types[second]
        if not kind:
            return
        if self.fresh:
            self._begin(number, timestamp, now)
        out = (number + self.shift) & 0xFFFF
        stamp = (timestamp + self.timestamp_shift) & 0xFFFFFFFF
        if not self.advance(out, stamp, now):
            return
        path = self.path
        first, middle, body = self.extensions.rewrite(packet, path.shift)
        path.send(path.protect(FIXED.pack(first, kind, out, stamp, self.ssrc) + middle + packet[body:]))
        self.packets += 1

    def advance(self, out: int, stamp: int, now: float) -> bool:
        """Note that a packet goes out under this number and time; False: it is a straggler, and must not."""
        if (out - self._top) & 0xFFFF < 0x8000:
            self._top = out
            self._top_timestamp = stamp
            self._top_at = now
            return True
        return not self._is_straggler(out, now)

    def repair(self, head: Head, packet: bytes, now: float) -> None:
        """Forward one retransmission; the original number in it moves as the original did."""
        _, second, number, timestamp = head
        kind = self.types[second]
        if not kind or self.fresh:
            return
        if self._repair_fresh:
            self._repair_fresh = False
            self._repair_shift = self._repair_top + 1 - number
        out = (number + self._repair_shift) & 0xFFFF
        if (out - self._repair_top) & 0xFFFF < 0x8000:
            self._repair_top = out
        stamp = (timestamp + self.timestamp_shift) & 0xFFFFFFFF
        path = self.path
        first, middle, body = self.extensions.rewrite(packet, path.shift)
        payload = packet[body:]
        padding = payload[-1] if first & HAS_PADDING and payload else 0
        if len(payload) - padding >= 2:  # else it is padding alone, sent to probe the bandwidth
            original = (SHORT.unpack_from(payload)[0] + self.shift) & 0xFFFF
            if self._is_straggler(original, now):
                return
            payload = SHORT.pack(original) + payload[2:]
        path.send(path.protect(FIXED.pack(first, kind, out, stamp, self.rtx_ssrc) + middle + payload))
        self.packets += 1

    def _begin(self, number: int, timestamp: int, now: float) -> None:
        """Place the first packet of a run right behind the last one that was sent."""
        self.fresh = False
        stamp = self._top_timestamp
        if self._top_at is not None and self.source is not None:
            stamp += max(1, round((now - self._top_at) * self.source.formats.rate))
        # Signed, so that a receiver's extended numbers can be taken back (RFC 3550 section 6.4.1).
        self.shift = self._top + 1 - number
        self.timestamp_shift = (stamp - timestamp) & 0xFFFFFFFF
        self._floor = (self._top + 1) & 0xFFFF
        self._floor_until = now + LATE

    def _is_straggler(self, out: int, now: float) -> bool:
        """Tell whether a number lies before the present run: it was then given to a packet of the run before."""
        return now < self._floor_until and (out - self._floor) & 0xFFFF >= 0x8000


class _SourceAtHand:
    __slots__ = ("beginning", "last_at", "live", "loudness", "number", "octets", "received", "watch")


class Source(_SourceAtHand):
    """What one line of a peer sends: a stream, its retransmissions, and the sinks they go to."""

    __slots__ = (
        "_asked_at", "_keyframes", "_rembs", "cap", "first_at", "floor", "formats", "kind", "limited", "meter", "path",
        "reporter", "rtx_ssrc", "ssrc", "wanted",
    )  # fmt: skip

    def __init__(self, path: Path, kind: str, reporter: int) -> None:
        """`path` leads back to the sender; `reporter` is the SSRC in whose name feedback is sent."""
        self.path = path
        self.kind = kind
        self.reporter = reporter
        self.formats = Formats()
        self.ssrc: int | None = None
        self.rtx_ssrc: int | None = None
        self.live: tuple[Sink, ...] = ()
        """The sinks that get each packet."""
        self.first_at: float | None = None
        """When the present run of packets began."""
        self.last_at: float | None = None
        self.wanted = False
        """Whether a keyframe is to be asked for as soon as it can be."""
        self.limited = False
        """Whether its sender was told a limit, and keeps to it."""
        self.beginning: Beginning | None = None
        """Of a picture that has just begun."""
        self.watch: Callable[[bytes, float], None] | None = None
        """Is shown each packet before it goes on."""
        self.number = 0
        """The last packet's sequence number."""
        self.received = 0
        self.octets = 0
        self.meter = Meter()
        self.cap: int | None = None
        """Bits a second that the sender may not exceed, whatever its receivers can take; None: no such limit."""
        self.floor = 0
        """Bits a second that no receiver may make it fall below: to who cannot take them it is not sent."""
        self.loudness: Loudness | None = None
        """Hears the level of each packet, where it matters who speaks."""
        self._asked_at = -KEYFRAME_INTERVAL
        self._keyframes = Bucket(KEYFRAMES)
        self._rembs: dict[Sink, tuple[float, int]] = {}

    def adopt(self, ssrc: int) -> None:
        """Take `ssrc` for this line's stream from now on."""
        if ssrc != self.ssrc:
            self.ssrc = ssrc
            if self.kind == "video":
                self.beginning = Beginning()
            for sink in self.live:
                sink.restart()

    def link(self, sink: Sink, now: float) -> None:
        """Send `sink` each packet from now on, beginning with a keyframe."""
        if sink in self.live:
            return
        sink.restart()
        self.live += (sink,)
        if self.beginning is not None and self.beginning.shows(self.formats, now):
            for packet in self.beginning.packets:
                with suppress(*LOST):
                    sink.send(HEAD.unpack_from(packet), packet, now)
        else:
            self.ask_keyframe(now, joined=True)

    def unlink(self, sink: Sink) -> None:
        """Send `sink` nothing more."""
        self.live = tuple(other for other in self.live if other is not sink)
        self._rembs.pop(sink, None)

    def forward(self, packet: bytes, now: float) -> None:
        """Send one packet of the stream to all sinks. `packet` is whole and decrypted."""
        if self.last_at is None or now - self.last_at >= PATIENCE:
            self.first_at = now
        self.last_at = now
        if self.watch is not None:
            self.watch(packet, now)
        if self.beginning is not None and not self.beginning.note(packet, now):
            self.beginning = None
        head = HEAD.unpack_from(packet)
        self.number = head[2]
        self.received += 1
        self.octets += len(packet)
        if self.loudness is not None:
            self.loudness.hear(packet)
        for sink in self.live:
            try:
                sink.send(head, packet, now)
            except LOST:
                continue
            except Exception:  # noqa: BLE001 - an error in forwarding closes nothing but that track
                self.give_up(sink)

    def forward_repair(self, packet: bytes, now: float) -> None:
        """Send one retransmission to all sinks."""
        if self.watch is not None:
            self.watch(packet, now)
        head = HEAD.unpack_from(packet)
        for sink in self.live:
            try:
                sink.repair(head, packet, now)
            except LOST:
                continue
            except Exception:  # noqa: BLE001 - an error in forwarding closes nothing but that track
                self.give_up(sink)

    def give_up(self, sink: Sink) -> None:
        """Send `sink` nothing more, after an error; to be called where it is caught."""
        sink.broken = True
        self.unlink(sink)
        logger.exception("forwarding from %s to %s line %s failed", self.path.name, sink.path.name, sink.mid)

    def feedback(self, packet: bytes) -> None:
        """Tell the sender something about its stream, in a compound as RFC 3550 section 6.1 wants it."""
        self.path.rtcp(rtcp.write_rr(self.reporter) + packet)

    def ask_keyframe(self, now: float, *, joined: bool = False) -> None:
        """Ask for a keyframe: at once for one who `joined`, otherwise once in an interval, and not for ever."""
        if self.kind != "video":
            return
        if self.ssrc is None or not self.path.open:
            self.wanted = True
        elif joined or ((self.wanted or now - self._asked_at >= KEYFRAME_INTERVAL) and self._keyframes.take(1, now)):
            self.wanted = False
            self._asked_at = now
            self.feedback(rtcp.write_pli(self.reporter, self.ssrc))

    def estimate(self, sink: Sink, rate: int, now: float) -> int:
        """Remember how many bits a second `sink` can take; return what the sender may send."""
        self._rembs[sink] = now, rate
        return self.allowed(now) or 0

    def allowed(self, now: float) -> int | None:
        """Return how many bits a second the slowest of all sinks can take, and the cap allows; None: nobody says."""
        limits = [max(rate, self.floor) for at, rate in self._rembs.values() if now - at < REMB_LIFE]
        return min([*limits, self.cap] if self.cap is not None else limits, default=None)


def is_whole(packet: bytes) -> bool:
    """Tell whether the fixed header is there, in RTP's present version."""
    return len(packet) >= FIXED_LENGTH and packet[0] >> 6 == 2
