"""The ledger: the one object others hold. Each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select, tuple_

from server.ledger import deliveries, reads, verify
from server.ledger.append import Item, append
from server.ledger.chain import Head, fingerprint
from server.ledger.database import Database
from server.ledger.deliveries import Due
from server.ledger.owed import Subscribers
from server.ledger.schema import audit, heads, odd
from server.ledger.sealing import Sealer, odd_name
from server.ledger.verify import Report


class Ledger:
    """Billing records, the audit trail, and the deliveries still owed.

    Methods raise SQLAlchemy's errors, `OSError` or `TimeoutError` while the database is away: nothing was changed, or
    it was changed whole; each may be repeated.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    @classmethod
    async def open(cls, url: str, sealer: Sealer, *, make: bool = True) -> Ledger:
        """Return the ledger at `url` (`sqlite:///path` or `postgresql://...`), made if need be. Raise `LedgerError`.

        Without `make` a missing file is an error.
        """
        return cls(await Database.open(url, make=make), sealer)

    @property
    def id(self) -> str:
        """Its own, whoever opens it."""
        return self._database.id

    async def close(self) -> None:
        """Close every connection to the database."""
        await self._database.close()

    async def archive(
        self,
        items: Sequence[Item],
        endpoints: Subscribers,
        odd_items: Sequence[tuple[int, str, bytes, str]] = (),
    ) -> int:
        """Write items of the outbox, whole or not at all; again, they change nothing. Return the new trail entries.

        `odd_items` are (partition, stream id, item, why): unreadable ones, put aside.
        """
        async with self._database.writing() as connection:
            aside = [
                {
                    "partition": partition,
                    "stream": stream,
                    "source": fingerprint(item),
                    "why": why,
                    "sealed": self._sealer.seal(partition, odd_name(stream), 0, item),
                }
                for partition, stream, item, why in odd_items
            ]
            await self._database.insert_new(connection, odd, aside)
            return await append(self._database, connection, self._sealer, items, endpoints)

    async def records_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return up to `limit` records after `cursor` (0: all), oldest first, and the cursor after them."""
        async with self._database.reading() as connection:
            return await reads.records_after(connection, self._sealer, practice, cursor, limit)

    async def record(self, practice: str, visit: str) -> dict[str, Any] | None:
        """Return the latest revision of a visit's record."""
        async with self._database.reading() as connection:
            return await reads.record(connection, self._sealer, practice, visit)

    async def audit_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return up to `limit` trail entries after number `cursor`, and the number of the last."""
        async with self._database.reading() as connection:
            return await reads.audit_after(connection, self._sealer, practice, cursor, limit)

    async def deliveries(self, practice: str, webhook: str, limit: int) -> list[dict[str, Any]]:
        """Return a webhook's newest deliveries, without their bodies."""
        async with self._database.reading() as connection:
            return await deliveries.listed(connection, practice, webhook, limit)

    async def redeliver(self, practice: str, webhook: str, delivery_id: str) -> bool:
        """Owe a delivery again, under its old webhook-id; False: there is none."""
        async with self._database.writing() as connection:
            return await deliveries.redeliver(connection, practice, webhook, delivery_id)

    async def due(self, now: int, limit: int, without: Collection[tuple[str, str]] = ()) -> list[Due]:
        """Return deliveries whose turn it is at `now`, at most one of each webhook and room.

        `without`: (practice, webhook) that are busy.
        """
        async with self._database.reading() as connection:
            return await deliveries.due(connection, self._sealer, now, limit, without)

    async def delivered(self, id: int, now: int, status: int) -> None:
        """Note that the receiver took a delivery."""
        async with self._database.writing() as connection:
            await deliveries.delivered(connection, id, now, status)

    async def failed(
        self,
        id: int,
        now: int,
        status: int | None,
        *,
        error: str,
        retry_at: int | None,
        hold_until: int | None = None,
    ) -> None:
        """Note a try that failed, and when to try again (None: never). The webhook's others wait until `hold_until`."""
        async with self._database.writing() as connection:
            await deliveries.failed(connection, id, now, status, error=error, retry_at=retry_at, hold_until=hold_until)

    async def stop(self, practice: str, webhook: str, status: int | None, error: str) -> int:
        """End everything owed to a webhook that is gone; return how many."""
        async with self._database.writing() as connection:
            return await deliveries.stop(connection, practice, webhook, status, error)

    async def pending(self) -> int:
        """Return how many deliveries are owed."""
        async with self._database.reading() as connection:
            return await deliveries.pending(connection)

    async def heads(self, practices: Collection[str] | None = None) -> dict[str, Head]:
        """Return where each chain ends, to be kept elsewhere for a later `verify`; of all practices, or of these."""
        query = select(heads.c.practice, heads.c.seq, heads.c.hash, heads.c.records)
        if practices is not None:
            query = query.where(heads.c.practice.in_(practices))
        async with self._database.reading() as connection:
            rows = await connection.execute(query)
            return {row.practice: Head(row.seq, row.hash, row.records) for row in rows}

    async def astray(self, kept: Mapping[str, Head]) -> set[str]:
        """Return the practices whose chain no longer holds the entry that their kept head names."""
        wanted = [(practice, head.seq) for practice, head in kept.items() if head.seq]
        query = select(audit.c.practice, audit.c.hash).where(tuple_(audit.c.practice, audit.c.seq).in_(wanted))
        async with self._database.reading() as connection:
            found = {row.practice: row.hash for row in await connection.execute(query)} if wanted else {}
        return {practice for practice, _ in wanted if found.get(practice) != kept[practice].hash}

    async def verify(self, kept: Mapping[str, Head] | None = None) -> Report:
        """Examine everything, in one consistent reading; `kept`: heads that were kept elsewhere."""
        async with self._database.reading() as connection:
            return await verify.examine(connection, self._sealer, kept or {})
