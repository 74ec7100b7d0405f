"""What is owed to webhooks: what is due, what became of it, and in which order it may go."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, exists, func, or_, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.ledger.schema import deliveries
from server.ledger.sealing import Sealer, delivery_name

_earlier = deliveries.alias("earlier")


class Due(Struct, frozen=True):
    """One delivery whose turn it is. Times are ms UTC."""

    id: int
    practice: str
    webhook: str
    message: str
    """The webhook-id."""
    room: str
    body: bytes
    tries: int
    """So far."""
    since: int | None
    """When it failed first."""
    oldest: bool
    """Nothing older is owed to this webhook."""

    def __repr__(self) -> str:
        """Leave out the body: it may say who was with whom."""
        return f"Due({self.message}, tries={self.tries})"


async def due(
    connection: AsyncConnection, sealer: Sealer, now: int, limit: int, without: Collection[tuple[str, str]] = ()
) -> list[Due]:
    """Return deliveries due at `now`, oldest first: of each webhook and room only the first that is owed.

    `without`: (practice, webhook) that are busy.
    """

    def behind(*same: str) -> Any:
        conditions = [_earlier.c[name] == deliveries.c[name] for name in ("practice", "webhook", *same)]
        return exists().where(and_(_earlier.c.state == "pending", _earlier.c.id < deliveries.c.id, *conditions))

    rows = await connection.execute(
        select(deliveries, (~behind()).label("oldest"))
        .where(deliveries.c.state == "pending", deliveries.c.due <= now, ~behind("room"))
        .where(tuple_(deliveries.c.practice, deliveries.c.webhook).not_in(list(without)) if without else true())
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [
        Due(
            id=row.id,
            practice=row.practice,
            webhook=row.webhook,
            message=row.message,
            room=row.room,
            body=sealer.open(row.partition, delivery_name(row.practice, row.webhook, row.message), 0, row.sealed),
            tries=row.tries,
            since=row.since,
            oldest=bool(row.oldest),
        )
        for row in rows
    ]


async def pending(connection: AsyncConnection) -> int:
    """Return how many are owed."""
    found = await connection.execute(select(func.count()).where(deliveries.c.state == "pending"))
    return int(found.scalar_one())


async def delivered(connection: AsyncConnection, id: int, now: int, status: int) -> None:
    """Note that the receiver took it. What waited because the receiver was away is due now."""
    row = (
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.id == id)
            .values(state="done", status=status, error=None, tries=deliveries.c.tries + 1)
            .returning(deliveries.c.practice, deliveries.c.webhook, deliveries.c.since)
        )
    ).one_or_none()
    if row is None:
        return
    held_back = deliveries.c.tries == 0
    waiting = held_back if row.since is None else or_(held_back, deliveries.c.since.is_not(None))
    await connection.execute(
        update(deliveries)
        .where(_pending_of(row.practice, row.webhook), deliveries.c.due > now, waiting)
        .values(due=now)
    )


async def failed(
    connection: AsyncConnection,
    id: int,
    now: int,
    status: int | None,
    *,
    error: str,
    retry_at: int | None,
    hold_until: int | None = None,
) -> None:
    """Note a try that failed, with the HTTP status or None, and when to try again; None: give up.

    `hold_until`: the receiver seems to be away, and what else waits for it is not due before then.
    """
    row = (
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.id == id)
            .values(
                state="dead" if retry_at is None else "pending",
                status=status,
                error=error,
                tries=deliveries.c.tries + 1,
                since=func.coalesce(deliveries.c.since, now),
                due=deliveries.c.due if retry_at is None else retry_at,
            )
            .returning(deliveries.c.practice, deliveries.c.webhook)
        )
    ).one_or_none()
    if row is not None and hold_until is not None:
        await connection.execute(
            update(deliveries)
            .where(_pending_of(row.practice, row.webhook), deliveries.c.id != id, deliveries.c.due < hold_until)
            .values(due=hold_until)
        )


async def stop(connection: AsyncConnection, practice: str, webhook: str, status: int | None, error: str) -> int:
    """End everything that is owed to a webhook that is gone; return how many."""
    stopped = await connection.execute(
        update(deliveries)
        .where(_pending_of(practice, webhook))
        .values(state="stopped", status=status, error=error)
        .returning(deliveries.c.id)
    )
    return len(stopped.all())


async def redeliver(connection: AsyncConnection, practice: str, webhook: str, message: str) -> bool:
    """Owe a delivery again, under its old webhook-id and with all its tries; False: there is none."""
    found = await connection.execute(
        update(deliveries)
        .where(deliveries.c.practice == practice, deliveries.c.webhook == webhook, deliveries.c.message == message)
        .values(state="pending", due=0, tries=0, since=None)
        .returning(deliveries.c.id)
    )
    return bool(found.all())


async def listed(connection: AsyncConnection, practice: str, webhook: str, limit: int) -> list[dict[str, Any]]:
    """Return the newest deliveries: `{id, type, state, tries, status, error, created, due}`; `id` is the webhook-id."""
    rows = await connection.execute(
        select(deliveries)
        .where(deliveries.c.practice == practice, deliveries.c.webhook == webhook)
        .order_by(deliveries.c.id.desc())
        .limit(max(1, min(limit, 1000)))
    )
    return [
        {
            "id": row.message,
            "type": row.type,
            "state": row.state,
            "tries": row.tries,
            "status": row.status,
            "error": row.error,
            "created": row.created,
            "due": max(row.due, row.created) if row.state == "pending" else None,
        }
        for row in rows
    ]


def _pending_of(practice: str, webhook: str) -> Any:
    return and_(deliveries.c.practice == practice, deliveries.c.webhook == webhook, deliveries.c.state == "pending")
