"""The one transaction that writes the ledger: trail, records, deliveries and heads, all of them or none.

Items come from the outbox and may come again, when we died between committing and trimming. Nothing here remembers
what was seen: a trail entry is known by its item's place and content, a record by visit and revision, a delivery by
a webhook-id that follows from the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ledger import owed as items
from server.ledger.chain import SYSTEM, Entry, Head, RecordRow, cover, link
from server.ledger.database import Database
from server.ledger.owed import BillingRecord, Notice, Subscriber, Subscribers
from server.ledger.schema import audit, deliveries, heads, records
from server.ledger.sealing import SYSTEM_PARTITION, Sealer, audit_name, delivery_name, head_name, pack, record_name
from server.ports.outbox import Owed

Item = tuple[int, str, Owed]
"""(partition, stream id, what is owed)."""
Mark = tuple[int, str, bytes]
"""(partition, stream id, hash of the item): by these a trail entry is known again."""


async def append(
    database: Database, connection: AsyncConnection, sealer: Sealer, batch: Sequence[Item], subscribers: Subscribers
) -> int:
    """Write `batch` in its order; return how many trail entries are new."""
    by_practice: dict[str, list[Item]] = {}
    for item in batch:
        by_practice.setdefault(item[2].practice, []).append(item)
    began = await _begin(database, connection, sealer, sorted(by_practice))
    if began:
        by_practice[SYSTEM] = [_beginning(practice, by_practice[practice][0][2].at) for practice in began]
    written = 0
    # Always in the order of their ids, so that two archivers wait for one another and never in a circle. The
    # empty id of SYSTEM comes first.
    for practice in sorted(by_practice):
        page = _Page(practice, await _lock(connection, practice), sealer, subscribers.get(practice, ()))
        page.seen = await _seen(connection, practice, by_practice[practice])
        page.latest = await _revisions(connection, practice, by_practice[practice])
        for item in by_practice[practice]:
            page.take(*item)
        await page.save(database, connection)
        written += len(page.audit)
    return written


class _Page:
    """The rows to be written for one practice, in memory until `save`."""

    def __init__(self, practice: str, head: Head, sealer: Sealer, subscribers: Sequence[Subscriber]) -> None:
        self.practice = practice
        self.before = head
        self.head = head
        self.sealer = sealer
        self.subscribers = subscribers
        self.seen: set[Mark] = set()
        self.latest: dict[str, int] = {}
        self.audit: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self.deliveries: list[dict[str, Any]] = []

    def take(self, partition: int, stream: str, owed: Owed) -> None:
        """Add what one item brings; nothing, if it was written before."""
        mark = (partition, stream, items.source(owed))
        if mark in self.seen:
            return
        self.seen.add(mark)
        match owed.kind:
            case "notify":
                notice = msgspec.convert(owed.data, Notice)
                self._deliver(partition, owed, items.event_body(notice.type, owed.at, notice.data), notice.type, mark)
            case "audit":
                self._link(mark, owed, "practice" if self.practice == SYSTEM else "audit", owed.data)
            case "record":
                self._record(mark, owed)

    def _record(self, mark: Mark, owed: Owed) -> None:
        partition, stream, _ = mark
        record = msgspec.convert(owed.data, BillingRecord)
        newest = self.latest.get(record.visit, 0)
        if record.revision == 1 and newest:
            # A visit is billed once. What was tried stays in the trail for a person to look at.
            self._link(mark, owed, "repeat", {"action": "record.refused", "by": "system", "target": record.visit})
            return
        # Two amendments may have been made of the same revision: neither is lost, the later one comes later.
        revision = max(record.revision, newest + 1) if newest else record.revision
        self.latest[record.visit] = revision
        data = {**owed.data, "revision": revision}
        row = RecordRow(
            practice=self.practice,
            visit=record.visit,
            revision=revision,
            cursor=self.head.records + 1,
            id=record.id,
            room=owed.room,
            partition=partition,
            stream=stream,
            at=owed.at,
            sealed=self.sealer.seal(partition, record_name(self.practice, record.visit), revision, pack(data)),
        )
        self.records.append(msgspec.structs.asdict(row))
        type = "record.created" if revision == 1 else "record.amended"
        trail = {"action": type, "by": "system", "target": record.visit, "detail": str(revision)}
        self._link(mark, owed, "record", trail, covers=cover(row))
        self._deliver(partition, owed, items.event_body(type, owed.at, data), type, (record.id, revision))

    def _link(self, mark: Mark, owed: Owed, kind: str, body: dict[str, Any], *, covers: bytes | None = None) -> None:
        partition, stream, source = mark
        seq = self.head.seq + 1
        entry = Entry(
            practice=self.practice,
            seq=seq,
            kind=kind,
            room=owed.room,
            partition=partition,
            stream=stream,
            source=source,
            at=owed.at,
            sealed=self.sealer.seal(partition, audit_name(self.practice), seq, pack(body)),
            covers=covers,
        )
        hash = link(self.head.hash, entry)
        self.audit.append(msgspec.structs.asdict(entry) | {"prev": self.head.hash, "hash": hash})
        self.head = Head(seq, hash, self.head.records + (covers is not None))

    def _deliver(self, partition: int, owed: Owed, body: bytes, type: str, what: tuple[str | int | bytes, ...]) -> None:
        for subscriber in self.subscribers:
            if type not in subscriber.events:
                continue
            message = items.message_id(self.practice, subscriber.id, *what)
            name = delivery_name(self.practice, subscriber.id, message)
            self.deliveries.append(
                {
                    "practice": self.practice,
                    "webhook": subscriber.id,
                    "message": message,
                    "type": type,
                    "room": owed.room,
                    "partition": partition,
                    "sealed": self.sealer.seal(partition, name, 0, body),
                    "created": owed.at,
                    "due": 0,
                    "tries": 0,
                    "state": "pending",
                }
            )

    async def save(self, database: Database, connection: AsyncConnection) -> None:
        """Write the rows, and the head last."""
        await _insert_all(connection, self)
        await database.insert_new(connection, deliveries, self.deliveries)
        if self.head == self.before:
            return
        await connection.execute(
            update(heads).where(heads.c.practice == bindparam("whose")),
            {"whose": self.practice, **head_row(self.sealer, self.practice, self.head)},
        )


async def _insert_all(connection: AsyncConnection, page: _Page) -> None:
    for table, rows in ((records, page.records), (audit, page.audit)):
        if rows:
            await connection.execute(table.insert(), rows)


def head_row(sealer: Sealer, practice: str, head: Head) -> dict[str, Any]:
    """Return the head's columns."""
    sealed = sealer.seal(SYSTEM_PARTITION, head_name(practice), head.seq, msgspec.msgpack.encode(head))
    return {"seq": head.seq, "hash": head.hash, "records": head.records, "sealed": sealed}


