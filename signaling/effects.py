"""What a step brings: entries, saved with the room in one transaction, and effects, which may be lost.

Deciding is one thing and saying it another. How somebody looks to somebody else, and the record for billing, are made
when a step's entries are first read, which is when the commit packs them: of frozen values as they were when it was
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


class Own(Struct, frozen=True, gc=False):
    """What of an event is told to each apart: one field of its message."""

    field: str
    values: dict[str, Any]
    """By participant. For those who are not named, the message holds as it is."""


class Told(Struct, frozen=True, gc=False):
    """A state event and who may get it."""

    to: tuple[str, ...]
    """Participants. Nobody else ever sees it, at delivery or at replay."""
    message: StateEvent
    connection: str | None = None
    """Only this one of their connections."""
    close: int | None = None
    """After it, their connections (or that one) are closed with this code."""
    own: Own | None = None
    """Nobody sees anybody else's."""

    def told(self, participant: str) -> StateEvent:
        """Return the message as one of its audience gets it."""
        if self.own is None or participant not in self.own.values:
            return self.message
        return replace(self.message, **{self.own.field: self.own.values[participant]})


class HandOff(Struct, frozen=True, gc=False):
    """A closed visit's record, on its way to billing."""

    record: Record


Notice = Literal[
    "client.ready",
    "notice.unanswered",
    "client.left",
    "visit.started",
    "visit.ended",
    "visit.resumed",
    "visit.closed",
]


class Notify(Struct, frozen=True, gc=False):
    """A webhook event; ids only."""

    type: Notice
    data: dict[str, Any]


class Audit(Struct, frozen=True, gc=False):
    """Who did what to whom, for the trail; ids and codes only."""

    action: str
    by: str
    """A participant, or `system`."""
    target: str = ""
    detail: str = ""


class AppointmentClosed(Struct, frozen=True, gc=False):
    """The appointment's document is to say that its visit is over."""

    appointment: str
    outcome: str


Entry = Told | HandOff | Notify | Audit | AppointmentClosed
"""Saved with the room."""


class ClosePeers(Struct, frozen=True, gc=False):
    """Stop forwarding at once and close the peers: of one participant, or of the whole visit."""

    visit: str
    participant: str | None = None


class MediaModeChanged(Struct, frozen=True, gc=False):
    """A participant's audio-only flag changed: forward their video, or do not."""

    visit: str
    participant: str
    audio_only: bool


class NetworkChanged(Struct, frozen=True):
    """A participant's network carries no picture any more, or does again: those in the visit are told at once."""

    visit: str
    participant: str
    weak: bool


Effect = ClosePeers | MediaModeChanged | NetworkChanged
"""Derivable from the state again, so it may be lost."""


Later = tuple[Struct, str, Callable[..., Any], tuple[Any, ...]]
"""(A value of this step that nobody has seen yet, a field of it, the function that makes it, its arguments).

The function is pure, and its arguments do not change any more: whenever it is called, it returns the same.
"""


class Step(Struct, frozen=True):
    """What `handle` decided. `room is` the very same object when nothing changed."""

    room: Room
    said: tuple[Entry, ...] = ()
    """The entries, but for what is made `later`."""
    effects: tuple[Effect, ...] = ()
    reply: Ok = Ok()
    later: tuple[Later, ...] = ()
    """What nobody has asked for yet."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is saved with the room; made when it is first read."""
        if self.later:
            for value, field, make, of in self.later:
                force_setattr(value, field, make(*of))
            force_setattr(self, "later", ())
        return self.said

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self._as_read() == other._as_read()

    __hash__ = None  # type: ignore[assignment]  # a room has none either

    def _as_read(self) -> tuple[object, ...]:
        return self.room, self.entries, self.effects, self.reply
