"""What a step brings: entries, saved with the room in one transaction, and effects, which may be lost.

Deciding is one thing and saying it another: how somebody looks to somebody else, and the record for billing, are made
when they are first read, which is when the commit packs them. They are made of frozen values as they were when it was
decided, so it does not matter when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from signaling.messages import Ok, StateEvent
from signaling.record import Record
from signaling.state import Room


class Own(Struct, frozen=True):
    """What of an event is told to each apart: one field of its message."""

    field: str
    values: dict[str, Any]
    """By participant. For those who are not named, the message holds as it is."""


class Later(Struct, frozen=True):
    """What of an event is not made yet: one field of its message."""

    field: str
    make: Callable[[], Any]
    """Pure, of values that do not change any more: whenever it is called, it returns the same."""


class Told(Struct, frozen=True):
    """A state event and who may get it. Two are equal if they tell the same, made or not."""

    to: tuple[str, ...]
    """Participants. Nobody else ever sees it, at delivery or at replay."""
    known: StateEvent
    """The message, numbered and stamped, but for what is made `later`."""
    connection: str | None = None
    """Only this one of their connections."""
    close: int | None = None
    """After it, their connections (or that one) are closed with this code."""
    own: Own | None = None
    """Nobody sees anybody else's."""
    later: Later | None = None

    @property
    def message(self) -> StateEvent:
        """The message as a whole; made once."""
        if self.later is not None:
            force_setattr(self, "known", replace(self.known, **{self.later.field: self.later.make()}))
            force_setattr(self, "later", None)
        return self.known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Told) and self._as_told() == other._as_told()

    __hash__ = None  # type: ignore[assignment]  # a message may hold what has none

    def _as_told(self) -> tuple[object, ...]:
        return self.to, self.message, self.connection, self.close, self.own

    def told(self, participant: str) -> StateEvent:
        """Return the message as one of its audience gets it."""
        if self.own is None or participant not in self.own.values:
            return self.message
        return replace(self.message, **{self.own.field: self.own.values[participant]})


class HandOff(Struct, frozen=True):
    """A closed visit's record, on its way to billing. Two are equal if their records are."""

    known: Record | Callable[[], Record]
    """The record, or how it is made: of values that do not change any more."""

    @property
    def record(self) -> Record:
        """The record; made once."""
        if not isinstance(self.known, Record):
            force_setattr(self, "known", self.known())
        assert isinstance(self.known, Record)
        return self.known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HandOff) and self.record == other.record

    __hash__ = None  # type: ignore[assignment]  # its facts have none


class Notify(Struct, frozen=True):
    """A webhook event; ids only."""

    type: Literal["client.ready", "client.left", "visit.started", "visit.ended", "visit.resumed", "visit.closed"]
    data: dict[str, Any]


class Audit(Struct, frozen=True):
    """Who did what to whom, for the trail; ids and codes only."""

    action: str
    by: str
    """A participant, or `system`."""
    target: str = ""
    detail: str = ""


class AppointmentClosed(Struct, frozen=True):
    """The appointment's document is to say that its visit is over."""

    appointment: str
    outcome: str


Entry = Told | HandOff | Notify | Audit | AppointmentClosed
"""Saved with the room."""


class ClosePeers(Struct, frozen=True):
    """Stop forwarding at once and close the peers: of one participant, or of the whole visit."""

    visit: str
    participant: str | None = None


class MediaModeChanged(Struct, frozen=True):
    """A participant's audio-only flag changed: forward their video, or do not."""

    visit: str
    participant: str
    audio_only: bool


Effect = ClosePeers | MediaModeChanged
"""Derivable from the state again, so it may be lost."""


class Step(Struct, frozen=True):
    """What `handle` decided. `room is` the very same object when nothing changed."""

    room: Room
    entries: tuple[Entry, ...] = ()
    effects: tuple[Effect, ...] = ()
    reply: Ok = Ok()
