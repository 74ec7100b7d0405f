"""redis-py's client within our limits: every call ends in time, and nothing is done twice unless that is harmless.

Left to itself redis-py tries a command up to eleven times, so that an `INCR` may count twice, and waits for most of a
minute. Here it tries once; trying again is `insist`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from server.ports import StoreAway
from server.redis_link.address import Address
from server.redis_link.faults import Lost, NotConnected, fault_behind
from server.redis_link.patience import ATTEMPT, TOTAL, insist

CONNECTIONS: Final = 16
"""At most so many at a time; whoever comes then waits for one."""
HEALTH: Final = 15.0
"""A connection that was idle for so many seconds is asked whether it is well before it is used."""


class _Pool(BlockingConnectionPool):
    """A pool whose connections are well when they are handed out: what fails before that surely was not sent."""

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> AbstractConnection:
        """Return a connection. Raise `NotConnected`, or `StoreFault` if we may not sign in."""
        try:
            connection: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.check_health()  # type: ignore[no-untyped-call]
            except BaseException:
                await self.release(connection)
                raise
        except (RedisError, OSError) as error:
            raise fault_behind(error) or NotConnected from error
        return connection


class Client:
    """Commands that are not in the way of a room: documents, secrets, nodes, the outbox, the alarms."""

    def __init__(self, address: Address, *, attempt: float = ATTEMPT, total: float = TOTAL) -> None:
        settings = address.settings(attempt)
        self._pool = _Pool(CONNECTIONS, total, connection_class=address.kind, health_check_interval=HEALTH, **settings)
        self._redis = Redis.from_pool(self._pool)
        self._total = total
        self._closed = False

    def script(self, source: bytes) -> AsyncScript:
        """Return a script to be called within `ask`; the server is told its source when it does not know it."""
        return self._redis.register_script(source)

    async def ask(self, call: Callable[[Redis], Awaitable[Any]], *, repeat: bool = False) -> Any:
        """Return what `call` gets from redis-py's client. `repeat`: doing it twice does no harm.

        What redis-py types as bytes or text is bytes.

        Raise `StoreAway`, or `StoreFault` for an error reply.
        """

        async def attempt() -> Any:
            try:
                return await call(self._redis)
            except NotConnected:
                raise Lost(sent=False) from None
            except RedisError as error:
                raise fault_behind(error) or Lost(sent=True) from None

        if self._closed:
            raise StoreAway
        return await insist(
            attempt, repeat=repeat, total=self._total, closed=lambda: self._closed, moved=self._pool_anew
        )

    async def each(self, add: Callable[[Pipeline], object]) -> list[Any]:
        """Return the replies of many commands that `add` puts into a pipeline, each of which may be repeated."""

        async def call(redis: Redis) -> Any:
            async with redis.pipeline(transaction=False) as pipeline:
                add(pipeline)
                # Left to raise errors itself, it would put the command before the server's words.
                replies = await pipeline.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

        return list(await self.ask(call, repeat=True))

    async def soonest(self, keys: Sequence[str], now: int, limit: int) -> list[tuple[int, str, bytes]]:
        """Return (score, key, member) of all with a score up to `now` in these sorted sets, the lowest first."""
        found = await self.each(
            lambda pipeline: [
                pipeline.zrangebyscore(key, "-inf", now, start=0, num=limit, withscores=True) for key in keys
            ]
        )
        due = [(int(score), key, member) for key, part in zip(keys, found, strict=True) for member, score in part]
        return sorted(due)[:limit]

    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""
        self._closed = True
        await self._redis.aclose()

    async def _pool_anew(self) -> None:
        """Forget idle connections: the address may lead to another server by now."""
        await self._pool.disconnect(inuse_connections=False)
