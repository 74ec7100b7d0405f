"""What the courier needs of the ledger: what is due, and somewhere to note what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol


class Due(Protocol):
    """One delivery whose turn it is. Times are ms UTC."""

    @property
    def id(self) -> int: ...

    @property
    def practice(self) -> str: ...

    @property
    def webhook(self) -> str: ...

    @property
    def message(self) -> str:
        """The webhook-id."""
        ...

    @property
    def body(self) -> bytes:
        """The same bytes at every try."""
        ...

    @property
    def tries(self) -> int:
        """So far."""
        ...

    @property
    def since(self) -> int | None:
        """When it failed first."""
        ...

    @property
    def oldest(self) -> bool:
        """Nothing older is owed to this webhook."""
        ...


class Owing(Protocol):
    """`server/ledger`, as far as the courier needs it."""

    async def due(self, now: int, limit: int, without: Collection[tuple[str, str]] = ()) -> Sequence[Due]:
        """Return what is due, at most one of each webhook and room; `without`: (practice, webhook) that are busy."""
        ...

    async def delivered(self, id: int, now: int, status: int) -> None:
        """Note that the receiver took it."""
        ...

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
        """Note a failure, when to try again (None: never), and until when the webhook's others wait."""
        ...

    async def stop(self, practice: str, webhook: str, status: int | None, error: str) -> int:
        """End everything owed to a webhook."""
        ...
