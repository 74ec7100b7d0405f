"""What commits left for the ledger: one stream a partition, read by the archiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.crypto import Sealer
from server.ports import PARTITIONS
from server.redis_link.client import Calls
from server.redis_link.keys import outbox_key


class RedisOutbox:
    """`Outbox` over Redis."""

    def __init__(self, client: Calls, sealer: Sealer) -> None:
        self._client = client
        self._sealer = sealer

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return the oldest of each partition, in order. They share `limit`, so that none waits for a busy one."""
        keys = [outbox_key(partition) for partition in range(PARTITIONS)]
        lengths = await self._client.each(keys, lambda pipeline, key: pipeline.xlen(key))
        waiting = [partition for partition, length in enumerate(lengths) if length]
        if not waiting:
            return []
        share = max(1, limit // len(waiting))
        streams = await self._client.each(
            [keys[partition] for partition in waiting], lambda pipeline, key: pipeline.xrange(key, count=share)
        )
        return [
            (partition, id.decode(), self._sealer.open(partition, keys[partition], 0, fields[b"o"]))
            for partition, entries in zip(waiting, streams, strict=True)
            for id, fields in entries
        ]

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        keys = [outbox_key(partition) for partition in range(PARTITIONS)]
        return sum(await self._client.each(keys, lambda pipeline, key: pipeline.xlen(key)))

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget everything up to and including the given ids. By id, never by length: nothing unread may go."""
        after = {outbox_key(partition): _after(id) for partition, id in done.items()}
        await self._client.each(
            [*after], lambda pipeline, key: pipeline.xtrim(key, minid=after[key], approximate=False)
        )


def _after(id: str) -> str:
    """Return the first stream id after `id`."""
    milliseconds, _, sequence = id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
