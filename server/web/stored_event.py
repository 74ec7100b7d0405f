"""State events as bytes: what a commit stores and the bus carries, and what the hub makes of it again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from server.web.frames import Packet
from signaling.effects import Own, Told


class _Stored(Struct, frozen=True, array_like=True):
    to: tuple[str, ...]
    message: Raw
    """In MessagePack, as a binary frame carries it."""
    connection: str | None = None
    close: int | None = None
    own: Own | None = None


_TO_BYTES = msgspec.msgpack.Encoder()
_FROM_BYTES = msgspec.msgpack.Decoder(_Stored)


class Event:
    """A stored event, ready to be delivered to any number of connections."""

    __slots__ = ("_own", "close", "connection", "epoch", "message", "packet", "to")

    def __init__(self, stored: _Stored) -> None:
        self.to = stored.to
        self.connection = stored.connection
        self.close = stored.close
        self._own = stored.own
        packed = bytes(stored.message)
        self.message: dict[str, Any] = msgspec.msgpack.decode(packed)
        """As it will be told, with its `type`, `epoch`, `seq`; without what each is told apart."""
        self.epoch: str = self.message.get("epoch", "")
        self.packet = Packet(self.message, packed=packed, replaces=_replaces(self.message))
        """For all who are told nothing apart."""

    def is_for(self, participant: str, connection: str) -> bool:
        """Whether its audience holds this connection of this participant."""
        return participant in self.to and self.connection in (None, connection)

    def told(self, participant: str) -> dict[str, Any]:
        """Return the message as this participant gets it; `message` itself, if they are told nothing apart."""
        own = self._own
        if own is None or participant not in own.values:
            return self.message
        return {**self.message, own.field: own.values[participant]}

    def packet_for(self, participant: str) -> Packet:
        """Return what is sent to this participant."""
        told = self.told(participant)
        return self.packet if told is self.message else Packet(told, replaces=self.packet.replaces)


def encode(told: Told) -> bytes:
    """Return the event as bytes. Its message must already carry `epoch`, `seq`, `at` and `version`."""
    message = Raw(_TO_BYTES.encode(told.message))
    return _TO_BYTES.encode(_Stored(told.to, message, told.connection, told.close, told.own))


def decode(payload: bytes) -> Event:
    """Return the event that `encode` was given."""
    return Event(_FROM_BYTES.decode(payload))


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
