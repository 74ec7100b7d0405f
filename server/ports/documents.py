"""Documents that stay, and single keys that end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Document(Struct, frozen=True):
    """A registry document as it was saved."""

    version: int
    value: bytes


class Documents(Protocol):
    """Practices, providers, accounts, appointments ...: durable, sealed, never expiring.

    `place` is a room's or a practice's id and decides the partition; `kind` and `id` name the document in it.
    """

    async def get(self, place: str, kind: str, id: str) -> Document | None: ...

    async def put(
        self,
        place: str,
        kind: str,
        id: str,
        value: bytes,
        *,
        expected: int | None = None,
        outbox: Sequence[bytes] = (),
    ) -> int:
        """Save, with `outbox` in one transaction, and return the new version.

        `expected` (0: must not exist) may raise `Changed`.
        """
        ...

    async def delete(self, place: str, kind: str, id: str, *, outbox: Sequence[bytes] = ()) -> bool: ...

    async def all(self, place: str, kind: str) -> Mapping[str, Document]:
        """Return all documents of a kind by id."""
        ...

    async def schedule(self, place: str, what: str, at: int | None) -> None:
        """Put `what` on the agenda of `place`'s partition at `at` (None: take it off)."""
        ...

    async def scheduled(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return what is on the agenda at or before `now`, in all partitions."""
        ...


class Changed(Exception):
    """The document has another version than expected."""


class Secrets(Protocol):
    """Single keys by the SHA-256 of a secret: tickets, links, sign-ins, API keys, resumable connections."""

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        """Save; `ttl` in milliseconds."""
        ...

    async def get(self, kind: str, hash: str) -> bytes | None: ...

    async def take(self, kind: str, hash: str) -> bytes | None:
        """Return and delete in one: of two takers one gets it."""
        ...

    async def delete(self, kind: str, hash: str) -> None: ...

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        """Give it `ttl` milliseconds from now; False if it is gone."""
        ...

    async def count(self, kind: str, hash: str, window: int) -> int:
        """Add one to a counter that is forgotten `window` ms after its first count; return it (throttling)."""
        ...
