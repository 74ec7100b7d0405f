"""State events as bytes: what a commit stores and the bus carries, and what the hub makes of it again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from server.web.frames import Packet
from signaling.effects import Told


class _Stored(Struct, frozen=True, array_like=True):
    to: tuple[str, ...]
    message: Raw
    """In MessagePack, as a binary frame carries it."""
    connection: str | None = None
    close: int | None = None


_TO_BYTES = msgspec.msgpack.Encoder()
_FROM_BYTES = msgspec.msgpack.Decoder(_Stored)


class Event:
    """A stored event, ready to be delivered to any number of connections."""

    __slots__ = ("close", "connection", "epoch", "message", "packet", "to")

    def __init__(self, to: tuple[str, ...], connection: str | None, close: int | None, packed: bytes) -> None:
        self.to = to
        self.connection = connection
        self.close = close
        self.message: dict[str, Any] = msgspec.msgpack.decode(packed)
        """As it will be told, with its `type`, `epoch`, `seq`."""
        self.epoch: str = self.message.get("epoch", "")
        self.packet = Packet(self.message, packed=packed, replaces=_replaces(self.message))

    def is_for(self, participant: str, connection: str) -> bool:
        """Whether its audience holds this connection of this participant."""
        return participant in self.to and self.connection in (None, connection)


def encode(told: Told) -> bytes:
    """Return the event as bytes. Its message must already carry `epoch`, `seq`, `at` and `version`."""
    return _TO_BYTES.encode(_Stored(told.to, Raw(_TO_BYTES.encode(told.message)), told.connection, told.close))


def decode(payload: bytes) -> Event:
    """Return the event that `encode` was given."""
    stored = _FROM_BYTES.decode(payload)
    return Event(stored.to, stored.connection, stored.close, bytes(stored.message))


def _replaces(message: dict[str, Any]) -> Hashable:
    """Name what an event tells the latest of, if it tells nothing else."""
    match message:
        case {"type": "waiting.changed"}:
            return "waiting.changed"
        case {"type": "queue.changed", "entry": {"id": str(entry)}}:
            return "queue.changed", entry
        case {"type": "participant.changed", "visit": visit, "participant": {"id": str(participant)}}:
            return "participant.changed", visit, participant
    return None
