"""A room as bytes, and back: MessagePack behind one byte that names the layout."""

from __future__ import annotations

import msgspec

from signaling.state import Room

LAYOUT = b"\x01"
"""Another layout gets another byte, and a reader for the old one until no room holds it."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Room)


class UnknownLayout(Exception):
    """The snapshot was written by a newer version of this program."""


def pack(room: Room) -> bytes:
    """Return the room as bytes."""
    return LAYOUT + _encoder.encode(room)


def unpack(snapshot: bytes) -> Room:
    """Return the room that `pack` was given. Raise `UnknownLayout`."""
    if snapshot[:1] != LAYOUT:
        raise UnknownLayout("the room was saved by another version; start a node of that version, or a newer one")
    return _decoder.decode(memoryview(snapshot)[1:])
