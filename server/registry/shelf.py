"""Typed documents on the store: encoded, decoded, and written together with their audit entry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol, TypeVar

import msgspec

from server.ports import Clock
from server.ports.documents import Documents
from server.ports.outbox import Owed


class Kept(Protocol):
    """A document's shape: a struct that knows its kind."""

    kind: ClassVar[str]


D = TypeVar("D", bound=Kept)

ATTEMPTS = 8
"""How often a change is tried anew when somebody else changed the document first."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does what: becomes the audit entry of a write. Ids and codes only."""

    practice: str
    by: str
    """`operator`, `system`, the id of an API key, or a provider's id."""
    action: str
    target: str = ""
    detail: str = ""


AT_ONCE = 32


async def together(work: Iterable[Awaitable[object]]) -> None:
    """Await all of it, some at a time: the store takes what comes in one tick in one go."""
    left = iter(work)
    while some := list(islice(left, AT_ONCE)):
        await asyncio.gather(*some)


class LastDone(msgspec.Struct, frozen=True):
    """Who did something last."""

    kind: ClassVar[str] = "last-done"
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the registry's documents stand."""

    documents: Documents
    clock: Clock

    async def get(self, place: str, shape: type[D], id: str) -> D | None:
        """Return the document, if it exists."""
        found = await self.documents.get(place, shape.kind, id)
        return None if found is None else msgspec.msgpack.decode(found.value, type=shape)

    async def versioned(self, place: str, shape: type[D], id: str) -> tuple[D | None, int]:
        """Return the document with its version, to be changed with `expected`; (None, 0) if it does not exist."""
        found = await self.documents.get(place, shape.kind, id)
        return (None, 0) if found is None else (msgspec.msgpack.decode(found.value, type=shape), found.version)

    async def all(self, place: str, shape: type[D]) -> Mapping[str, D]:
        """Return all documents of this shape at `place`, by id."""
        found = await self.documents.all(place, shape.kind)
        return {id: msgspec.msgpack.decode(one.value, type=shape) for id, one in found.items()}

    async def put(
        self,
        place: str,
        id: str,
        document: Kept,
        deed: Deed | None = None,
        *,
        expected: int | None = None,
        owed: tuple[Owed, ...] = (),
    ) -> None:
        """Save the document, what it makes us owe and the trail of it in one. `deed` None: part of another write."""
        value = msgspec.msgpack.encode(document)
        outbox = (*map(msgspec.msgpack.encode, owed), *self._trail(place, deed))
        await self.documents.put(place, document.kind, id, value, expected=expected, outbox=outbox)

    async def delete(self, place: str, shape: type[Kept], id: str, deed: Deed | None = None) -> bool:
        """Remove the document; False if there was none."""
        return await self.documents.delete(place, shape.kind, id, outbox=self._trail(place, deed))

    async def note(self, deed: Deed) -> None:
        """Leave a trail of something that changes no document: who did it last is kept, all of it is told."""
        last = LastDone(by=deed.by, at=self.clock())
        await self.put(deed.practice, f"{deed.action}:{deed.target}", last, deed)

    def _trail(self, place: str, deed: Deed | None) -> tuple[bytes, ...]:
        if deed is None:
            return ()
        data = {"action": deed.action, "by": deed.by, "target": deed.target, "detail": deed.detail}
        owed = Owed(kind="audit", practice=deed.practice, room=place, at=self.clock(), data=data)
        return (msgspec.msgpack.encode(owed),)
