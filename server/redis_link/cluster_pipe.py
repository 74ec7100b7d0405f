"""The way of a room's commit in a cluster: a pipe to each primary, chosen by the key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from server.redis_link.address import Address
from server.redis_link.cluster import Map, Server, redirected
from server.redis_link.faults import Lost, Moved
from server.redis_link.link import pack
from server.redis_link.patience import insist
from server.redis_link.pipe import Command, Commands, Pipe


class ClusterPipe(Commands):
    """A pipe to each primary, opened when it is needed."""

    def __init__(self, map: Map, *, attempt: float, total: float) -> None:
        self._map = map
        self._attempt = attempt
        self._total = total
        self._pipes: dict[Server, Pipe] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        map.changed.append(self._close_others)

    async def each(self, commands: Iterable[Command]) -> list[Any]:
        """Return the replies of many commands, in their order, those for one server sent together."""
        packed = [(command[1], pack(*command)) for command in commands]
        replies: list[Any] = [None] * len(packed)

        async def ask(server: Server, places: Sequence[int]) -> None:
            address = self._map.address(server)
            try:
                told = await self._pipe(address).send_all(packed[place][1] for place in places)
            except Moved as moved:
                self._map.follow(moved, address)
                raise Lost(sent=False) from None
            for place, reply in zip(places, told, strict=True):
                replies[place] = reply

        async def attempt() -> None:
            shares = await self._map.shares([key for key, _ in packed])
            await all_of(ask(*share) for share in shares.items())

        await self._insist(attempt, repeat=True)
        return replies

    def speakers(self) -> Sequence[Pipe]:
        """Return a pipe to each primary: each publishes news of its own rooms."""
        return [self._pipe(address) for address in self._map.primaries]

    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""
        self._closed = True
        await asyncio.gather(*(pipe.close() for pipe in self._pipes.values()), *self._closing)

    async def _ask(self, key: str | bytes | int, data: bytes, *, repeat: bool, sure: bool) -> Any:
        def at(address: Address, asking: bool) -> Awaitable[Any]:
            pipe = self._pipe(address)
            return pipe.surely(data, asking=asking) if sure else pipe.send_asking(data, asking=asking)

        async def attempt() -> Any:
            return await redirected(self._map, await self._map.primary(key), at)

        return await self._insist(attempt, repeat=repeat)

    async def _insist(self, attempt: Callable[[], Awaitable[Any]], *, repeat: bool) -> Any:
        return await insist(
            attempt, repeat=repeat, total=self._total, closed=lambda: self._closed, moved=self._map.look
        )

    def _pipe(self, address: Address) -> Pipe:
        pipe = self._pipes.get(address.server)
        if pipe is None:
            pipe = Pipe(address, attempt=self._attempt, total=self._total, lost=self._map.doubt)
            if not self._closed:
                self._pipes[address.server] = pipe
        return pipe

    def _close_others(self) -> None:
        """Drop the connections to servers that are primaries no more."""
        for server in self._pipes.keys() - {address.server for address in self._map.primaries}:
            task = asyncio.create_task(self._pipes.pop(server).close(), name="store: leave a server")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def all_of(parts: Iterable[Awaitable[None]]) -> None:
    """Wait for all, then raise the first error if there was one."""
    for result in await asyncio.gather(*parts, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
