"""Who else serves these rooms, and what all nodes agree on, in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from server.store.keys import NODES, agreed_key, at_key, lease_key
from server.store.pipe import Pipe, Script

_LEASE: Final = Script("lease.lua")


class RedisNodes:
    """`Nodes` over Redis. Nothing here is sealed: ids, times, and what the caller made safe to be seen."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def beat(self, node: str, now: int) -> None:
        """Say that `node` is alive at `now`."""
        await self._pipe.call("HSET", NODES, node, now)

    async def all(self) -> Mapping[str, int]:
        """Return each node's last beat."""
        beats = await self._pipe.call("HGETALL", NODES, repeat=True)
        return {node.decode(): int(at) for node, at in zip(beats[::2], beats[1::2], strict=True)}

    async def enter(self, node: str, room: str) -> None:
        """Note that `node` has connections or media of `room`."""
        await self._pipe.call("SADD", at_key(node), room)

    async def leave(self, node: str, room: str) -> None:
        """Note that it has none any more."""
        await self._pipe.call("SREM", at_key(node), room)

    async def rooms(self, node: str) -> Sequence[str]:
        """Return the rooms that `node` entered and did not leave."""
        return sorted(room.decode() for room in await self._pipe.call("SMEMBERS", at_key(node), repeat=True))

    async def forget(self, node: str) -> None:
        """Remove a node that is gone, and its rooms."""
        # Its rooms first: a node that is still listed will be looked after again.
        await self._pipe.call("DEL", at_key(node))
        await self._pipe.call("HDEL", NODES, node)

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        """Take or renew a lease for `ttl` ms; False while another node holds it."""
        return bool(await self._pipe.run(_LEASE, [lease_key(name)], [node, ttl]))

    async def agree(self, name: str, value: str) -> str:
        """Write `value` if nothing is there yet, and return what is there."""
        there = await self._pipe.call("SET", agreed_key(name), value, "NX", "GET")
        return value if there is None else str(there.decode())
