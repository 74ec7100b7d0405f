"""Time's knocks: rooms whose deadline passed, appointments whose day has come, nodes that have gone silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from server.clock import RESYNC_SECONDS, StoreClock
from server.ports import StoreAway
from server.ports.documents import Documents
from server.ports.door import Rooms
from server.ports.nodes import Nodes
from server.ports.rooms import RoomStore
from signaling.events import DeadlinePassed, NodeGone

logger = logging.getLogger("carelobby.alarms")

SWEEP_SECONDS = 0.5
BEAT_SECONDS = 2.0
NODE_GONE_AFTER = 10_000
"""A node whose last beat is older than this, in ms, is taken to be dead."""
TRY_AGAIN = 2_000
"""A room whose alarm failed is looked at again after this many ms."""


class Alarms:
    """One owned task that knocks; every knock may come late or twice, and several nodes may knock at once."""

    def __init__(
        self,
        *,
        node: str,
        clock: StoreClock,
        store: RoomStore,
        documents: Documents,
        nodes: Nodes,
        rooms: Rooms,
        open_due: Callable[[str], Awaitable[None]],
        recheck: Callable[[], Awaitable[None]],
        buried: Callable[[], None],
    ) -> None:
        """`open_due` opens the appointment that an agenda item names; `recheck` clears up what was left in doubt.

        `buried` is called when others took this node for dead: they have told its rooms that all its people went.
        """
        self._node = node
        self._clock = clock
        self._store = store
        self._documents = documents
        self._nodes = nodes
        self._rooms = rooms
        self._open_due = open_due
        self._recheck = recheck
        self._buried = buried
        self._beaten: int | None = None
        """When this node last beat."""
        self._steady_since = 0
        """Since when this node has beaten without a pause."""

    async def run(self) -> None:
        """Knock until cancelled. While the store is away nothing is due."""
        loop = asyncio.get_running_loop()
        beat_at = sync_at = loop.time()
        while True:
            try:
                if loop.time() >= sync_at:
                    await self._clock.sync()
                    sync_at = loop.time() + RESYNC_SECONDS
                if loop.time() >= beat_at:
                    await self.beat()
                    beat_at = loop.time() + BEAT_SECONDS
                await self.sweep()
            except StoreAway:
                pass
            except Exception as error:  # noqa: BLE001 - all rooms hang on this task
                logger.error("a round of alarms failed: %s", type(error).__name__)  # noqa: TRY400
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Let what is due happen, once."""
        await self._recheck()
        now = self._clock()
        for room in await self._store.due(now):
            if not await self._try(room, self._rooms.fact(room, DeadlinePassed())):
                await self._store.postpone(room, now + TRY_AGAIN)
        for item in await self._documents.scheduled(now):
            await self._try("an appointment", self._open_due(item))  # its name is the practice's own

    async def _try(self, what: str, work: Awaitable[None]) -> bool:
        """Do one thing of many; whatever is wrong with it, the others have their turn."""
        try:
            await work
        except StoreAway:
            raise
        except Exception as error:  # noqa: BLE001 - as it says
            logger.warning("the alarm of %s failed: %s", what, type(error).__name__)
            return False
        return True

    async def beat(self) -> None:
        """Say that this node lives, and bury those that do not."""
        now = self._clock()
        there = await self._nodes.all()
        if self._beaten is not None and self._node not in there:
            logger.warning("other nodes took this one for dead")
            self._buried()
        await self._nodes.beat(self._node, now)
        if self._beaten is None or now - self._beaten > NODE_GONE_AFTER // 2:
            self._steady_since = now
        self._beaten = now
        if now - self._steady_since <= NODE_GONE_AFTER:
            # The store may have been away: then nobody's beats are recent, and nobody is dead for it.
            return
        for node, last in there.items():
            if node != self._node and now - last > NODE_GONE_AFTER:
                await self.bury(node, last)

    async def bury(self, node: str, alive_until: int) -> None:
        """Tell the rooms of a dead node; repeating it changes nothing."""
        for room in await self._nodes.rooms(node):
            await self._try(room, self._rooms.fact(room, NodeGone(node, alive_until)))
        await self._nodes.forget(node)
        logger.info("node %s is gone", node)
