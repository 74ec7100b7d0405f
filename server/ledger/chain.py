"""The hash chain: what each entry's hash covers, so that no change of the trail goes unseen. Pure.

An entry's hash covers the one before it and every column of its own row. The head, sealed, says where the chain
ends. The chain of `SYSTEM` has one entry for each practice's beginning: a practice that vanished whole is missed there.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

SYSTEM = ""
"""The practice whose chain tells of practices; no real one has an empty id."""
GENESIS = bytes(32)
"""What the first entry of a chain follows."""


class Entry(Struct, frozen=True, kw_only=True):
    """One row of the trail, without its hashes."""

    practice: str
    seq: int
    kind: str
    """`audit`, `record` (a billing record was written), `repeat` (one was refused), `practice` (one began)."""
    room: str
    partition: int
    stream: str
    source: bytes
    at: int
    sealed: bytes
    covers: bytes | None = None


class Head(Struct, frozen=True, array_like=True):
    """The end of a chain: its last entry's number and hash, and how many records it covers."""

    seq: int = 0
    hash: bytes = GENESIS
    records: int = 0


class RecordRow(Struct, frozen=True, kw_only=True):
    """One row of billing records."""

    practice: str
    visit: str
    revision: int
    cursor: int
    id: str
    room: str
    partition: int
    stream: str
    at: int
    sealed: bytes


_encode = msgspec.msgpack.Encoder().encode


def link(prev: bytes, entry: Entry) -> bytes:
    """Return the hash of `entry` after `prev`."""
    return link_fields(prev, msgspec.structs.astuple(entry))


def link_fields(prev: bytes, fields: tuple[Any, ...]) -> bytes:
    """Return the same of an entry's fields, in their order. MessagePack delimits them, so no two entries look alike."""
    return hashlib.sha256(_encode((prev, fields))).digest()


def cover(row: RecordRow) -> bytes:
    """Return the hash under which the trail covers a record's row."""
    return hashlib.sha256(_encode(msgspec.structs.astuple(row))).digest()


def fingerprint(item: bytes) -> bytes:
    """Return the hash that tells an outbox item from another that came under the same stream id."""
    return hashlib.sha256(item).digest()
