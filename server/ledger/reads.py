"""What the API reads: records and the trail, page by page, oldest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ledger.schema import audit, records
from server.ledger.sealing import Sealer, audit_name, record_name, unpack

PAGE_LIMIT = 1000


async def records_after(
    connection: AsyncConnection, sealer: Sealer, practice: str, cursor: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return up to `limit` records after `cursor` (0: from the beginning), and the cursor after them."""
    rows = (
        await connection.execute(
            select(records)
            .where(records.c.practice == practice, records.c.cursor > cursor)
            .order_by(records.c.cursor)
            .limit(_page(limit))
        )
    ).all()
    return [_record(sealer, row) for row in rows], rows[-1].cursor if rows else cursor


async def record(connection: AsyncConnection, sealer: Sealer, practice: str, visit: str) -> dict[str, Any] | None:
    """Return the latest revision of a visit's record."""
    row = (
        await connection.execute(
            select(records)
            .where(records.c.practice == practice, records.c.visit == visit)
            .order_by(records.c.revision.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else _record(sealer, row)


async def audit_after(
    connection: AsyncConnection, sealer: Sealer, practice: str, cursor: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return up to `limit` entries of the trail after number `cursor`, and the number of the last of them.

    Each is `{seq, at, room, action, by, target, detail, hash}`; `hash` in hex.
    """
    rows = (
        await connection.execute(
            select(audit)
            .where(audit.c.practice == practice, audit.c.seq > cursor)
            .order_by(audit.c.seq)
            .limit(_page(limit))
        )
    ).all()
    entries = [
        {"seq": row.seq, "at": row.at, "room": row.room}
        | unpack(sealer.open(row.partition, audit_name(practice), row.seq, row.sealed))
        | {"hash": row.hash.hex()}
        for row in rows
    ]
    return entries, rows[-1].seq if rows else cursor


def _record(sealer: Sealer, row: Any) -> dict[str, Any]:
    return unpack(sealer.open(row.partition, record_name(row.practice, row.visit), row.revision, row.sealed))


def _page(limit: int) -> int:
    return max(1, min(limit, PAGE_LIMIT))
