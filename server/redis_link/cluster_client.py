"""redis-py's client in a cluster: one to each primary, chosen by the key.

Not redis-py's own cluster client: it repeats by rules of its own, and its limits cannot be ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis

from server.redis_link.address import Address
from server.redis_link.client import Add, Call, Calls, Client
from server.redis_link.cluster import Map, Server, redirected
from server.redis_link.cluster_pipe import all_of
from server.redis_link.faults import Lost, Moved


async def _with_key(call: Callable[[Redis, str], Awaitable[Any]], key: str, redis: Redis) -> Any:
    return await call(redis, key)


class ClusterClient(Calls):
    """A client to each primary, opened when it is needed."""

    def __init__(self, map: Map, *, attempt: float, total: float) -> None:
        super().__init__(total)
        self._map = map
        self._attempt = attempt
        self._clients: dict[Server, Client] = {}
        self._closing: set[asyncio.Task[None]] = set()
        map.changed.append(self._close_others)

    async def everywhere(self, keys: Sequence[str], call: Callable[[Redis, str], Awaitable[Any]]) -> None:
        """Do it at every primary that has some of these keys."""

        async def attempt() -> None:
            shares = await self._map.shares(keys)
            some = [keys[places[0]] for places in shares.values()]
            await all_of(self._once(key, partial(_with_key, call, key)) for key in some)

        await self._insist(attempt, repeat=True)

    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""
        self._closed = True
        await asyncio.gather(*(client.close() for client in self._clients.values()), *self._closing)

    async def _once(self, key: str, call: Call) -> Any:
        async def at(address: Address, asking: bool) -> Any:
            client = self._client(address)
            return await (client.asking(call) if asking else client.once(call))

        try:
            return await redirected(self._map, await self._map.primary(key), at)
        except Lost:
            self._map.doubt()
            raise

    async def _each_once(self, keys: Sequence[str], add: Add) -> Sequence[Any]:
        replies: list[Any] = [None] * len(keys)

        async def ask(server: Server, places: Sequence[int]) -> None:
            address = self._map.address(server)
            try:
                told = await self._client(address).each_once([keys[place] for place in places], add)
            except Moved as moved:
                self._map.follow(moved, address)
                raise Lost(sent=False) from None
            except Lost:
                self._map.doubt()
                raise
            for place, reply in zip(places, told, strict=True):
                replies[place] = reply

        await all_of(ask(*share) for share in (await self._map.shares(keys)).items())
        return replies

    async def _moved(self) -> None:
        await self._map.look()

    def _client(self, address: Address) -> Client:
        client = self._clients.get(address.server)
        if client is None:
            client = self._clients[address.server] = Client(address, attempt=self._attempt, total=self._total)
        return client

    def _close_others(self) -> None:
        """Drop the connections to servers that are primaries no more."""
        for server in self._clients.keys() - {address.server for address in self._map.primaries}:
            task = asyncio.create_task(self._clients.pop(server).close(), name="store: leave a server")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
