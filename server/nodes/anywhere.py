"""A visit's media, at whatever node carries them: what a browser asks of its own node is done there."""

from __future__ import annotations

import logging
from typing import Final
from zlib import crc32

from server.nodes.carrier import Carrier
from server.nodes.errands import Answered, Errands, HandedOver, NotHere, Offered, Trickled
from server.nodes.leases import Leases
from server.ports import Carried, StoreAway
from signaling.errors import SignalingError, Unavailable

logger = logging.getLogger("carelobby.carrier")

ROUNDS: Final = 3
"""Times that an errand may find the visit gone elsewhere."""


class MediaAnywhere:
    """Finds the carrier of a visit, and brings it offers and candidates; serves those of other nodes."""

    def __init__(self, errands: Errands, *, node: str, leases: Leases, carrier: Carrier) -> None:
        self._errands = errands
        self._node = node
        self._leases = leases
        self._carrier = carrier
        self._draining = False
        self._silent: set[str] = set()
        """Nodes that took nothing when this one drained."""

    async def bring(self, asked: Offered | Trickled) -> Answered:
        """Return what the visit's carrier answers; it is this node if nobody carries the visit yet.

        Raise `SignalingError` or `StoreAway`.
        """
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

    async def hand_over(self) -> int:
        """Let other nodes carry what this one carries; return how many visits they took.

        Browsers are told to make new peers there, and leave those here when they have them: nobody is cut off.
        """
        self._draining = True
        moved = 0
        for visit, room in self._carrier.carried():
            moved += await self._give(visit, room)
        return moved

    async def _give(self, visit: str, room: str) -> bool:
        """Tell whether some other node takes a visit."""
        # Each visit in an order of its own, so that all share the load.
        for node in sorted(self._leases.others(), key=lambda node: crc32(f"{visit} {node}".encode())):
            fence = self._leases.fence(visit)
            if fence is None or node in self._silent:
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

    async def serve(self, errand: Offered | Trickled | HandedOver, by: str) -> Answered:
        """Do an errand of another node. Raise `SignalingError` or `StoreAway`."""
        if isinstance(errand, HandedOver) and self._draining:
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
