"""What commits leave for the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct


class Owed(Struct, frozen=True):
    """One item of the outbox, on its way to the ledger."""

    kind: Literal["record", "audit", "notify"]
    practice: str
    room: str
    """Or the practice's id, where no room is concerned."""
    at: int
    data: dict[str, Any]
    """record: PROTOCOL's record. audit: {action, by, target, detail}. notify: {type, data}."""


class Outbox(Protocol):
    """What commits left for the ledger; one stream a partition, trimmed only after archiving."""

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return (partition, stream id, encoded `Owed`) of all partitions, in order within each."""
        ...

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        ...

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget, in each partition, everything up to and including that stream id."""
        ...


WebhookEvent = Literal[
    "client.ready",
    "notice.unanswered",
    "client.left",
    "visit.started",
    "visit.ended",
    "visit.resumed",
    "visit.closed",
    "record.created",
    "record.amended",
    "reminder.due",
]
"""What a practice's webhooks may be told of."""
