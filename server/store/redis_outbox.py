"""What commits left for the ledger: one stream a partition, read by the archiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.crypto import Sealer
from server.ports import PARTITIONS
from server.redis_link.client import Client
from server.redis_link.keys import outbox_key


class RedisOutbox:
    """`Outbox` over Redis."""

    def __init__(self, client: Client, sealer: Sealer) -> None:
        self._client = client
        self._sealer = sealer

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return the oldest of each partition, in order. They share `limit`, so that none waits for a busy one."""
        keys = [outbox_key(partition) for partition in range(PARTITIONS)]
        lengths = await self._client.each(lambda pipeline: [pipeline.xlen(key) for key in keys])
        waiting = [partition for partition, length in enumerate(lengths) if length]
        if not waiting:
            return []
        share = max(1, limit // len(waiting))
        streams = await self._client.each(
            lambda pipeline: [pipeline.xrange(keys[partition], count=share) for partition in waiting]
        )
        return [
            (partition, id.decode(), self._sealer.open(partition, keys[partition], 0, fields[b"o"]))
            for partition, entries in zip(waiting, streams, strict=True)
            for id, fields in entries
        ]

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        keys = [outbox_key(partition) for partition in range(PARTITIONS)]
        return sum(await self._client.each(lambda pipeline: [pipeline.xlen(key) for key in keys]))

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget everything up to and including the given ids. By id, never by length: nothing unread may go."""
        await self._client.each(
            lambda pipeline: [
                pipeline.xtrim(outbox_key(partition), minid=_after(id), approximate=False)
                for partition, id in done.items()
            ]
        )


def _after(id: str) -> str:
    """Return the first stream id after `id`."""
    milliseconds, _, sequence = id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
