"""Rooms in Redis: every change is one script call, sealed before it leaves.

What a click waits for goes through the pipe, all else through redis-py's client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from redis.asyncio import Redis

from server.crypto import Names, Sealer
from server.ports import PARTITIONS, StoreAway
from server.ports.rooms import Commit, Conflict, Repeated, Stored
from server.redis_link import envelope
from server.redis_link.client import Calls
from server.redis_link.envelope import VERSION_BYTES
from server.redis_link.keys import NODES, RoomKeys, deadlines_key, documents_key, room_keys
from server.redis_link.pipe import Commands, Script
from server.store.scripts import source

KEEP_EVENTS: Final = 1000
"""Events kept for each room, and up to a hundred more: Redis drops them a block at a time."""
MARK_BYTES: Final = 8
_DOCUMENT_ROUNDS: Final = 8
_COMMIT: Final = Script(source("commit"))


class RedisRooms:
    """`RoomStore` over Redis."""

    def __init__(
        self,
        pipe: Commands,
        client: Calls,
        sealer: Sealer,
        names: Names,
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._pipe = pipe
        self._client = client
        self._sealer = sealer
        self._names = names
        self._random = random

    async def time(self) -> int:
        """Return the server's time in milliseconds."""
        # Of a cluster's servers always the same one for all nodes: their clocks may differ.
        seconds, micros = await self._client.ask(NODES, lambda redis: redis.time(), repeat=True)
        return int(seconds) * 1000 + int(micros) // 1000

    async def load(self, room: str) -> Stored | None:
        """Return the room as it was last saved."""
        keys = room_keys(room)
        return self._stored(keys, await self._pipe.call("GET", keys.room, repeat=True))

    async def commit(self, room: str, commit: Commit) -> None:
        """Save and publish. A lost connection leads to another try: the request id keeps it from counting twice."""
        keys = room_keys(room)
        partition, seal = keys.partition, self._sealer.seal
        reply_key = keys.reply + self._names.mark("request", commit.request)
        # Tells this call's own earlier try from another caller's commit with the same request id.
        mark = self._random(MARK_BYTES)
        events = [(seq, seal(partition, keys.events, seq, payload)) for seq, payload in commit.events]
        version = commit.expected + 1
        arguments: list[str | bytes | int] = [
            envelope.version(commit.expected),
            envelope.version(version) + seal(partition, keys.room, version, commit.snapshot),
            mark + seal(partition, reply_key, 0, envelope.pair(commit.body.encode(), commit.reply)),
            max(1, commit.keep),  # 0 would be an error, after the room was written
            "" if commit.deadline is None else commit.deadline,
            room,
            keys.channel,
            envelope.news(events) if events else b"",
            KEEP_EVENTS,
            len(events),
        ]
        for seq, sealed in events:
            arguments += (f"{seq}-0", sealed)
        arguments.append(len(commit.outbox))
        arguments += [seal(partition, keys.outbox, 0, owed) for owed in commit.outbox]
        script_keys: list[str | bytes | int] = [keys.room, keys.events, reply_key, keys.deadlines, keys.outbox]

        for _ in range(_DOCUMENT_ROUNDS):
            document_keys, document_arguments = await self._documents(room, partition, commit)
            answer = await self._pipe.run(
                _COMMIT,
                script_keys + document_keys,
                arguments + document_arguments,
                repeat=True,
                sure=bool(commit.outbox),  # what is owed to the ledger outlives a failover
            )
            if answer is None:
                return
            if answer[0] == b"conflict":
                raise Conflict(self._stored(keys, answer[1]))
            if answer[0] == b"repeated":
                if answer[1][:MARK_BYTES] == mark:
                    return
                body, reply = self._reply(partition, reply_key, answer[1])
                raise Repeated(reply, body)
            # "documents": one of them changed between our look and the script. Look again.
        raise StoreAway

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        """Return the stored (reply, body) of a request id, if it is still kept."""
        keys = room_keys(room)
        reply_key = keys.reply + self._names.mark("request", request)
        kept = await self._pipe.call("GET", reply_key, repeat=True)
        if kept is None:
            return None
        body, reply = self._reply(keys.partition, reply_key, kept)
        return reply, body

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        """Return the events with seq > `after`; None if the stream was trimmed beyond it."""
        keys = room_keys(room)
        entries = await self._pipe.call("XRANGE", keys.events, f"{after + 1}-0", "+", repeat=True)
        sealed = [(int(id.partition(b"-")[0]), fields[1]) for id, fields in entries]
        if sealed and sealed[0][0] != after + 1:
            return None
        return [(seq, self._sealer.open(keys.partition, keys.events, seq, value)) for seq, value in sealed]

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return rooms whose deadline is at or before `now`, the longest overdue first."""
        found = await self._client.soonest([deadlines_key(partition) for partition in range(PARTITIONS)], now, limit)
        return [room.decode() for _, _, room in found]

    async def postpone(self, room: str, until: int) -> None:
        """Move the room's deadline, if it has one before `until`."""
        key = room_keys(room).deadlines
        await self._client.ask(key, lambda redis: redis.zadd(key, {room: until}, xx=True, gt=True))

    async def delete(self, room: str) -> None:
        """Remove the room with its events, deadline and replies."""
        keys = room_keys(room)
        await self._client.ask(keys.deadlines, lambda redis: redis.zrem(keys.deadlines, room))
        await self._client.ask(keys.room, lambda redis: redis.delete(keys.room, keys.events))
        # Replies end by themselves within minutes; a walk over all keys is slow, and rooms are seldom deleted.
        page = await self._client.ask(keys.room, partial(_remove_some, 0, keys.reply + "*"), repeat=True)
        while page:
            page = await self._client.ask(keys.room, partial(_remove_some, page, keys.reply + "*"), repeat=True)

    async def _documents(
        self, room: str, partition: int, commit: Commit
    ) -> tuple[list[str | bytes | int], list[str | bytes | int]]:
        """Seal the commit's documents as the next version of what is there now; only these cost a second trip."""
        if not commit.documents:
            return [], []
        wanted = [
            (key := documents_key(self._names, room, kind), self._names.hide(key, id), value)
            for (kind, id), value in commit.documents.items()
        ]
        present = await self._pipe.each(("HGET", key, field) for key, field, _ in wanted)
        keys: list[str | bytes | int] = []
        arguments: list[str | bytes | int] = []
        for (key, field, value), old in zip(wanted, present, strict=True):
            expected = old[:VERSION_BYTES] if old else b""
            version = envelope.number(expected) + 1
            sealed = self._sealer.seal(partition, envelope.document_name(key, field), version, value)
            keys.append(key)
            arguments += (field, expected, envelope.version(version) + sealed)
        return keys, arguments

    def _stored(self, keys: RoomKeys, value: bytes | None) -> Stored | None:
        if value is None:
            return None
        version = envelope.number(value[:VERSION_BYTES])
        return Stored(version, self._sealer.open(keys.partition, keys.room, version, value[VERSION_BYTES:]))

    def _reply(self, partition: int, reply_key: str, kept: bytes) -> tuple[str, bytes]:
        body, reply = envelope.unpair(self._sealer.open(partition, reply_key, 0, kept[MARK_BYTES:]))
        return body.decode(), reply


async def _remove_some(cursor: int, pattern: str, redis: Redis) -> int:
    """Remove the keys like `pattern` on a page of the walk over all keys; return where the next one begins."""
    next_page, keys = await redis.scan(cursor, match=pattern, count=1000)
    if keys:
        await redis.delete(*keys)
    return next_page
