"""Which server of a cluster has which key: learned from any of them, and again when there is reason to doubt it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio.connection import AbstractConnection, Connection
from redis.crc import key_slot

from server.redis_link.address import Address
from server.redis_link.faults import Lost, Moved, NotConnected, StoreFault

logger = logging.getLogger("carelobby.redis")

PAUSE: Final = 0.1
"""Seconds between two looks at a cluster that is not as it should be."""
REDIRECTIONS: Final = 4
"""How often a command is sent on at once, before there is a pause."""

Server = tuple[str, int]
T = TypeVar("T")


class Map:
    """The servers of a cluster, and the primary of each slot."""

    def __init__(self, seeds: Sequence[Address], patience: float) -> None:
        self._seeds = seeds
        self._patience = patience
        self._known: dict[Server, Address] = {}
        self._ranges: list[tuple[int, int, Server]] = []
        self._corrections: dict[int, Server] = {}
        self._turn = 0
        self._looking: asyncio.Task[None] | None = None
        self._looked = -PAUSE
        self._closed = False
        self.changed: list[Callable[[], None]] = []
        """Called when other servers are the primaries than before."""

    @property
    def primaries(self) -> list[Address]:
        """The servers that have slots, in the order of these; none before the first `look`."""
        return [self._known[server] for server in dict.fromkeys(server for *_, server in self._ranges)]

    @property
    def nodes(self) -> list[Address]:
        """All servers that are known, replicas too; before the first look the seeds."""
        return [*self._known.values()] or [*self._seeds]

    async def primary(self, key: str | bytes | int) -> Address:
        """Return the server that has `key`. Raise `Lost` if that is unknown now."""
        if not self._ranges:
            await self.look()
        slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
        server = self._corrections.get(slot)
        if server is None:
            server = next((there for first, last, there in self._ranges if first <= slot <= last), None)
        if server is None:
            self.doubt()
            raise Lost(sent=False)
        return self._known[server]

    async def shares(self, keys: Sequence[str | bytes | int]) -> dict[Server, list[int]]:
        """Return the places of the keys in their sequence, by the server that has them. Raise as `primary` does."""
        shares: dict[Server, list[int]] = {}
        for place, key in enumerate(keys):
            shares.setdefault((await self.primary(key)).server, []).append(place)
        return shares

    def address(self, server: Server) -> Address:
        """Return the address of a server, with the way to sign in."""
        return self._known.get(server) or self._seeds[0].at(*server)

    def follow(self, moved: Moved, told_by: Address) -> Address:
        """Return the server that another one named, and remember it if it is there to stay."""
        server = (moved.host or told_by.server[0], moved.port)
        address = self._known.get(server) or told_by.at(*server)
        if not moved.once:
            self._known[server] = address
            self._corrections[moved.slot] = server
            self.doubt()
        return address

    def doubt(self) -> None:
        """Look again soon: something was not as it was known."""
        if not self._closed and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), name="store: look at the cluster")

    async def look(self) -> None:
        """Return when it was looked at."""
        self.doubt()
        if self._looking is not None:
            await asyncio.shield(self._looking)

    async def close(self) -> None:
        """Look no more."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        """Ask one server after the other until one answers; begin with another one each time."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._looked + PAUSE - loop.time())
        nodes = self.nodes + [seed for seed in self._seeds if seed.server not in self._known]
        self._turn += 1
        first = self._turn % len(nodes)
        for node in nodes[first:] + nodes[:first]:
            try:
                told = await node.ask("CLUSTER", "SLOTS", patience=self._patience)
            except NotConnected:
                continue
            except StoreFault as fault:
                logger.warning("a server of the cluster refuses: %s", fault.code)
                continue
            if told:
                self._learn(node, told)
                break
        self._looked = loop.time()

    def _learn(self, told_by: Address, told: Sequence[Any]) -> None:
        before = self.primaries
        known: dict[Server, Address] = {}
        ranges: list[tuple[int, int, Server]] = []
        for first, last, *servers in sorted(told):
            for place, (host, port, *_) in enumerate(servers):
                server = (host.decode() if host else told_by.server[0], int(port))
                known.setdefault(server, self._known.get(server) or told_by.at(*server))
                if place == 0:
                    ranges.append((first, last, server))
        self._known, self._ranges, self._corrections = known, ranges, {}
        if before != self.primaries:
            logger.info("the cluster has %d primaries and %d servers", len(self.primaries), len(known))
            for listener in tuple(self.changed):
                listener()


async def redirected(map: Map, address: Address, attempt: Callable[[Address, bool], Awaitable[T]]) -> T:
    """Return what `attempt` gets from `address`, or from where it is sent on to; its second argument: say ASKING."""
    once = False
    for _ in range(REDIRECTIONS):
        try:
            return await attempt(address, once)
        except Moved as moved:
            address, once = map.follow(moved, address), moved.once
    raise Lost(sent=False)


class AnyNode(Address):
    """Whatever server of a cluster answers: news reach all of them."""

    def __init__(self, map: Map) -> None:
        super().__init__(Connection, {})
        self._map = map
        self._turn = 0

    def connection(self, patience: float) -> AbstractConnection:
        """Return a connection to another server each time, so that one that is down is passed by."""
        nodes = self._map.nodes
        self._turn += 1
        return nodes[self._turn % len(nodes)].connection(patience)

    async def look(self, patience: float) -> None:
        """Nothing: the servers tell by themselves when a key is elsewhere."""
