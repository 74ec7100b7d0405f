"""Who else serves these rooms, and what all nodes agree on, in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from server.redis_link.client import Calls
from server.redis_link.keys import NODES, agreed_key, at_key, lease_key
from server.redis_link.pipe import Script
from server.store.scripts import source

_LEASE: Final = Script(source("lease"))


class RedisNodes:
    """`Nodes` over Redis. Nothing here is sealed: ids, times, and what the caller made safe to be seen."""

    def __init__(self, client: Calls) -> None:
        self._client = client

    async def beat(self, node: str, now: int) -> None:
        """Say that `node` is alive at `now`."""
        await self._client.ask(NODES, lambda redis: redis.hset(NODES, node, str(now)))

    async def all(self) -> Mapping[str, int]:
        """Return each node's last beat."""
        beats = await self._client.ask(NODES, lambda redis: redis.hgetall(NODES), repeat=True)
        return {node.decode(): int(at) for node, at in beats.items()}

    async def enter(self, node: str, room: str) -> None:
        """Note that `node` has connections or media of `room`."""
        await self._client.ask(at_key(node), lambda redis: redis.sadd(at_key(node), room))

    async def leave(self, node: str, room: str) -> None:
        """Note that it has none any more."""
        await self._client.ask(at_key(node), lambda redis: redis.srem(at_key(node), room))

    async def rooms(self, node: str) -> Sequence[str]:
        """Return the rooms that `node` entered and did not leave."""
        rooms = await self._client.ask(at_key(node), lambda redis: redis.smembers(at_key(node)), repeat=True)
        return sorted(room.decode() for room in rooms)

    async def forget(self, node: str) -> None:
        """Remove a node that is gone, and its rooms."""
        # Its rooms first: a node that is still listed will be looked after again.
        await self._client.ask(at_key(node), lambda redis: redis.delete(at_key(node)))
        await self._client.ask(NODES, lambda redis: redis.hdel(NODES, node))

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        """Take or renew a lease for `ttl` ms; False while another node holds it."""
        return bool(await self._client.run(_LEASE, [lease_key(name)], [node, ttl]))

    async def agree(self, name: str, value: str) -> str:
        """Write `value` if nothing is there yet, and return what is there."""
        there = await self._client.ask(
            agreed_key(name), lambda redis: redis.set(agreed_key(name), value, nx=True, get=True)
        )
        return value if there is None else str(there.decode())
