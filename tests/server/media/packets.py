"""Packets made by hand, a peer's end that keeps what it is sent, and lines joined by a relay."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from server.media.formats import Codec, Formats
from server.media.relay import Path, Sink, Source
from server.media.rtp import MID, payload_at

LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SENT_AT = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

CHROMIUM_AUDIO = Formats((Codec(111, "opus", 48_000),), {LEVEL: 1, MID: 4})
FIREFOX_AUDIO = Formats((Codec(109, "opus", 48_000),), {LEVEL: 1, MID: 3})
CHROMIUM_VIDEO = Formats((Codec(96, "vp8", 90_000), Codec(97, "rtx", 90_000, {"apt": "96"})), {SENT_AT: 2, MID: 4})
FIREFOX_VIDEO = Formats((Codec(120, "vp8", 90_000), Codec(124, "rtx", 90_000, {"apt": "120"})), {SENT_AT: 4, MID: 3})


def extension(*elements: tuple[int, bytes]) -> bytes:
    """Return a one-byte-header extension block."""
    body = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in elements)
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0xBEDE, len(body) // 4) + body


def rtp(
    number: int,
    *,
    kind: int = 96,
    timestamp: int = 0,
    ssrc: int = 5,
    marker: bool = False,
    block: bytes = b"",
    payload: bytes = b"payload",
    padding: int = 0,
) -> bytes:
    """Return an RTP packet."""
    first = 0x80 | (0x10 if block else 0) | (0x20 if padding else 0)
    head = struct.pack("!BBHII", first, kind | (0x80 if marker else 0), number & 0xFFFF, timestamp, ssrc)
    return head + block + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


class Seen(NamedTuple):
    """An RTP packet as a receiver sees it."""

    kind: int
    number: int
    timestamp: int
    ssrc: int
    marker: bool
    body: bytes
    raw: bytes


def seen(packet: bytes) -> Seen:
    """Take an RTP packet apart."""
    _, second, number, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    return Seen(second & 0x7F, number, timestamp, ssrc, second > 0x7F, packet[payload_at(packet) :], packet)


@dataclass
class End:
    """One peer's end of the relay: its path out, and what went there."""

    name: str
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = Path(self.name)
        self.path.open = True
        self.path.send = self.take

    def take(self, data: bytes | memoryview) -> None:
        self.sent.append(bytes(data))

    @property
    def media(self) -> list[Seen]:
        """The RTP that went there."""
        return [seen(packet) for packet in self.sent if not 192 <= packet[1] <= 223]

    @property
    def control(self) -> list[bytes]:
        """The RTCP compounds that went there."""
        return [packet for packet in self.sent if 192 <= packet[1] <= 223]

    def source(self, formats: Formats, *, kind: str = "video", ssrc: int = 5, rtx_ssrc: int = 6) -> Source:
        """Return a line that this end sends on."""
        source = Source(self.path, kind, reporter=70)
        source.formats = formats
        source.adopt(ssrc)
        source.rtx_ssrc = rtx_ssrc
        return source

    def sink(self, formats: Formats, *, mid: str = "1", first: int = 1000, timestamp: int = 50_000) -> Sink:
        """Return a line that this end receives on, as SSRC 700 and 701."""
        sink = Sink(self.path, mid, ssrc=700, rtx_ssrc=701, first=first, timestamp=timestamp)
        sink.formats = formats
        sink.cname = "server"
        return sink


def join(source: Source, sink: Sink, now: float = 0.0) -> None:
    """Let `sink` get what `source` sends."""
    sink.bind(source)
    sink.agree()
    source.link(sink, now)
