"""What one line of a call sends, packet by packet. Nothing is encoded while it is sent: a clip is told over and over.

A 1:1 visit with sound and picture is 377 packets a second, both ways together: of each side 50 of Opus and 138 of VP8,
1.28 Mbit/s. Each payload ends with the time when it was sent.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

VOICE_A_SECOND: Final = 50
VOICE_BYTES: Final = 87
VIDEO_A_SECOND: Final = 138.5
VIDEO_BYTES: Final = 1155
FRAMES_A_SECOND: Final = 30

LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
WIDE: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
WIDE_ID: Final = 9
"""The id of transport-wide numbers, which aiortc gives to nothing else."""
MARK: Final = struct.Struct("!Q")
"""The last bytes of a payload: the monotonic clock in ns."""
TWO_WORDS: Final = b"\xbe\xde\x00\x02"
"""The header of eight bytes of extensions."""
_HEADER: Final = struct.Struct("!BBHIIHHBBH")
"""The fixed header and one word of extensions."""
_WIDE: Final = struct.Struct("!BHB")
"""A second one: the transport-wide number."""


class Moment(NamedTuple):
    """One packet of a clip: when (s), its time in the stream's own ticks, whether it ends a frame, and what it says."""

    at: float
    ticks: int
    marker: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of what one line sends, that can follow itself."""

    kind: str
    seconds: float
    ticks: int
    """As long, in the stream's own time."""
    moments: Sequence[Moment]
    marked: bool = True
    """Whether the last bytes of a payload may become the time of sending: not if somebody decodes it."""

    @property
    def rate(self) -> float:
        """Packets a second."""
        return len(self.moments) / self.seconds

    @property
    def bits(self) -> float:
        """Bits a second, of payload."""
        return 8 * sum(len(moment.payload) for moment in self.moments) / self.seconds


def voice() -> Clip:
    """Return two seconds of speech, as heavy as Opus makes it."""
    count = 2 * VOICE_A_SECOND
    return Clip(
        "audio", 2.0, 96_000, [Moment(n / VOICE_A_SECOND, 960 * n, False, bytes(VOICE_BYTES)) for n in range(count)]
    )


def video(packets: float = VIDEO_A_SECOND) -> Clip:
    """Return two seconds of a picture without bursts; of 720 lines it has as many packets a second as VP8 makes."""
    count, frames = round(2 * packets), 2 * FRAMES_A_SECOND
    frame = [n * frames // count for n in range(count + 1)]
    moments = [
        Moment(2 * n / count, 3000 * frame[n], frame[n] != frame[n + 1], b"\x10" + bytes(VIDEO_BYTES - 1))
        for n in range(count)
    ]
    return Clip("video", 2.0, 180_000, moments)


class Stream:
    """One clip on its way: numbers that go on, however often it is told."""

    counted: Final = True

    def __init__(
        self, clip: Clip, ssrc: int, payload_type: int, extension: int, chance: random.Random, wide: int = 0
    ) -> None:
        """`extension`: the id of the one that each packet carries: the sound's level, the picture's time of sending.

        `wide`: that of the transport-wide number, if it was agreed on.
        """
        self._wide = wide
        self._wide_number = chance.randrange(1 << 16)
        self.clip = clip
        self.ssrc = ssrc
        self.sent = 0
        self._payload_type = payload_type
        # Of one byte, or of three.
        self._extension = extension << 4 | (0 if clip.kind == "audio" else 2)
        self._number = chance.randrange(1 << 15)
        self._ticks = chance.randrange(1 << 32)
        self._phase = chance.random() * 0.02
        self._begun = 0.0
        self.stamp = self._ticks
        """The time of the last packet, in the stream's ticks."""

    def begin(self, now: float) -> float:
        """Go on from `now` (s); return when the next packet is due. A break in between is silence."""
        count = len(self.clip.moments)
        self._begun = now + self._phase - self._offset(self.sent, count)
        return now + self._phase

    def _offset(self, number: int, count: int) -> float:
        return number // count * self.clip.seconds + self.clip.moments[number % count].at

    def next(self) -> tuple[bytes, float]:
        """Return the packet that is due, and when the one after it is."""
        moments = self.clip.moments
        told, place = divmod(self.sent, len(moments))
        _, ticks, marker, payload = moments[place]
        self.sent += 1
        now = time.monotonic_ns()
        self.stamp = (self._ticks + told * self.clip.ticks + ticks) & 0xFFFFFFFF
        header = _HEADER.pack(
            0x90,
            self._payload_type | marker << 7,
            (self._number + self.sent) & 0xFFFF,
            self.stamp,
            self.ssrc,
            0xBEDE,
            2 if self._wide else 1,
            self._extension,
            now >> 10 & 0xFF,
            now >> 18 & 0xFFFF if self._extension & 2 else 0,
        )
        if self._wide:
            header += _WIDE.pack(self._wide << 4 | 1, (self._wide_number + self.sent) & 0xFFFF, 0)
        if self.clip.marked:
            payload = payload[: -MARK.size] + MARK.pack(now)
        return header + payload, self._begun + self._offset(self.sent, len(moments))
