"""RTCP packets as bytes: taking a compound apart, and writing the few kinds that the relay sends.

RFC 3550 section 6 (SR, RR, SDES), RFC 4585 (NACK, PLI), RFC 5104 (FIR), draft-alvestrand-rmcat-remb (REMB),
draft-holmer-rmcat-transport-wide-cc-extensions (the arrival of each packet of a transport).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

SR: Final = 200
RR: Final = 201
SDES: Final = 202
TRANSPORT_FEEDBACK: Final = 205
PAYLOAD_FEEDBACK: Final = 206

NACK: Final = 1
ARRIVALS: Final = 15
"""Formats of `TRANSPORT_FEEDBACK`; the last one says when which packet of the transport arrived."""
PLI: Final = 1
FIR: Final = 4
APPLICATION: Final = 15
"""Formats of `PAYLOAD_FEEDBACK`; the last one carries REMB."""

_HEAD: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_ARRIVALS: Final = struct.Struct("!HH")
_MOVED: Final = struct.Struct("!BBHIBBHIIH")

TICK: Final = 0.00025
"""Seconds: the unit of arrivals. Each feedback begins at a multiple of 256 of them."""


class Part(NamedTuple):
    """One packet of a compound: its kind, its count or format, and what follows its 4-byte header."""

    kind: int
    format: int
    body: bytes


class SenderInfo(NamedTuple):
    """A sender's report: the same instant in NTP time and in its stream's, and what it has sent."""

    ssrc: int
    ntp: int
    rtp: int
    packets: int
    octets: int


class Block(NamedTuple):
    """What a receiver reports about one stream; `loss` is the fraction and the cumulative number as sent."""

    ssrc: int
    loss: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


def parts(compound: bytes) -> Iterator[Part]:
    """Yield the packets of a compound, as far as their lengths make sense."""
    at = 0
    while at + 4 <= len(compound):
        first, kind, words = _HEAD.unpack_from(compound, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(compound):
            return
        body = compound[at + 4 : end]
        if first & 0x20 and body:
            if not 0 < body[-1] <= len(body):
                return
            body = body[: -body[-1]]
        yield Part(kind, first & 0x1F, body)
        at = end


def sender_info(part: Part) -> SenderInfo | None:
    """Read a sender report's first half; None if it is cut short."""
    return SenderInfo._make(_SENDER_INFO.unpack_from(part.body)) if len(part.body) >= 24 else None


def blocks(part: Part) -> list[Block]:
    """Read the report blocks of an SR or RR, as many as are whole."""
    at = 24 if part.kind == SR else 4
    whole = min(part.format, max(0, len(part.body) - at) // 24)
    return [Block._make(_BLOCK.unpack_from(part.body, at + 24 * n)) for n in range(whole)]


def media_ssrc(part: Part) -> int | None:
    """Read which stream a feedback packet is about; None if it is cut short."""
    return int.from_bytes(part.body[4:8]) if len(part.body) >= 8 else None


def lost(part: Part) -> list[int]:
    """Read the sequence numbers that a NACK asks for."""
    numbers: list[int] = []
    for at in range(8, len(part.body) - 3, 4):
        first, more = struct.unpack_from("!HH", part.body, at)
        numbers.append(first)
        numbers += [(first + n + 1) & 0xFFFF for n in range(16) if more >> n & 1]
    return numbers


def fir_ssrcs(part: Part) -> list[int]:
    """Read which streams a full intra request is about."""
    return [int.from_bytes(part.body[at : at + 4]) for at in range(8, len(part.body) - 7, 8)]


def remb(part: Part) -> tuple[int, list[int]] | None:
    """Read (bits a second, streams) of a receiver's estimate; None if it is something else or cut short."""
    body = part.body
    if len(body) < 16 or body[8:12] != b"REMB" or len(body) < 16 + 4 * body[12]:
        return None
    rate = ((body[13] & 3) << 16 | body[14] << 8 | body[15]) << (body[13] >> 2)
    return rate, [int.from_bytes(body[at : at + 4]) for at in range(16, 16 + 4 * body[12], 4)]


def _packet(count: int, kind: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) >> 2) + body


def write_sr(info: SenderInfo) -> bytes:
    """Write a sender report without blocks."""
    return _packet(0, SR, _SENDER_INFO.pack(*info))


