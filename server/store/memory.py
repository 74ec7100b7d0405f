"""The live state in memory: what Redis would do, for tests and for reading; it asks the clock it is given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from server.ports import PARTITIONS, Clock
from server.ports.documents import Changed, Document, Secrets
from server.ports.nodes import IDLE, Carried, Load, Nodes, Pulses
from server.ports.outbox import Outbox
from server.ports.rooms import Commit, Conflict, Repeated, Stored
from server.redis_link.envelope import PUBLISH_LIMIT
from server.redis_link.keys import partition_of

KEEP_EVENTS: Final = 1000
T = TypeVar("T")
Publish = Callable[[str, Sequence[tuple[int, bytes | None]]], None]
Failpoint = Callable[[str, Commit], Awaitable[None]]
"""Awaited with (room, commit) before a commit looks at the room: there a test lets another one overtake it."""


class _Expiring(Generic[T]):
    """A mapping whose entries may end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[T, int | None]] = {}

    def get(self, key: str) -> T | None:
        value, end = self._entries.get(key, (None, None))
        if end is not None and end <= self._clock():
            del self._entries[key]
            return None
        return value

    def put(self, key: str, value: T, ttl: int | None) -> None:
        self._entries[key] = (value, None if ttl is None else self._clock() + ttl)

    def update(self, key: str, value: T) -> None:
        """Replace a value that is there; its end stays."""
        self._entries[key] = (value, self._entries[key][1])

    def pop(self, key: str) -> T | None:
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def drop(self, prefix: str) -> None:
        for key in [key for key in self._entries if key.startswith(prefix)]:
            del self._entries[key]


