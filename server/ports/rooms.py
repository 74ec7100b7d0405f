"""Where rooms live, and the one change that is saved whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Stored(Struct, frozen=True):
    """A room as it was saved."""

    version: int
    snapshot: bytes


class Commit(Struct, frozen=True, kw_only=True):
    """One change of one room, saved whole or not at all."""

    request: str
    """The request id: unique for a request, the same for its repeats. A saved one answers with its stored reply."""
    body: str
    """A hash of the request's content: the same `request` with another body is a reused key."""
    keep: int
    """How long the reply is kept, in milliseconds."""
    expected: int
    """The version that was decided on; 0: the room did not exist."""
    snapshot: bytes
    """Of version `expected + 1`."""
    events: tuple[tuple[int, bytes], ...] = ()
    """(seq, payload), ascending, without holes."""
    outbox: tuple[bytes, ...] = ()
    """Each an encoded `Owed`."""
    deadline: int | None = None
    """When the room wants `DeadlinePassed`; None: never."""
    reply: bytes = b""
    documents: Mapping[tuple[str, str], bytes] = {}
    """(kind, id) → value: documents beside the room that change with it."""


class Conflict(Exception):
    """Another commit came first; nothing was saved."""

    def __init__(self, present: Stored | None) -> None:
        super().__init__("the room has another version")
        self.present = present


class Repeated(Exception):
    """This request id was committed before; nothing was saved again."""

    def __init__(self, reply: bytes, body: str) -> None:
        super().__init__("the request was committed before")
        self.reply = reply
        self.body = body


class RoomStore(Protocol):
    """Where rooms live. Every method may raise `StoreAway`."""

    async def time(self) -> int:
        """Return the store's time in milliseconds."""
        ...

    async def load(self, room: str) -> Stored | None: ...

    async def commit(self, room: str, commit: Commit) -> None:
        """Save and publish `commit`, or raise `Repeated` (looked at first) or `Conflict`."""
        ...

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        """Return the stored (reply, body) of a request id, if it was committed and is still kept."""
        ...

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        """Return the events with seq > `after`, ascending; None if some of them are no longer kept."""
        ...

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return rooms whose deadline is at or before `now`. A commit replaces the deadline."""
        ...

    async def postpone(self, room: str, until: int) -> None:
        """Move a due room's deadline, if it still has one before `until` (its handling failed)."""
        ...

    async def delete(self, room: str) -> None:
        """Remove the room with its events, deadline and replies (its practice was deleted). The outbox stays."""
        ...
