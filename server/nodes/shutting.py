"""Connections that are to end at once, at whatever node they are: what gave them the right to be is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from server import tasks
from server.nodes.errands import Errands, Shut
from server.ports import StoreAway
from signaling.errors import SignalingError

logger = logging.getLogger("carelobby.shutting")


class Shutting:
    """Shuts here, and has all others that live shut as well."""

    def __init__(
        self, errands: Errands, *, here: Callable[[Shut], object], others: Callable[[], Collection[str]]
    ) -> None:
        """`here` ends what there is of it at this node; `others` names the other nodes."""
        self._errands = errands
        self._others = others
        self._under_way: set[asyncio.Task[None]] = set()
        self.here = here

    def everywhere(self, shut: Shut) -> None:
        """Shut here now, and soon at all other nodes. One that does not answer finds out when it asks the store."""
        self.here(shut)
        for node in self._others():
            task = asyncio.get_running_loop().create_task(self._tell(node, shut), name=f"shut at {node}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _tell(self, node: str, shut: Shut) -> None:
        try:
            await self._errands.ask(node, shut)
        except (SignalingError, StoreAway) as error:
            logger.warning("%s did not hear that a %s is over: %s", node, shut.what, type(error).__name__)

    async def close(self) -> None:
        """Tell no more."""
        await tasks.end(*self._under_way)
