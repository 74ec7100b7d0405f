"""Examining the trail: every entry, record and head is held against the chain; nothing is changed.

Found are: an entry or record that was changed, deleted, inserted or moved; a chain that was cut or grown; a head that
was rewritten; a practice that vanished whole. A whole chain that was replaced by its own earlier state, head
included, shows only against heads that were kept elsewhere (`kept`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ledger.chain import GENESIS, SYSTEM, Entry, Head, RecordRow, cover, link_fields
from server.ledger.schema import audit, heads, records
from server.ledger.sealing import SYSTEM_PARTITION, Sealer, audit_name, head_name, unpack

CHUNK: Final = 5000
ENTRY_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Entry))
ENTRY_COLUMNS: Final = tuple(audit.c[name] for name in ENTRY_FIELDS)
SEQ: Final = ENTRY_FIELDS.index("seq")
COVERS: Final = ENTRY_FIELDS.index("covers")


class Fault(Struct, frozen=True):
    """Something that does not hold."""

    practice: str
    what: str
    """changed, missing, broken, cut, grown, head, record, practice, rolled_back."""
    at: int
    """The entry's number, or the record's cursor for `record`."""


class Report(Struct, frozen=True):
    """What an examination saw."""

    practices: int = 0
    entries: int = 0
    records: int = 0
    faults: tuple[Fault, ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing was found."""
        return not self.faults


async def examine(connection: AsyncConnection, sealer: Sealer, kept: Mapping[str, Head]) -> Report:
    """Return what holds and what does not. `kept`: heads as they were once, from outside of the database."""
    practices: set[str] = set(kept)
    for column in (heads.c.practice, audit.c.practice, records.c.practice):
        practices.update((await connection.execute(select(column).distinct())).scalars())
    began = await _began(connection, sealer)
    report = Report()
    for practice in sorted(practices | began):
        report = _sum(report, await _practice(connection, sealer, practice, kept.get(practice), began))
    return report


async def _practice(
    connection: AsyncConnection, sealer: Sealer, practice: str, kept: Head | None, began: set[str]
) -> Report:
    faults: list[Fault] = []

    def fault(what: str, at: int) -> None:
        faults.append(Fault(practice, what, at))

    head = await _head(connection, sealer, practice)
    if head is None:
        fault("head", 0)
    if practice != SYSTEM and practice not in began:
        fault("practice", 0)

    seq, previous, covers, entries = 0, GENESIS, list[bytes](), 0
    async for rows in _chunks(connection, select(*ENTRY_COLUMNS, audit.c.prev, audit.c.hash), audit.c.seq, practice):
        for *fields, prev, hash in rows:
            entries += 1
            seq += 1
            if fields[SEQ] != seq:
                fault("missing", seq)
                seq = fields[SEQ]
            if prev != previous:
                fault("broken", seq)
            if link_fields(prev, tuple(fields)) != hash:
                fault("changed", seq)
            previous = hash
            if fields[COVERS] is not None:
                covers.append(fields[COVERS])
            if head is not None and seq == head.seq and hash != head.hash:
                fault("head", seq)
            if kept is not None and seq == kept.seq and hash != kept.hash:
                fault("rolled_back", seq)
    if head is not None and seq != head.seq:
        fault("cut" if seq < head.seq else "grown", seq)
    if kept is not None and seq < kept.seq:
        fault("rolled_back", seq)

    found = 0
    async for rows in _chunks(connection, select(records), records.c.cursor, practice):
        for row in rows:
            found += 1
            if row.cursor != found or found > len(covers) or cover(RecordRow(**row._mapping)) != covers[found - 1]:
                fault("record", row.cursor)
    if found != len(covers) or (head is not None and found != head.records):
        fault("record", found)
    return Report(1, entries, found, tuple(faults))


async def _began(connection: AsyncConnection, sealer: Sealer) -> set[str]:
    """Return the practices that the system's chain tells of; one that cannot be opened is a fault of that chain."""
    bodies = [
        _opened(sealer, row.partition, audit_name(SYSTEM), row.seq, row.sealed)
        async for rows in _chunks(connection, select(audit), audit.c.seq, SYSTEM)
        for row in rows
    ]
    return {str(unpack(body)["target"]) for body in bodies if body is not None}


async def _head(connection: AsyncConnection, sealer: Sealer, practice: str) -> Head | None:
    """Return the head, if what is sealed in it says the same as its columns."""
    row = (await connection.execute(select(heads).where(heads.c.practice == practice))).one_or_none()
    if row is None:
        return None
    plain = _opened(sealer, SYSTEM_PARTITION, head_name(practice), row.seq, row.sealed)
    told = Head(row.seq, row.hash, row.records)
    return told if plain == msgspec.msgpack.encode(told) else None


def _opened(sealer: Sealer, partition: int, name: str, version: int, sealed: bytes) -> bytes | None:
    try:
        return sealer.open(partition, name, version, sealed)
    except Exception:  # noqa: BLE001 - a sealer says in its own words that it cannot open
        return None


async def _chunks(
    connection: AsyncConnection, query: Select[Any], number: Column[int], practice: str
) -> AsyncIterator[Sequence[Any]]:
    """Yield a practice's rows by number, some thousand at a time."""
    query = query.where(number.table.c.practice == practice).order_by(number).limit(CHUNK)
    last: int | None = None
    while True:
        rows = (await connection.execute(query if last is None else query.where(number > last))).all()
        yield rows
        if len(rows) < CHUNK:
            return
        last = getattr(rows[-1], number.name)


def _sum(one: Report, other: Report) -> Report:
    return Report(
        one.practices + other.practices,
        one.entries + other.entries,
        one.records + other.records,
        one.faults + other.faults,
    )
