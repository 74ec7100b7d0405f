"""Registry documents in Redis: a hash for each place and kind, fields and values sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from server.crypto import Names, Sealer
from server.ports import PARTITIONS, StoreAway
from server.ports.documents import Changed, Document
from server.redis_link import envelope
from server.redis_link.client import Calls
from server.redis_link.envelope import VERSION_BYTES
from server.redis_link.keys import agenda_key, documents_key, outbox_key, partition_of
from server.redis_link.pipe import Commands, Script
from server.store.scripts import source

_ROUNDS: Final = 8
_CHANGE: Final = Script(source("document"))


class RedisDocuments:
    """`Documents` over Redis."""

    def __init__(self, pipe: Commands, client: Calls, sealer: Sealer, names: Names) -> None:
        self._pipe = pipe
        self._client = client
        self._sealer = sealer
        self._names = names

    async def get(self, place: str, kind: str, id: str) -> Document | None:
        """Return a document as it was last saved."""
        key = documents_key(self._names, place, kind)
        field = self._names.hide(key, id)
        value = await self._client.ask(key, lambda redis: redis.hget(key, field), repeat=True)
        return None if value is None else self._open(partition_of(place), key, field, value)

    async def put(
        self,
        place: str,
        kind: str,
        id: str,
        value: bytes,
        *,
        expected: int | None = None,
        outbox: Sequence[bytes] = (),
    ) -> int:
        """Save and return the new version. Without `expected` this looks first, and again if another was faster."""
        partition, key = partition_of(place), documents_key(self._names, place, kind)
        field = self._names.hide(key, id)
        for _ in range(_ROUNDS if expected is None else 1):
            if expected is None:
                present = await self._client.ask(key, lambda redis: redis.hget(key, field), repeat=True)
                before = envelope.number(present[:VERSION_BYTES]) if present else 0
            else:
                before = expected
            sealed = self._sealer.seal(partition, envelope.document_name(key, field), before + 1, value)
            new = envelope.version(before + 1) + sealed
            if await self._change(partition, key, field, envelope.version(before), new, outbox):
                return before + 1
        if expected is None:
            raise StoreAway
        raise Changed

    async def delete(self, place: str, kind: str, id: str, *, outbox: Sequence[bytes] = ()) -> bool:
        """Remove a document; False, and nothing owed, if there is none."""
        key = documents_key(self._names, place, kind)
        return await self._change(partition_of(place), key, self._names.hide(key, id), b"any", b"", outbox)

    async def all(self, place: str, kind: str) -> Mapping[str, Document]:
        """Return all documents of a kind by id."""
        partition, key = partition_of(place), documents_key(self._names, place, kind)
        found = await self._client.ask(key, lambda redis: redis.hgetall(key), repeat=True)
        return {
            self._names.show(key, field): self._open(partition, key, field, value) for field, value in found.items()
        }

    async def schedule(self, place: str, what: str, at: int | None) -> None:
        """Put `what` on the agenda of the place's partition, or take it off."""
        key = agenda_key(partition_of(place))
        hidden = self._names.hide(key, what)
        if at is None:
            await self._client.ask(key, lambda redis: redis.zrem(key, hidden))
        else:
            await self._client.ask(key, lambda redis: redis.zadd(key, {hidden: at}))

    async def scheduled(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return what is on the agenda at or before `now`, the earliest first."""
        keys = [agenda_key(partition) for partition in range(PARTITIONS)]
        found = await self._client.soonest(keys, now, limit)
        return [self._names.show(key, hidden) for _, key, hidden in found]

    async def _change(
        self, partition: int, key: str, field: bytes, expected: bytes, value: bytes, outbox: Sequence[bytes]
    ) -> bool:
        owed_key = outbox_key(partition)
        owed = [self._sealer.seal(partition, owed_key, 0, item) for item in outbox]
        keys, arguments = (key, owed_key), (field, expected, value, *owed)
        if not owed:
            return bool(await self._client.run(_CHANGE, keys, arguments))
        return bool(await self._pipe.run(_CHANGE, keys, arguments, sure=True))

    def _open(self, partition: int, key: str, field: bytes, value: bytes) -> Document:
        version = envelope.number(value[:VERSION_BYTES])
        name = envelope.document_name(key, field)
        return Document(version, self._sealer.open(partition, name, version, value[VERSION_BYTES:]))
