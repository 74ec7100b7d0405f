"""Time's knocks: rooms whose deadline passed, appointments whose day has come, nodes that have gone silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from server.clock import RESYNC_SECONDS, StoreClock
from server.ports import Documents, Nodes, Rooms, RoomStore, StoreAway
from signaling.errors import SignalingError
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
    ) -> None:
        """`open_due` opens the appointment that an agenda item names."""
        self._node = node
        self._clock = clock
        self._store = store
        self._documents = documents
        self._nodes = nodes
        self._rooms = rooms
        self._open_due = open_due

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
                await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Let what is due happen, once."""
        now = self._clock()
        for room in await self._store.due(now):
            try:
                await self._rooms.fact(room, DeadlinePassed())
            except SignalingError as error:
                logger.warning("the alarm of %s failed: %s", room, error.code)
            # A deadline that was still there was early for the room, or its handling failed.
            await self._store.postpone(room, now + TRY_AGAIN)
        for item in await self._documents.scheduled(now):
            await self._open_due(item)

    async def beat(self) -> None:
        """Say that this node lives, and bury those that do not."""
        now = self._clock()
        await self._nodes.beat(self._node, now)
        for node, last in (await self._nodes.all()).items():
            if node != self._node and now - last > NODE_GONE_AFTER:
                await self.bury(node, last)

    async def bury(self, node: str, alive_until: int) -> None:
        """Tell the rooms of a dead node; repeating it changes nothing."""
        for room in await self._nodes.rooms(node):
            try:
                await self._rooms.fact(room, NodeGone(node, alive_until))
            except SignalingError as error:
                logger.warning("%s could not be told that %s is gone: %s", room, node, error.code)
        await self._nodes.forget(node)
        logger.info("node %s is gone", node)
