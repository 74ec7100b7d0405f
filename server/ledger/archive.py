"""From the outbox into the ledger: read, archive, keep the heads elsewhere, and only then trim.

Dying in between repeats, and loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from server.duty import Duty
from server.ledger.append import Item
from server.ledger.kept import KeptHeads
from server.ledger.ledger import Ledger
from server.ledger.owed import Odd, Subscriber, decode
from server.ports.nodes import Nodes
from server.ports.outbox import Outbox

logger = logging.getLogger(__name__)

BATCH: Final = 500
LEASE: Final = "archiver"


class Archiver(Duty):
    """The outbox's one reader. `wake()` after a commit with outbox entries; otherwise it looks each second."""

    def __init__(
        self,
        outbox: Outbox,
        nodes: Nodes,
        ledger: Ledger,
        endpoints: Callable[[str], Awaitable[Sequence[Subscriber]]],
        node: str,
        *,
        kept: KeptHeads | None = None,
        then: Callable[[], None] = lambda: None,
        every: float = 1.0,
    ) -> None:
        """`endpoints` returns a practice's webhooks; `then` is called after deliveries may have been added.

        `kept`: where the heads are kept as well; None: nowhere.
        """
        super().__init__(LEASE, self.once, nodes=nodes, node=node, every=every)
        self._outbox = outbox
        self._ledger = ledger
        self._endpoints = endpoints
        self._kept = kept
        self._then = then

    async def once(self) -> bool:
        """Archive and trim one batch; True: there may be more."""
        found = await self._outbox.read(BATCH)
        if not found:
            return False
        batch: list[Item] = []
        aside: list[tuple[int, str, bytes, str]] = []
        for partition, stream, item in found:
            try:
                batch.append((partition, stream, decode(item)))
            except Odd as problem:
                logger.error("outbox item %s of partition %s put aside: %s", stream, partition, problem)  # noqa: TRY400
                aside.append((partition, stream, item, str(problem)))
        practices = {owed.practice for _, _, owed in batch}
        endpoints = {practice: await self._endpoints(practice) for practice in practices}
        await self._ledger.archive(batch, endpoints, aside)
        self._then()
        if self._kept is not None:
            await self._kept.follow(self._ledger, practices)
        # `read` keeps the order within a partition: the last of each stands for all before it.
        await self._outbox.trim({partition: stream for partition, stream, _ in found})
        return len(found) >= BATCH
