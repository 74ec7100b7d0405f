"""A visit's media, at whatever node carries them: what a browser asks of its own node is done there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from server.nodes.carrier import Carrier
from server.nodes.errands import Answered, Errand, Errands, HandedOver, NotHere, Offered, Trickled
from server.nodes.leases import Leases
from server.ports import Carried, Post, StoreAway
from signaling.errors import SignalingError, Unavailable

logger = logging.getLogger("carelobby.carrier")

ROUNDS: Final = 3
"""Times that an errand may find the visit gone elsewhere."""


class MediaAnywhere:
    """Finds the carrier of a visit, and brings it offers and candidates; serves those of other nodes."""

    def __init__(self, post: Post, *, node: str, leases: Leases, carrier: Carrier, new_id: Callable[[], str]) -> None:
        self._node = node
        self._leases = leases
        self._carrier = carrier
        self.errands = Errands(post, node=node, serve=self._serve, new_id=new_id)

    async def bring(self, asked: Offered | Trickled) -> Answered:
        """Return what the visit's carrier answers; it is this node if nobody carries the visit yet.

        Raise `SignalingError` or `StoreAway`.
        """
        for _ in range(ROUNDS):
            there = await self._leases.where(asked.visit, asked.room, floor=asked.fence)
            try:
                if there.node == self._node:
                    return await self._do(asked)
                return await self.errands.ask(there.node, asked)
            except NotHere:
                self._leases.forget(asked.visit)
            except Unavailable:
                if not self._leases.is_dead(there.node):
                    raise
        raise Unavailable("the visit's media are on their way from node to node")

    async def hand_over(self) -> int:
        """Let other nodes carry what this one carries; return how many visits they took.

        Browsers are told to make new peers there, and leave those here when they have them: nobody is cut off.
        """
        others, moved = self._leases.others(), 0
        for number, (visit, room) in enumerate(self._carrier.carried()):
            fence = self._leases.fence(visit)
            if not others or fence is None:
                continue
            node = others[number % len(others)]
            try:
                await self.errands.ask(node, HandedOver(room, visit, fence))
            except (SignalingError, StoreAway) as error:
                logger.warning("%s stays until this node ends: %s", visit, type(error).__name__)
                if isinstance(error, Unavailable):
                    others.remove(node)
            else:
                self._leases.gave(visit, room, node)
                moved += 1
        return moved

    async def _serve(self, errand: Errand, by: str) -> Answered:
        """Do an errand of another node. Raise `SignalingError` or `StoreAway`."""
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
