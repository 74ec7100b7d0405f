"""A chore that one node at a time does: it holds a lease, goes round when woken or each second, and outlives errors.

Everything done here may be done twice without harm, since a lease can run out in the middle of a round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError

from server import tasks
from server.ports import StoreAway
from server.ports.nodes import Nodes

logger = logging.getLogger(__name__)

AWAY: Final = (StoreAway, SQLAlchemyError, OSError, TimeoutError)
"""What says that the store or the database is away; anything else is our own mistake."""


class Duty:
    """Runs `work` while this node holds the lease `name`. Use it with `async with`."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[bool]],
        *,
        nodes: Nodes,
        node: str,
        every: float = 1.0,
        longest_wait: float = 30.0,
        ttl: float = 3.0,
        patience: float = 5.0,
    ) -> None:
        """`work` says whether there is more to do at once. Seconds: between rounds, at most between failures, of the
        lease, and until a round is cut short at the end."""
        self._name = name
        self._work = work
        self._nodes = nodes
        self._node = node
        self._every = every
        self._longest_wait = longest_wait
        self._ttl = ttl
        self._patience = patience
        self._woken = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failures = 0
        """Rounds that failed since the last good one."""

    def wake(self) -> None:
        """Go round now. A wait after a failure is not cut short."""
        self._woken.set()

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End after the present round, which is cut short if it takes too long."""
        if self._task is None:
            return
        self._ending.set()
        self._woken.set()
        _, late = await asyncio.wait({self._task}, timeout=self._patience)
        await tasks.end(*late)
        self._task = None

    async def _run(self) -> None:
        while not self._ending.is_set():
            self._woken.clear()
            more = False
            try:
                more = await self._round()
                self.failures = 0
            except AWAY as problem:
                self.failures += 1
                logger.warning("%s: waiting, %s", self._name, type(problem).__name__)
            except Exception as problem:  # noqa: BLE001 - billing goes on; the log names the mistake, without its values
                self.failures += 1
                logger.error("%s: failed, %s at %s", self._name, type(problem).__name__, _place(problem))  # noqa: TRY400
            if self.failures:
                await self._wait(self._ending, min(self._longest_wait, self._every * 2 ** (self.failures - 1)))
            elif not more:
                await self._wait(self._woken, self._every)

    async def _round(self) -> bool:
        if not await self._nodes.lease(self._name, self._node, int(self._ttl * 1000)):
            return False
        keeper = asyncio.create_task(self._keep(), name=f"{self._name}-lease")
        try:
            return await self._work()
        finally:
            await tasks.end(keeper)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 3)
            with suppress(*AWAY):  # the round goes on: what it does twice does no harm
                await self._nodes.lease(self._name, self._node, int(self._ttl * 1000))

    @staticmethod
    async def _wait(what: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await what.wait()


def _place(problem: BaseException) -> str:
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "?"
