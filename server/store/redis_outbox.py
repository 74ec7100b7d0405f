"""What commits left for the ledger: one stream a partition, read by the archiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.crypto import Sealer
from server.ports import PARTITIONS
from server.store.keys import outbox_key
from server.store.pipe import Pipe


class RedisOutbox:
    """`Outbox` over Redis."""

    def __init__(self, pipe: Pipe, sealer: Sealer) -> None:
        self._pipe = pipe
        self._sealer = sealer

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return the oldest of each partition, in order. They share `limit`, so that none waits for a busy one."""
        lengths = await self._pipe.each(("XLEN", outbox_key(partition)) for partition in range(PARTITIONS))
        waiting = [partition for partition, length in enumerate(lengths) if length]
        if not waiting:
            return []
        share = max(1, limit // len(waiting))
        streams = await self._pipe.each(
            ("XRANGE", outbox_key(partition), "-", "+", "COUNT", share) for partition in waiting
        )
        return [
            (partition, id.decode(), self._sealer.open(partition, outbox_key(partition), 0, fields[1]))
            for partition, entries in zip(waiting, streams, strict=True)
            for id, fields in entries
        ]

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        return sum(await self._pipe.each(("XLEN", outbox_key(partition)) for partition in range(PARTITIONS)))

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget everything up to and including the given ids. By id, never by length: nothing unread may go."""
        await self._pipe.each(("XTRIM", outbox_key(partition), "MINID", _after(id)) for partition, id in done.items())


def _after(id: str) -> str:
    """Return the first stream id after `id`."""
    milliseconds, _, sequence = id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
