"""Which server is the primary: sentinels are asked at each new connection, and the server must say so itself.

Sentinels may be out of date, and so may be what is connected. So all of them are asked at once and the answer with
the highest epoch counts; a server that does not call itself the primary is left again; and whoever uses connections
is told when the answer changes, since an old primary that is merely cut off from the others would go on answering.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from server.redis_link.address import Address
from server.redis_link.faults import NotConnected, StoreFault

logger = logging.getLogger("carelobby.redis")

OTHERS: Final = 0.1
"""Seconds that the others have when the first sentinel answered."""

Server = tuple[str, int]


class Sentinels:
    """The sentinels of one service."""

    def __init__(self, sentinels: Sequence[Address], service: str) -> None:
        self._sentinels = sentinels
        self._service = service
        self._asking: asyncio.Task[Server | None] | None = None
        self.known: Server | None = None
        self.moved: list[Callable[[], None]] = []

    async def primary(self, patience: float) -> Server | None:
        """Return host and port of the primary; None if no sentinel tells within `patience` seconds."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(patience), name="store: ask sentinels")
        # Many connections are made at once after a failover; one of them being given up must not hinder the others.
        return await asyncio.shield(self._asking)

    async def _ask(self, patience: float) -> Server | None:
        questions = {
            asyncio.create_task(self._told_by(sentinel, patience), name="store: sentinel")
            for sentinel in self._sentinels
        }
        try:
            answers: list[tuple[int, Server]] = []
            waiting = questions
            while waiting and not answers:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                answers += [answer for task in done if (answer := task.result())]
            if waiting:
                done, _ = await asyncio.wait(waiting, timeout=OTHERS)
                answers += [answer for task in done if (answer := task.result())]
        finally:
            for task in questions:
                task.cancel()
            await asyncio.gather(*questions, return_exceptions=True)
        return self._learn(max(answers)[1]) if answers else None

    async def _told_by(self, sentinel: Address, patience: float) -> tuple[int, Server] | None:
        """Return what one sentinel says, with the number of the election it goes back to."""
        try:
            told = await sentinel.ask("SENTINEL", "MASTER", self._service, patience=patience)
        except NotConnected:
            return None
        except StoreFault as fault:
            logger.warning("a sentinel refuses: %s", fault.code)
            return None
        said = dict(zip(told[::2], told[1::2], strict=True))
        return int(said.get(b"config-epoch", 0)), (said[b"ip"].decode(), int(said[b"port"]))

    def _learn(self, server: Server) -> Server:
        before, self.known = self.known, server
        if before is not None and before != server:
            logger.warning("another server is the primary now")
            for listener in self.moved:
                listener()
        return server


class _ToPrimary(Connection):
    """A connection to whatever server is the primary when it is made."""

    def __init__(self, *, sentinels: Sentinels, **settings: Any) -> None:
        super().__init__(**settings)
        self._sentinels = sentinels

    @property
    def outdated(self) -> bool:
        """Whether another server became the primary since."""
        return self._sentinels.known not in (None, (self.host, self.port))

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Ask the sentinels, connect, and ask the server itself (redis-py calls this for every connection)."""
        if self.is_connected:
            return
        primary = await self._sentinels.primary(self.socket_connect_timeout or 1.0)
        if primary is None:
            raise RedisConnectionError("no sentinel tells the primary")
        self.host, self.port = primary
        await super().connect_check_health(check_health, retry_socket_connect)
        await self.send_command("ROLE", check_health=False)
        role = await self.read_response()
        if role[0] != b"master":
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the server is not the primary")


class _ToPrimaryByTls(_ToPrimary, SSLConnection):
    """The same by TLS."""


class SentinelAddress(Address):
    """The primary of a service, wherever it is."""

    def __init__(self, sentinels: Sentinels, server: Address) -> None:
        """`server`: any address with the way to sign in at the service's servers."""
        kind = _ToPrimaryByTls if issubclass(server.kind, SSLConnection) else _ToPrimary
        super().__init__(kind, {**server.sign_in, "sentinels": sentinels})
        self._sentinels = sentinels
        self.moved = sentinels.moved

    async def look(self, patience: float) -> None:
        """Ask the sentinels whether another server is the primary by now."""
        await self._sentinels.primary(patience)

    def __repr__(self) -> str:
        return "SentinelAddress()"
