"""Who else serves these rooms, and what all nodes agree on, in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from server.ports.nodes import IDLE, Carried, Load, Pulses
from server.redis_link.client import Calls
from server.redis_link.keys import LOADS, NODES, PULSES, agreed_key, at_key, carried_key, lease_key
from server.redis_link.pipe import Script
from server.store.scripts import source

KEEP_FENCE: Final = 24 * 60 * 60 * 1000
"""Milliseconds after the last claim. A fence that was forgotten is made good by what the visit's room knows of it."""

_LEASE: Final = Script(source("lease"))
_PULSE: Final = Script(source("pulse"))
_CLAIM: Final = Script(source("claim"))
_RELEASE: Final = Script(source("release"))


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
        await self.hush(node)
        await self._client.ask(NODES, lambda redis: redis.hdel(NODES, node))

    async def pulse(self, node: str, load: Load = IDLE) -> Pulses:
        """Say that `node` is alive, with how much to do, and return when every node last was, and with how much."""
        said = f"{load.visits} {load.free} {load.draining:d}"
        now, pulses, loads = await self._client.run(_PULSE, [PULSES, LOADS], [node, said], repeat=True)
        return Pulses(
            int(now),
            {name: int(at) for name, at in _pairs(pulses)},
            {name: _load(said) for name, said in _pairs(loads)},
        )

    async def hush(self, node: str) -> None:
        """Say that `node` goes, and pulses no more."""
        await self._client.ask(PULSES, lambda redis: redis.hdel(PULSES, node))
        await self._client.ask(LOADS, lambda redis: redis.hdel(LOADS, node))

    async def claim(self, visit: str, node: str, *, over: Carried | None = None, floor: int = 0) -> Carried:
        """Return who carries a visit: `node`, if nobody did or if it was `over`."""
        before, its = (over.node, over.fence) if over is not None else ("", 0)
        arguments = (node, before, its, floor, KEEP_FENCE)
        now, fence = await self._client.run(_CLAIM, [carried_key(visit)], arguments, repeat=True)
        return Carried(now.decode(), int(fence))

    async def carriers(self, visits: Sequence[str]) -> Mapping[str, Carried]:
        """Return who carries each of these visits, where anybody does."""
        if not visits:
            return {}
        keys = [carried_key(visit) for visit in visits]
        found = await self._client.each(keys, lambda pipeline, key: pipeline.hmget(key, "node", "fence"))
        return {
            visit: Carried(node.decode(), int(fence))
            for visit, (node, fence) in zip(visits, found, strict=True)
            if node
        }

    async def release(self, visit: str, node: str) -> None:
        """Say that `node` carries it no more, if it did. The fence is kept."""
        await self._client.run(_RELEASE, [carried_key(visit)], [node], repeat=True)

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        """Take or renew a lease for `ttl` ms; False while another node holds it."""
        return bool(await self._client.run(_LEASE, [lease_key(name)], [node, ttl]))

    async def agree(self, name: str, value: str) -> str:
        """Write `value` if nothing is there yet, and return what is there."""
        there = await self._client.ask(
            agreed_key(name), lambda redis: redis.set(agreed_key(name), value, nx=True, get=True)
        )
        return value if there is None else str(there.decode())


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    return ((name.decode(), value) for name, value in zip(flat[::2], flat[1::2], strict=True))


def _load(said: bytes) -> Load:
    visits, free, draining, *_ = map(int, said.split())
    return Load(visits, free, bool(draining))
