"""RTP packets as bytes: where their parts lie, and how a header extension block is written for another line.

RFC 3550 section 5.1 (header), RFC 8285 (extensions), RFC 4588 (retransmission).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
"""The one extension whose value names a line, and so differs between two peers (RFC 8843 section 15)."""

TRANSPORT_WIDE: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""The one whose value counts the packets of a transport, for its congestion control."""

HEAD: Final = struct.Struct("!BBHI")
"""Version, padding, extension, CSRC count | marker, payload type | sequence number | timestamp."""
FIXED: Final = struct.Struct("!BBHII")
"""The same with the SSRC."""
SHORT: Final = struct.Struct("!H")

FIXED_LENGTH: Final = 12
HAS_EXTENSION: Final = 0x10
HAS_PADDING: Final = 0x20
ONE_BYTE: Final = 0xBEDE
"""The profile of blocks whose elements have one byte of header: ids 1-14, 1-16 bytes of value."""
ONE_WORD: Final = b"\xbe\xde\x00\x01"
TWO_WORDS: Final = b"\xbe\xde\x00\x02"
"""The headers of such blocks, when they hold four bytes, and eight."""
_PICTURE: Final = struct.Struct("!4sB3sBHx")
"""The block of nearly every packet of a picture: when it was sent, and its transport-wide number."""


class Malformed(ValueError):
    """A packet's own lengths contradict its size."""


def is_rtcp(packet: bytes) -> bool:
    """Tell RTCP from RTP on the same port; `packet` has at least two bytes (RFC 5761 section 4)."""
    return 192 <= packet[1] <= 223


def payload_at(packet: bytes) -> int:
    """Return where the payload begins. Raise `Malformed`."""
    at = FIXED_LENGTH + 4 * (packet[0] & 0x0F)
    if packet[0] & HAS_EXTENSION:
        if len(packet) < at + 4:
            raise Malformed("truncated extension header")
        at += 4 + 4 * SHORT.unpack_from(packet, at + 2)[0]
    if at > len(packet):
        raise Malformed("header longer than the packet")
    return at


def elements(packet: bytes) -> list[tuple[int, bytes]]:
    """Return the header extension elements as (id, value). Raise `Malformed`."""
    if not packet[0] & HAS_EXTENSION:
        return []
    end = payload_at(packet)
    at = FIXED_LENGTH + 4 * (packet[0] & 0x0F)
    profile = SHORT.unpack_from(packet, at)[0]
    at += 4
    found: list[tuple[int, bytes]] = []
    if profile == ONE_BYTE:
        while at < end:
            head = packet[at]
            if head == 0:  # padding
                at += 1
                continue
            if head >> 4 == 15:  # "If the ID value 15 is used, ... processing ... MUST terminate" (4.2)
                break
            size = (head & 0x0F) + 1
            if at + 1 + size > end:
                raise Malformed("truncated extension element")
            found.append((head >> 4, packet[at + 1 : at + 1 + size]))
            at += 1 + size
    elif profile & 0xFFF0 == 0x1000:
        while at < end:
            if packet[at] == 0:
                at += 1
                continue
            if at + 2 > end or at + 2 + packet[at + 1] > end:
                raise Malformed("truncated extension element")
            found.append((packet[at], packet[at + 2 : at + 2 + packet[at + 1]]))
            at += 2 + packet[at + 1]
    return found


def wide_of(packet: bytes, extension: int) -> int | None:
    """Return the packet's transport-wide number from the extension of that id, if it has one. Raise `Malformed`."""
    if packet[0] & 0x1F == HAS_EXTENSION and packet[12:16] == TWO_WORDS and len(packet) >= 24:
        first, second = packet[16], packet[20]  # as nearly all have it: three bytes of another one, and then this
        if first & 0x0F == 2 and first >> 4 not in (0, 15, extension) and second == extension << 4 | 1:
            return packet[21] << 8 | packet[22]
    for number, value in elements(packet):
        if number == extension and len(value) == 2:
            return int(SHORT.unpack(value)[0])
    return None


