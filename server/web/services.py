"""What the pages and the API are given; `server/app.py` fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from server.ports import Clock
from server.ports.door import Rooms
from server.registry import Registry


class LedgerReads(Protocol):
    """What the API reads of the ledger. Records and entries are as PROTOCOL.md shows them; cursors only grow."""

    async def records_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return up to `limit` billing records after `cursor`, oldest first, and the cursor of the last."""
        ...

    async def record(self, practice: str, visit: str) -> dict[str, Any] | None:
        """Return the newest revision of a visit's record."""
        ...

    async def audit_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return up to `limit` entries of the trail after `cursor`, oldest first, and the cursor of the last."""
        ...

    async def deliveries(self, practice: str, webhook: str, limit: int) -> list[dict[str, Any]]:
        """Return the latest deliveries to an endpoint, newest first."""
        ...

    async def redeliver(self, practice: str, webhook: str, delivery_id: str) -> bool:
        """Make a delivery due once more, under the same `webhook-id`; False if there is none such."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a request may need."""

    registry: Registry
    rooms: Rooms
    ledger: LedgerReads
    clock: Clock
    public_url: str
    """Without a slash at its end; join links are made from it."""
    origins: frozenset[str]
    """Pages of these origins may use the sign-in cookie and ask for tickets."""
    operator_key: str
    """Allowed `practices` and `metrics`."""
    static: Path
    ready: Callable[[], Awaitable[str | None]]
    """Why this node must get no new connections; None: it may."""
    metrics: Callable[[], Awaitable[bytes]]
    """Prometheus text."""
    signed_out: Callable[[str], object] = lambda sign_in: None
    """Ends the connections of a sign-in that is over, by its digest, at every node."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https."""
        return self.public_url.startswith("https://")

    def join_url(self, token: str) -> str:
        """Return a join link. The secret is in the fragment, which no browser sends."""
        return f"{self.public_url}/join#{token}"
