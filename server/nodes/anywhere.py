"""A visit's media, at whatever node carries them: what a browser asks of its own node is done there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from server import tasks
from server.nodes.carrier import Carrier
from server.nodes.errands import Answered, Awaited, Begun, Errands, HandedOver, NotHere, Offered, Trickled
from server.nodes.leases import Leases
from server.nodes.placement import order, takes
from server.nodes.places import Places
from server.ports import StoreAway
from server.ports.nodes import Carried
from signaling.errors import Overloaded, SignalingError, Unavailable

logger = logging.getLogger("carelobby.carrier")

ROUNDS: Final = 3
"""Times that an errand may find the visit gone elsewhere."""
PLENTY: Final = 16
"""So many free places of another node are not gone before its next pulse: it need not be asked for one."""


class MediaAnywhere:
    """Finds the carrier of a visit, and brings it offers and candidates; serves those of other nodes."""

    def __init__(self, errands: Errands, *, node: str, leases: Leases, carrier: Carrier, places: Places) -> None:
        self._errands = errands
        self._node = node
        self._leases = leases
        self._carrier = carrier
        self._places = places
        self._beginnings: set[asyncio.Task[None]] = set()
        self._silent: set[str] = set()
        """Nodes that took nothing when this one drained."""

    # --- A visit starts

    async def place(self, room: str) -> Callable[[str, int], None]:
        """Find a place for the media of a visit that is about to start; return what hears of (visit, fence) then.

        Raise `Overloaded` if no node takes one more, or `StoreAway`.
        """
        loads = self._leases.loads()
        for node in order(room, loads):
            if node == self._node:
                found = self._places.keep(room)
            else:
                found = takes(loads[node]) and (loads[node].free > PLENTY or await self._keeps(node, room))
            if found:
                return partial(self._begin, node, room)
        raise Overloaded

    async def _keeps(self, node: str, room: str) -> bool:
        try:
            await self._errands.ask(node, Awaited(room))
        except (NotHere, Unavailable):
            return False
        return True

    def _begin(self, node: str, room: str, visit: str, fence: int) -> None:
        """Let a node carry a visit from its start on, so that nobody takes its place before the first offer."""
        task = asyncio.get_running_loop().create_task(self._begun(node, Begun(room, visit, fence)), name="begin")
        self._beginnings.add(task)
        task.add_done_callback(self._beginnings.discard)

    async def _begun(self, node: str, begun: Begun) -> None:
        try:
            await (self._carry(begun) if node == self._node else self._errands.ask(node, begun))
        except (SignalingError, StoreAway) as error:  # it is over, or the first offer finds another carrier
            logger.info("%s does not begin with %s: %s", node, begun.visit, type(error).__name__)

    async def _carry(self, begun: Begun) -> Answered:
        """Begin to carry a visit that has started. Raise `SignalingError` or `StoreAway`."""
        try:
            await self._leases.where(begun.visit, begun.room, floor=begun.fence)
        finally:
            self._places.give_up(begun.room)
        return Answered()

    async def close(self) -> None:
        """Begin no more."""
        await tasks.end(*self._beginnings)

    # --- What browsers ask

    async def bring(self, asked: Offered | Trickled) -> Answered:
        """Return what the visit's carrier answers; it is the room's home if nobody carries the visit yet.

        Raise `SignalingError` or `StoreAway`.
        """
        answer = await self._at_home(asked)
        if answer is not None:
            return answer
        for _ in range(ROUNDS):
            there = await self._leases.where(asked.visit, asked.room, floor=asked.fence)
            try:
                if there.node == self._node:
                    return await self._do(asked)
                return await self._errands.ask(there.node, asked)
            except NotHere:
                self._leases.forget(asked.visit)
            except Unavailable:
                if await self._leases.where(asked.visit, asked.room, floor=asked.fence, anew=True) == there:
                    raise
        raise Unavailable("the visit's media are on their way from node to node")

    async def _at_home(self, asked: Offered | Trickled) -> Answered | None:
        """Return what the node answers that begins to carry the visit; None: somebody has, or it is to be this one."""
        for node in order(asked.room, self._leases.loads()):
            if node == self._node or await self._leases.found(asked.visit) is not None:
                break
            try:
                return await self._errands.ask(node, asked)
            except (NotHere, Unavailable) as error:
                logger.warning("%s does not take %s: %s", node, asked.visit, type(error).__name__)
        return None

    async def hand_over(self) -> int:
        """Let other nodes carry what this one carries; return how many visits they took.

        Browsers are told to make new peers there, and leave those here when they have them: nobody is cut off.
        """
        self._places.draining = True
        moved = 0
        for visit, room in self._carrier.carried():
            moved += await self._give(visit, room)
        return moved

    async def _give(self, visit: str, room: str) -> bool:
        """Tell whether some other node takes a visit."""
        for node in order(room, self._leases.loads()):
            fence = self._leases.fence(visit)
            if fence is None or node == self._node or node in self._silent:
                continue
            try:
                await self._errands.ask(node, HandedOver(room, visit, fence))
            except (SignalingError, StoreAway) as error:
                logger.warning("%s does not take %s: %s", node, visit, type(error).__name__)
                self._silent.add(node)
            else:
                self._leases.gave(visit, room, node)
                return True
        return False

    async def serve(self, errand: Offered | Trickled | HandedOver | Awaited | Begun, by: str) -> Answered:
        """Do an errand of another node. Raise `SignalingError` or `StoreAway`."""
        if isinstance(errand, Awaited):
            if not self._places.keep(errand.room):
                raise NotHere
            return Answered()
        if isinstance(errand, Begun):
            return await self._carry(errand)
        if self._places.draining and self._leases.fence(errand.visit) is None:
            raise NotHere
        if isinstance(errand, HandedOver):
            there = await self._leases.take(errand.visit, errand.room, Carried(by, errand.fence))
        else:
            there = await self._leases.where(errand.visit, errand.room, floor=errand.fence)
        if there.node != self._node:
            raise NotHere
        return Answered() if isinstance(errand, HandedOver) else await self._do(errand)

    async def _do(self, asked: Offered | Trickled) -> Answered:
        if isinstance(asked, Offered):
            return await self._carrier.offer(asked)
        return await self._carrier.candidates(asked)
