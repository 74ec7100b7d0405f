"""A state event as it lies in a room's stream: who may get it, and the message, once."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from signaling.effects import Told


class StoredEvent(Struct, frozen=True, array_like=True):
    """An event and its audience. `message` is the wire's object, the same for both subprotocols."""

    to: tuple[str, ...]
    message: dict[str, Any]
    connection: str | None = None
    """Only this one of their connections."""
    close: int | None = None
    """After it, their connections (or that one) are closed with this code."""


_decoder = msgspec.msgpack.Decoder(StoredEvent)


def encode_told(told: Told) -> bytes:
    """Return the event as bytes."""
    return msgspec.msgpack.encode(StoredEvent(told.to, msgspec.to_builtins(told.message), told.connection, told.close))


def decode_event(payload: bytes) -> StoredEvent:
    """Return the event that `encode_told` was given."""
    return _decoder.decode(payload)
