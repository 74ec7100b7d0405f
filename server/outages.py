"""When the whole service could serve nobody: no node was there, or none of them had the store.

All nodes keep one mark fresh. Whoever finds it old was the first to be back: from the mark until then nobody was
served, and that is kept beside it, for the rooms to judge by. A room is told with the first event that reaches it, on
whichever node, before time passes in it: so a node whose own last look is old looks again before it decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from server import tasks
from server.ports import Clock, StoreAway
from server.ports.documents import Changed, Documents
from signaling.policy import DAY
from signaling.state import Interval

logger = logging.getLogger("carelobby.outages")

PLACE: Final = "~service"
"""Where it lies; no practice can have this id."""
KIND: Final = "served"
ID: Final = "served"

BEAT_SECONDS: Final = 2.0
OLD: Final = 5_000
"""After so many ms without a look at the mark a node decides nothing until it has looked again."""
OUTAGE: Final = 10_000
"""A mark older than this, in ms, tells of an outage. A restart takes less."""
KEPT_FOR: Final = 30 * DAY
"""No appointment waits for anybody for longer."""
KEPT: Final = 64
"""So many at most; the oldest go first."""


class Served(Struct, frozen=True):
    """What all nodes share. Times are ms of the store's clock."""

    last: int
    """When somebody could last be served, to `BEAT_SECONDS`."""
    outages: tuple[Interval, ...] = ()
    """Oldest first, apart from one another."""


class Outages:
    """Keeps the mark fresh while this node runs, and knows what it told. `async with` it."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._looked: int | None = None
        """When this node last saw the mark, and left it fresh."""
        self._known: tuple[Interval, ...] = ()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.beat()
        self._task = asyncio.create_task(self._run(), name="outages")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            await tasks.end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self.beat()
            except StoreAway:
                pass
            except Exception as error:  # noqa: BLE001 - every deadline hangs on this task
                logger.error("the mark was not kept fresh: %s", type(error).__name__)  # noqa: TRY400
            await asyncio.sleep(BEAT_SECONDS)

    async def known(self) -> tuple[Interval, ...]:
        """Return the outages so far, oldest first. Raise `StoreAway` if there may be one that nobody could tell of."""
        if self._looked is None or self._clock() - self._looked > OLD:
            await self.beat()
        return self._known

    async def beat(self) -> None:
        """Look at the mark, learn from it, and leave it fresh. Raise `StoreAway`."""
        while True:
            found = await self._documents.get(PLACE, KIND, ID)
            before = None if found is None else msgspec.msgpack.decode(found.value, type=Served)
            now = self._clock()
            after = _marked(before, now)
            if after is not before:
                value = msgspec.msgpack.encode(after)
                try:
                    await self._documents.put(PLACE, KIND, ID, value, expected=0 if found is None else found.version)
                except Changed:
                    continue  # another node was faster, and may have seen what we did
            if before is not None and after.outages[-1:] != before.outages[-1:]:
                logger.warning("nobody was served for %d s", (now - before.last) // 1000)
            self._looked, self._known = now, after.outages
            return


def _marked(before: Served | None, now: int) -> Served:
    """Return the mark as it is to be at `now`; the same one, if it is fresh."""
    if before is None:
        return Served(now)
    if 0 <= now - before.last < BEAT_SECONDS * 1000 / 2:
        return before
    outages = before.outages
    if now - before.last > OUTAGE:
        kept = [one for one in outages if (one.end or 0) > now - KEPT_FOR]
        outages = (*kept, Interval(before.last, now))[-KEPT:]
    return Served(now, outages)