def _beginning(practice: str, at: int) -> Item:
    data = {"action": "practice.began", "by": "system", "target": practice, "detail": ""}
    return SYSTEM_PARTITION, f"practice:{practice}", Owed("audit", SYSTEM, practice, at, data)


async def _begin(database: Database, connection: AsyncConnection, sealer: Sealer, practices: list[str]) -> list[str]:
    """Make the heads that are missing; return the practices that had none."""
    if not await _headless(connection, practices):
        return []
    await database.insert_new(connection, heads, [{"practice": SYSTEM, **head_row(sealer, SYSTEM, Head())}])
    await _lock(connection, SYSTEM)
    began = await _headless(connection, practices)  # again: another archiver may have been before us at the lock
    await database.insert_new(
        connection, heads, [{"practice": practice, **head_row(sealer, practice, Head())} for practice in began]
    )
    return began


async def _headless(connection: AsyncConnection, practices: list[str]) -> list[str]:
    found = (await connection.execute(select(heads.c.practice).where(heads.c.practice.in_(practices)))).scalars()
    known = set(found)
    return [practice for practice in practices if practice not in known]


async def _lock(connection: AsyncConnection, practice: str) -> Head:
    found = await connection.execute(
        select(heads.c.seq, heads.c.hash, heads.c.records).where(heads.c.practice == practice).with_for_update()
    )
    return Head(*found.one())


async def _seen(connection: AsyncConnection, practice: str, batch: list[Item]) -> set[Mark]:
    places = [(partition, stream) for partition, stream, _ in batch]
    found = await connection.execute(
        select(audit.c.partition, audit.c.stream, audit.c.source).where(
            audit.c.practice == practice, tuple_(audit.c.partition, audit.c.stream).in_(places)
        )
    )
    return {(row.partition, row.stream, row.source) for row in found}


async def _revisions(connection: AsyncConnection, practice: str, batch: list[Item]) -> dict[str, int]:
    visits = {owed.data["visit"] for _, _, owed in batch if owed.kind == "record"}
    if not visits:
        return {}
    found = await connection.execute(
        select(records.c.visit, records.c.revision)
        .where(records.c.practice == practice, records.c.visit.in_(visits))
        .order_by(records.c.revision)
    )
    return {row.visit: row.revision for row in found}
