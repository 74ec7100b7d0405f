"""Single keys in Redis, by the SHA-256 of a secret."""

from __future__ import annotations

from typing import Final

from server.crypto import Sealer
from server.redis_link.client import Calls
from server.redis_link.keys import count_key, partition_of, secret_key
from server.redis_link.pipe import Script
from server.store.scripts import source

_COUNT: Final = Script(source("count"))


class RedisSecrets:
    """`Secrets` over Redis."""

    def __init__(self, client: Calls, sealer: Sealer) -> None:
        self._client = client
        self._sealer = sealer

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        """Save; `ttl` in milliseconds."""
        key = secret_key(kind, hash)
        sealed = self._sealer.seal(partition_of(key), key, 0, value)
        await self._client.ask(key, lambda redis: redis.set(key, sealed, px=ttl))

    async def get(self, kind: str, hash: str) -> bytes | None:
        """Return the value, if it is there."""
        key = secret_key(kind, hash)
        return self._open(key, await self._client.ask(key, lambda redis: redis.get(key), repeat=True))

    async def take(self, kind: str, hash: str) -> bytes | None:
        """Return and delete in one."""
        key = secret_key(kind, hash)
        return self._open(key, await self._client.ask(key, lambda redis: redis.getdel(key)))

    async def delete(self, kind: str, hash: str) -> None:
        """Remove it, if it is there."""
        key = secret_key(kind, hash)
        await self._client.ask(key, lambda redis: redis.delete(key))

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        """Give it `ttl` milliseconds from now; False if it is gone."""
        key = secret_key(kind, hash)
        return bool(await self._client.ask(key, lambda redis: redis.pexpire(key, ttl)))

    async def count(self, kind: str, hash: str, window: int) -> int:
        """Add one to a counter and return it."""
        return int(await self._client.run(_COUNT, [count_key(kind, hash)], [window]))

    def _open(self, key: str, sealed: bytes | None) -> bytes | None:
        return None if sealed is None else self._sealer.open(partition_of(key), key, 0, sealed)
