"""How values lie in Redis around what is sealed: versions outside, pairs inside, news on the channels."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

VERSION_BYTES: Final = 8
PUBLISH_LIMIT: Final = 8 * 1024
"""Bytes of a sealed event that travel with the news of it; a larger one is read from the store."""

_head = struct.Struct(">QI")
_length = struct.Struct(">H")


def version(number: int) -> bytes:
    """Return a version as scripts compare it: 8 bytes, or nothing for 0, which is what they find where nothing is."""
    return number.to_bytes(VERSION_BYTES, "big") if number else b""


def number(version: bytes) -> int:
    """Return the number of a version's bytes."""
    return int.from_bytes(version, "big")


def pair(first: bytes, second: bytes) -> bytes:
    """Join two values; the first has less than 64 KiB."""
    return _length.pack(len(first)) + first + second


def unpair(joined: bytes) -> tuple[bytes, bytes]:
    """Return the two values that were joined."""
    (length,) = _length.unpack_from(joined)
    return joined[2 : 2 + length], joined[2 + length :]


def document_name(key: str, field: bytes) -> str:
    """Return the name that a document is sealed under."""
    return f"{key}:{field.hex()}"


def news(events: Iterable[tuple[int, bytes]]) -> bytes:
    """Return (seq, sealed) of a commit's events as one message: seq, length, sealed; length 0 if it is too large."""
    parts: list[bytes] = []
    for seq, sealed in events:
        if len(sealed) > PUBLISH_LIMIT:
            parts.append(_head.pack(seq, 0))
        else:
            parts += (_head.pack(seq, len(sealed)), sealed)
    return b"".join(parts)


def call(sealed: bytes) -> bytes:
    """Return words between nodes as one message of a room's channel: of number 0, which no event has."""
    return _head.pack(0, len(sealed)) + sealed


def read_news(message: bytes) -> list[tuple[int, bytes | None]]:
    """Return what `news` was given; None for what was too large. Raise `ValueError` if it is no such message."""
    events: list[tuple[int, bytes | None]] = []
    at = 0
    while at < len(message):
        try:
            seq, length = _head.unpack_from(message, at)
        except struct.error:
            raise ValueError("the message ends in the middle of a head") from None
        at += _head.size
        if at + length > len(message):
            raise ValueError("the message ends in the middle of an event")
        events.append((seq, message[at : at + length] if length else None))
        at += length
    return events