def write_rr(sender: int, reports: Sequence[Block] = ()) -> bytes:
    """Write a receiver report of at most 31 blocks."""
    return _packet(len(reports), RR, sender.to_bytes(4) + b"".join(_BLOCK.pack(*block) for block in reports))


def write_cname(ssrc: int, cname: str) -> bytes:
    """Write the source description that a sender report travels with."""
    name = cname.encode("ascii", "replace")[:255]
    item = bytes((1, len(name))) + name
    return _packet(1, SDES, ssrc.to_bytes(4) + item + bytes(4 - len(item) % 4))


def write_nack(sender: int, media: int, numbers: Sequence[int]) -> bytes:
    """Ask the sender of `media` for packets again."""
    pairs: list[list[int]] = []
    for number in numbers:
        if pairs and 0 < (ahead := (number - pairs[-1][0]) & 0xFFFF) <= 16:
            pairs[-1][1] |= 1 << ahead - 1
        elif not pairs or pairs[-1][0] != number:
            pairs.append([number, 0])
    return _packet(
        NACK, TRANSPORT_FEEDBACK, struct.pack("!II", sender, media) + b"".join(struct.pack("!HH", *p) for p in pairs)
    )


def write_pli(sender: int, media: int) -> bytes:
    """Ask the sender of `media` for a keyframe."""
    return _packet(PLI, PAYLOAD_FEEDBACK, struct.pack("!II", sender, media))


def arrivals_of(part: Part) -> tuple[int, int] | None:
    """Read (first number, how many follow, it included) of what arrivals are told of; None if it is cut short."""
    return _ARRIVALS.unpack_from(part.body, 8) if len(part.body) >= 16 else None


def head_arrivals(into: memoryview | bytearray, words: int, sender: int, media: int, first: int) -> None:
    """Write how a compound about arrivals begins, its feedback being so many words behind its own header's.

    That is a receiver report about nothing, and all of the feedback until its first number, of 22 bytes together.
    """
    _MOVED.pack_into(into, 0, 0x80, RR, 1, sender, 0x80 | ARRIVALS, TRANSPORT_FEEDBACK, words, sender, media, first)


def move_arrivals(part: Part, sender: int, media: int, first: int) -> bytes:
    """Write a whole compound: arrivals that were read, about another stream's transport, from number `first` on."""
    rest = part.body[10:]
    padding = -(len(rest) + 2) % 4
    head = bytearray(_MOVED.size)
    head_arrivals(head, (10 + len(rest) + padding) >> 2, sender, media, first)
    return bytes(head) + rest + bytes(padding)


def write_arrivals(sender: int, media: int, count: int, first: int, times: Sequence[float | None]) -> bytes:
    """Tell when the packets from number `first` on arrived, in seconds of any clock; None: not.

    One did at least, and no two that follow each other are 8 seconds apart. `count` numbers these feedbacks.
    """
    now = round(next(time for time in times if time is not None) / TICK) & ~0xFF
    begin = now >> 8
    symbols: list[int] = []
    deltas = bytearray()
    for time in times:
        if time is None:
            symbols.append(0)
            continue
        delta = round(time / TICK) - now
        now += delta
        small = 0 <= delta <= 0xFF
        symbols.append(1 if small else 2)
        deltas += bytes((delta,)) if small else struct.pack("!h", delta)
    chunks = bytearray()
    for at in range(0, len(symbols), 7):  # "status vector chunks" of seven symbols of two bits each
        chunk = 3
        for symbol in (*symbols[at : at + 7], 0, 0, 0, 0, 0, 0)[:7]:
            chunk = chunk << 2 | symbol
        chunks += struct.pack("!H", chunk)
    head = struct.pack("!IIHHI", sender, media, first, len(times), (begin & 0xFFFFFF) << 8 | count & 0xFF)
    body = head + chunks + deltas
    return _packet(ARRIVALS, TRANSPORT_FEEDBACK, body + bytes(-len(body) % 4))


def write_remb(sender: int, rate: int, streams: Sequence[int]) -> bytes:
    """Tell a sender how many bits a second its `streams` may have together."""
    exponent = max(0, rate.bit_length() - 18)
    mantissa = rate >> exponent
    fields = (b"REMB", len(streams), exponent << 2 | mantissa >> 16, mantissa & 0xFFFF)
    body = struct.pack("!II4sBBH", sender, 0, *fields) + b"".join(ssrc.to_bytes(4) for ssrc in streams)
    return _packet(APPLICATION, PAYLOAD_FEEDBACK, body)