def mid_of(packet: bytes, extension: int) -> str | None:
    """Return the MID that the packet names in the extension of that id, if it names one. Raise `Malformed`."""
    for number, value in elements(packet):
        if number == extension:
            return value.decode("ascii", "replace")
    return None


class Extensions:
    """How the header extensions of one line become those of another: ids by URI, and values that are a side's own.

    An extension that the other side did not negotiate is left out.
    """

    __slots__ = ("_ids", "_mid", "_mid_id", "_wide_id", "pictures", "words")

    def __init__(self, source: Mapping[str, int], sink: Mapping[str, int], mid: str) -> None:
        """`source`, `sink`: URI → id as negotiated on each side. `mid`: what the receiving line is called."""
        self._ids = {number: sink[uri] for uri, number in source.items() if sink.get(uri, 15) < 15}
        self._mid_id = sink.get(MID, 0)
        self._wide_id = sink.get(TRANSPORT_WIDE, 0)
        self._mid = mid.encode("ascii")
        plain = [(old, new) for old, new in self._ids.items() if new not in (self._mid_id, self._wide_id)]
        self.words = {
            old << 4 | size - 1: ONE_WORD + bytes([new << 4 | size - 1]) for old, new in plain for size in (1, 3)
        }
        """For the first byte of a single word of extensions: what it becomes, with what stands before it."""
        wide = source.get(TRANSPORT_WIDE, 0)
        self.pictures = {
            (old << 4 | 2) << 8 | wide << 4 | 1: (new << 4 | 2, self._wide_id << 4 | 1) for old, new in plain if wide
        }
        """For the first bytes of the two elements of a picture's block: what they become."""

    def rewrite(self, packet: bytes, shift: int | None = None) -> tuple[int, bytes, int]:
        """Return (first byte, what stands between the fixed header and the payload, where the payload begins).

        `shift` is added to transport-wide numbers; None: they are left out.
        """
        first = packet[0]
        # The rule: the level of a sound; or when a picture was sent, with its transport-wide number. All else is rare.
        if first & 0x1F == HAS_EXTENSION:
            head = packet[12:16]
            if head == TWO_WORDS and len(packet) >= 24:
                picture = self.pictures.get(packet[16] << 8 | packet[20])
                if picture is not None and not packet[23]:
                    sent, wide = picture
                    if shift is None or not wide >> 4:
                        return first, ONE_WORD + bytes((sent,)) + packet[17:20], 24
                    number = (packet[21] << 8 | packet[22]) + shift & 0xFFFF
                    return first, _PICTURE.pack(TWO_WORDS, sent, packet[17:20], wide, number), 24
            elif head == ONE_WORD and len(packet) >= 20:
                start = self.words.get(packet[16])
                if start is not None and (packet[16] & 0x0F or packet[18:20] == b"\0\0"):
                    return first, start + packet[17:20], 20
        at = FIXED_LENGTH + 4 * (first & 0x0F)
        if not first & HAS_EXTENSION:
            if at > len(packet):
                raise Malformed("header longer than the packet")
            return first, packet[FIXED_LENGTH:at], at
        block = bytearray()
        for number, found in elements(packet):
            new = self._ids.get(number, 0)
            if not new:
                continue
            value = self._mid if new == self._mid_id else found
            if new == self._wide_id:
                if shift is None or len(found) != 2:
                    continue
                value = SHORT.pack(SHORT.unpack(found)[0] + shift & 0xFFFF)
            if 0 < len(value) <= 16:
                block.append(new << 4 | len(value) - 1)
                block += value
        body = payload_at(packet)
        csrcs = packet[FIXED_LENGTH:at]
        if not block:
            return first & ~HAS_EXTENSION, csrcs, body
        block += bytes(-len(block) % 4)
        return first, csrcs + struct.pack("!HH", ONE_BYTE, len(block) >> 2) + block, body
