"""redis-py's client within our limits: every call ends in time, and nothing is done twice unless that is harmless.

Left to itself redis-py tries a command up to eleven times, so that an `INCR` may count twice, and waits for most of a
minute. Here it tries once; trying again is `insist`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError

from server.ports import StoreAway
from server.redis_link.address import Address
from server.redis_link.faults import Lost, NotConnected, fault_behind
from server.redis_link.patience import ATTEMPT, TOTAL, insist
from server.redis_link.pipe import Script

CONNECTIONS: Final = 16
"""At most so many at a time; whoever comes then waits for one."""
HEALTH: Final = 15.0
"""A connection that was idle for so many seconds is asked whether it is well before it is used."""

Call = Callable[[Redis], Awaitable[Any]]
Add = Callable[[Pipeline, str], object]


class _Pool(BlockingConnectionPool):
    """A pool whose connections are well when they are handed out: what fails before that surely was not sent."""

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> AbstractConnection:
        """Return a connection. Raise `NotConnected`, or `StoreFault` if we may not sign in."""
        try:
            connection: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
            try:
                if getattr(connection, "outdated", False):
                    await connection.disconnect(nowait=True)
                    await connection.connect()  # type: ignore[no-untyped-call]
                await connection.check_health()  # type: ignore[no-untyped-call]
            except BaseException:
                await self.release(connection)
                raise
        except (RedisError, OSError) as error:
            raise fault_behind(error) or NotConnected from error
        return connection


class Calls(ABC):
    """Commands that are not in the way of a room: documents, secrets, nodes, the outbox, the alarms."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._closed = False

    async def ask(self, key: str, call: Call, *, repeat: bool = False) -> Any:
        """Return what `call` gets from redis-py's client of the server that has `key`.

        `repeat`: doing it twice does no harm. What redis-py types as bytes or text is bytes.

        Raise `StoreAway`, or `StoreFault` for an error reply.
        """
        return await self._insist(lambda: self._once(key, call), repeat=repeat)

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int], *, repeat: bool = False
    ) -> Any:
        """Run a script, sending its source if the server does not know it. Raise as `ask` does."""

        async def call(redis: Redis) -> Any:
            try:
                return await redis.evalsha(script.sha1, len(keys), *keys, *arguments)
            except NoScriptError:
                return await redis.eval(script.source.decode(), len(keys), *keys, *arguments)

        return await self.ask(keys[0], call, repeat=repeat)

    async def each(self, keys: Sequence[str], add: Add) -> list[Any]:
        """Return the reply for each key to what `add` puts into a pipeline; each may be repeated. Raise as `ask`."""
        return list(await self._insist(lambda: self._each_once(keys, add), repeat=True))

    async def soonest(self, keys: Sequence[str], now: int, limit: int) -> list[tuple[int, str, bytes]]:
        """Return (score, key, member) of all with a score up to `now` in these sorted sets, the lowest first."""
        found = await self.each(
            keys, lambda pipeline, key: pipeline.zrangebyscore(key, "-inf", now, start=0, num=limit, withscores=True)
        )
        due = [(int(score), key, member) for key, part in zip(keys, found, strict=True) for member, score in part]
        return sorted(due)[:limit]

    @abstractmethod
    async def everywhere(self, keys: Sequence[str], call: Callable[[Redis, str], Awaitable[Any]]) -> None:
        """Do what may be repeated at every server that has some of these keys, with one of them. Raise as `ask`."""

    @abstractmethod
    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""

    @abstractmethod
    async def _once(self, key: str, call: Call) -> Any: ...

    @abstractmethod
    async def _each_once(self, keys: Sequence[str], add: Add) -> Sequence[Any]: ...

    @abstractmethod
    async def _moved(self) -> None: ...

    async def _insist(self, attempt: Callable[[], Awaitable[Any]], *, repeat: bool) -> Any:
        if self._closed:
            raise StoreAway
        return await insist(attempt, repeat=repeat, total=self._total, closed=lambda: self._closed, moved=self._moved)


class Client(Calls):
    """A pool of connections to one server."""

    def __init__(self, address: Address, *, attempt: float = ATTEMPT, total: float = TOTAL) -> None:
        super().__init__(total)
        settings = address.settings(attempt)
        self._pool = _Pool(CONNECTIONS, total, connection_class=address.kind, health_check_interval=HEALTH, **settings)
        self._redis = Redis.from_pool(self._pool)

    async def once(self, call: Call) -> Any:
        """Try once. Raise `Lost`, or `StoreFault` for an error reply."""
        try:
            return await call(self._redis)
        except NotConnected:
            raise Lost(sent=False) from None
        except RedisError as error:
            raise fault_behind(error) or Lost(sent=True) from None

    async def each_once(self, keys: Sequence[str], add: Add) -> Sequence[Any]:
        """Try all in one pipeline once. Raise as `once` does."""

        async def call(redis: Redis) -> Any:
            async with redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    add(pipeline, key)
                # Left to raise errors itself, it would put the command before the server's words.
                replies = await pipeline.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

        return list(await self.once(call)) if keys else []

    async def asking(self, call: Call) -> Any:
        """Try once with a key whose slot of a cluster is on its way to this server. Raise as `once` does."""

        async def alone(redis: Redis) -> Any:
            async with redis.client() as one:
                await one.execute_command("ASKING")  # type: ignore[no-untyped-call]
                return await call(one)

        return await self.once(alone)

    async def everywhere(self, keys: Sequence[str], call: Callable[[Redis, str], Awaitable[Any]]) -> None:
        """Do it at the one server."""
        await self.ask(keys[0], lambda redis: call(redis, keys[0]), repeat=True)

    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""
        self._closed = True
        await self._redis.aclose()

    async def _once(self, key: str, call: Call) -> Any:
        return await self.once(call)

    async def _each_once(self, keys: Sequence[str], add: Add) -> Sequence[Any]:
        return await self.each_once(keys, add)

    async def _moved(self) -> None:
        """Forget idle connections: the address may lead to another server by now."""
        await self._pool.disconnect(inuse_connections=False)
