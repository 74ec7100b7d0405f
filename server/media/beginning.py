"""The first packets of a picture, kept for a moment: who is let in a moment later gets them, instead of asking anew.

Of two people who are let in together one is always first, and that one's camera begins before the other can get it.
A new keyframe would be there a frame, a round trip and its sending later.
"""

from __future__ import annotations

from typing import Final

from server.media.formats import Formats
from server.media.rtp import payload_at

MOST: Final = 64
"""Packets; a first picture has ten to twenty."""
LONGEST: Final = 0.4
"""Seconds: what is older would be seen as a picture that runs too fast."""


class Beginning:
    """What a stream began with, as long as that is all it sent."""

    __slots__ = ("_since", "packets")

    def __init__(self) -> None:
        self._since: float | None = None
        self.packets: list[bytes] = []

    def note(self, packet: bytes, now: float) -> bool:
        """Keep one more packet; False: it is a beginning no more. `now` is in seconds."""
        if self._since is None:
            self._since = now
        if now - self._since > LONGEST or len(self.packets) >= MOST:
            return False
        self.packets.append(packet)
        return True

    def shows(self, formats: Formats, now: float) -> bool:
        """Tell whether a receiver who is given these has a picture."""
        recent = self._since is not None and now - self._since <= LONGEST
        return recent and begins_picture(self.packets[0], formats)


def begins_picture(packet: bytes, formats: Formats) -> bool:
    """Tell whether an RTP packet is the first of a keyframe of VP8 (RFC 7741); with H264 that is not looked for."""
    kind = packet[1] & 0x7F
    if not any(codec.payload_type == kind and codec.name == "vp8" for codec in formats.codecs):
        return False
    payload = packet[payload_at(packet) :]
    if not payload or payload[0] & 0x1F != 0x10:  # the start of the first partition
        return False
    at = 1
    if payload[0] & 0x80 and len(payload) > 1:
        more, at = payload[1], 2
        if more & 0x80:
            at += 2 if len(payload) > at and payload[at] & 0x80 else 1
        at += bool(more & 0x40) + bool(more & 0x30)
    return len(payload) > at and not payload[at] & 1
