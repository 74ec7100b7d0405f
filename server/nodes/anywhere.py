"""A visit's media, at whatever node carries them: what a browser asks of its own node is done there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.nodes.carrier import Carrier
from server.nodes.errands import Answered, Errand, Errands, HandedOver, NotHere, Offered, Trickled
from server.nodes.leases import Leases
from server.ports import Carried, Post
from signaling.errors import Unavailable

ROUNDS: Final = 3
"""Times that an errand may find the visit gone elsewhere."""


class MediaAnywhere:
    """Finds the carrier of a visit, and brings it offers and candidates; serves those of other nodes."""

    def __init__(self, post: Post, *, node: str, leases: Leases, carrier: Carrier, new_id: Callable[[], str]) -> None:
        self._node = node
        self._leases = leases
        self._carrier = carrier
        self.errands = Errands(post, node=node, serve=self._serve, new_id=new_id)

    async def bring(self, asked: Offered | Trickled, *, floor: int = 0) -> Answered:
        """Return what the visit's carrier answers; it is this node if nobody carries the visit yet.

        `floor`: the highest fence that the room has seen. Raise `SignalingError` or `StoreAway`.
        """
        for _ in range(ROUNDS):
            there = await self._leases.where(asked.visit, asked.room, floor=floor)
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

    async def _serve(self, errand: Errand, by: str) -> Answered:
        """Do an errand of another node. Raise `SignalingError` or `StoreAway`."""
        if isinstance(errand, HandedOver):
            there = await self._leases.take(errand.visit, errand.room, Carried(by, errand.fence))
        else:
            there = await self._leases.where(errand.visit, errand.room)
        if there.node != self._node:
            raise NotHere
        return Answered() if isinstance(errand, HandedOver) else await self._do(errand)

    async def _do(self, asked: Offered | Trickled) -> Answered:
        if isinstance(asked, Offered):
            return await self._carrier.offer(asked)
        return await self._carrier.candidates(asked)