@dataclass
class _Streams:
    """What is owed, by partition; ids as Redis writes them."""

    entries: dict[int, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    last: int = 0

    def append(self, partition: int, items: Sequence[bytes]) -> None:
        for item in items:
            self.last += 1
            self.entries[partition].append((self.last, item))


class MemoryDocuments:
    """`Documents` in memory."""

    def __init__(self, owed: _Streams) -> None:
        self._owed = owed
        self._documents: dict[tuple[str, str], dict[str, Document]] = defaultdict(dict)
        self._agenda: dict[tuple[int, str], int] = {}

    async def get(self, place: str, kind: str, id: str) -> Document | None:
        """Return a document as it was last saved."""
        return self._documents[place, kind].get(id)

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
        """Save and return the new version."""
        present = self._documents[place, kind].get(id)
        version = 0 if present is None else present.version
        if expected is not None and expected != version:
            raise Changed
        self.write(place, kind, id, value)
        self._owed.append(partition_of(place), outbox)
        return version + 1

    async def delete(self, place: str, kind: str, id: str, *, outbox: Sequence[bytes] = ()) -> bool:
        """Remove a document; False, and nothing owed, if there is none."""
        if self._documents[place, kind].pop(id, None) is None:
            return False
        self._owed.append(partition_of(place), outbox)
        return True

    async def all(self, place: str, kind: str) -> Mapping[str, Document]:
        """Return all documents of a kind by id."""
        return dict(self._documents[place, kind])

    async def schedule(self, place: str, what: str, at: int | None) -> None:
        """Put `what` on the agenda of the place's partition, or take it off."""
        if at is None:
            self._agenda.pop((partition_of(place), what), None)
        else:
            self._agenda[partition_of(place), what] = at

    async def scheduled(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return what is on the agenda at or before `now`, the earliest first."""
        due = sorted((at, what) for (_, what), at in self._agenda.items() if at <= now)
        return [what for _, what in due[:limit]]

    def write(self, place: str, kind: str, id: str, value: bytes) -> None:
        """Save without looking (for commits)."""
        documents = self._documents[place, kind]
        present = documents.get(id)
        documents[id] = Document(1 if present is None else present.version + 1, bytes(value))


class MemoryRooms:
    """`RoomStore` in memory."""

    def __init__(self, clock: Clock, documents: MemoryDocuments, owed: _Streams, publish: Publish) -> None:
        self._clock = clock
        self._documents = documents
        self._owed = owed
        self._publish = publish
        self._rooms: dict[str, Stored] = {}
        self._events: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._deadlines: dict[str, int] = {}
        self._replies: _Expiring[tuple[bytes, str]] = _Expiring(clock)
        self.failpoint: Failpoint | None = None

    async def time(self) -> int:
        """Return the clock's time."""
        return self._clock()

    async def load(self, room: str) -> Stored | None:
        """Return the room as it was last saved."""
        return self._rooms.get(room)

    async def commit(self, room: str, commit: Commit) -> None:
        """Save and publish, or raise `Repeated` (looked at first) or `Conflict`."""
        if self.failpoint is not None:
            await self.failpoint(room, commit)
        # Nothing is awaited from here on: saved whole or not at all.
        kept = self._replies.get(f"{room}:{commit.request}")
        if kept is not None:
            raise Repeated(*kept)
        present = self._rooms.get(room)
        if (0 if present is None else present.version) != commit.expected:
            raise Conflict(present)
        self._rooms[room] = Stored(commit.expected + 1, commit.snapshot)
        events = self._events[room]
        events.extend(commit.events)
        del events[:-KEEP_EVENTS]
        self._owed.append(partition_of(room), commit.outbox)
        for (kind, id), value in commit.documents.items():
            self._documents.write(room, kind, id, value)
        if commit.deadline is None:
            self._deadlines.pop(room, None)
        else:
            self._deadlines[room] = commit.deadline
        self._replies.put(f"{room}:{commit.request}", (commit.reply, commit.body), max(1, commit.keep))
        if commit.events:
            self._publish(room, [(seq, event if len(event) <= PUBLISH_LIMIT else None) for seq, event in commit.events])

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        """Return the stored (reply, body) of a request id, if it is still kept."""
        return self._replies.get(f"{room}:{request}")

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        """Return the events with seq > `after`; None if some of them are no longer kept."""
        events = [(seq, payload) for seq, payload in self._events[room] if seq > after]
        return None if events and events[0][0] != after + 1 else events

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return rooms whose deadline is at or before `now`, the longest overdue first."""
        due = sorted((at, room) for room, at in self._deadlines.items() if at <= now)
        return [room for _, room in due[:limit]]

    async def postpone(self, room: str, until: int) -> None:
        """Move the room's deadline, if it has one before `until`."""
        if self._deadlines.get(room, until) < until:
            self._deadlines[room] = until

    async def delete(self, room: str) -> None:
        """Remove the room with its events, deadline and replies."""
        self._rooms.pop(room, None)
        self._events.pop(room, None)
        self._deadlines.pop(room, None)
        self._replies.drop(f"{room}:")


class MemorySecrets:
    """`Secrets` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._values: _Expiring[bytes] = _Expiring(clock)
        self._counts: _Expiring[int] = _Expiring(clock)

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        """Save; `ttl` in milliseconds."""
        self._values.put(f"{kind}:{hash}", value, ttl)

    async def get(self, kind: str, hash: str) -> bytes | None:
        """Return the value, if it is there."""
        return self._values.get(f"{kind}:{hash}")

    async def take(self, kind: str, hash: str) -> bytes | None:
        """Return and delete in one."""
        return self._values.pop(f"{kind}:{hash}")

    async def delete(self, kind: str, hash: str) -> None:
        """Remove it, if it is there."""
        self._values.pop(f"{kind}:{hash}")

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        """Give it `ttl` milliseconds from now; False if it is gone."""
        value = self._values.get(f"{kind}:{hash}")
        if value is None:
            return False
        self._values.put(f"{kind}:{hash}", value, ttl)
        return True

    async def count(self, kind: str, hash: str, window: int) -> int:
        """Add one to a counter and return it."""
        key = f"{kind}:{hash}"
        count = self._counts.get(key)
        if count is None:
            self._counts.put(key, 1, window)
            return 1
        self._counts.update(key, count + 1)
        return count + 1


class MemoryNodes:
    """`Nodes` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._beats: dict[str, int] = {}
        self._rooms: dict[str, set[str]] = defaultdict(set)
        self._leases: _Expiring[str] = _Expiring(clock)
        self._agreed: dict[str, str] = {}
        self._clock = clock
        self._pulses: dict[str, int] = {}
        self._loads: dict[str, Load] = {}
        self._carried: dict[str, Carried] = {}

    async def beat(self, node: str, now: int) -> None:
        """Say that `node` is alive at `now`."""
        self._beats[node] = now

    async def all(self) -> Mapping[str, int]:
        """Return each node's last beat."""
        return dict(self._beats)

    async def enter(self, node: str, room: str) -> None:
        """Note that `node` has connections or media of `room`."""
        self._rooms[node].add(room)

    async def leave(self, node: str, room: str) -> None:
        """Note that it has none any more."""
        self._rooms[node].discard(room)

    async def rooms(self, node: str) -> Sequence[str]:
        """Return the rooms that `node` entered and did not leave."""
        return sorted(self._rooms[node])

    async def forget(self, node: str) -> None:
        """Remove a node that is gone, and its rooms."""
        self._rooms.pop(node, None)
        self._beats.pop(node, None)
        await self.hush(node)

    async def pulse(self, node: str, load: Load = IDLE) -> Pulses:
        """Say that `node` is alive, with how much to do, and return when every node last was, and with how much."""
        self._pulses[node], self._loads[node] = self._clock(), load
        return Pulses(self._pulses[node], dict(self._pulses), dict(self._loads))

    async def hush(self, node: str) -> None:
        """Say that `node` goes, and pulses no more."""
        self._pulses.pop(node, None)
        self._loads.pop(node, None)

    async def claim(self, visit: str, node: str, *, over: Carried | None = None, floor: int = 0) -> Carried:
        """Return who carries a visit: `node`, if nobody did or if it was `over`."""
        there = self._carried.get(visit, Carried("", 0))
        if there.node and there != over:
            return there
        self._carried[visit] = Carried(node, max(there.fence, floor) + 1)
        return self._carried[visit]

    async def carriers(self, visits: Sequence[str]) -> Mapping[str, Carried]:
        """Return who carries each of these visits, where anybody does."""
        return {visit: there for visit in visits if (there := self._carried.get(visit)) is not None and there.node}

    async def release(self, visit: str, node: str) -> None:
        """Say that `node` carries it no more, if it did. The fence is kept."""
        there = self._carried.get(visit)
        if there is not None and there.node == node:
            self._carried[visit] = Carried("", there.fence)

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        """Take or renew a lease for `ttl` ms; False while another node holds it."""
        if self._leases.get(name) not in {None, node}:
            return False
        self._leases.put(name, node, ttl)
        return True

    async def agree(self, name: str, value: str) -> str:
        """Write `value` if nothing is there yet, and return what is there."""
        return self._agreed.setdefault(name, value)


class MemoryOutbox:
    """`Outbox` in memory."""

    def __init__(self, owed: _Streams) -> None:
        self._owed = owed

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return the oldest of each partition, in order. They share `limit`, so that none waits for a busy one."""
        waiting = [partition for partition in range(PARTITIONS) if self._owed.entries[partition]]
        share = max(1, limit // max(1, len(waiting)))
        return [
            (partition, f"{number}-0", item)
            for partition in waiting
            for number, item in self._owed.entries[partition][:share]
        ]

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        return sum(len(self._owed.entries[partition]) for partition in range(PARTITIONS))

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget everything up to and including the given ids."""
        for partition, id in done.items():
            last = int(id.partition("-")[0])
            entries = self._owed.entries[partition]
            self._owed.entries[partition] = [entry for entry in entries if entry[0] > last]


def _unheard(room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
    """Nobody listens."""


class MemoryStore:
    """All ports of the store, with the attributes of `RedisStore`."""

    def __init__(self, clock: Clock, publish: Publish = _unheard) -> None:
        """`publish` hears of each commit's events: `bus.memory.Air.publish`."""
        owed = _Streams()
        self.documents = MemoryDocuments(owed)
        self.rooms = MemoryRooms(clock, self.documents, owed, publish)
        self.secrets: Secrets = MemorySecrets(clock)
        self.nodes: Nodes = MemoryNodes(clock)
        self.outbox: Outbox = MemoryOutbox(owed)

    async def ping(self) -> None:
        """Memory always answers."""

    async def close(self) -> None:
        """There is nothing to close."""
