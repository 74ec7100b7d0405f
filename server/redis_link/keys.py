"""The names of everything in Redis, and the partition each lies in.

A partition is a hash tag, `{p00}` to `{p63}`: what changes together shares a slot of a cluster. Room ids are hashes
and may be seen; callers' own ids, a practice's too, never appear (`server/crypto`, Names).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

from server.crypto import Names
from server.ports import PARTITIONS

NODES: Final = "nodes"
PULSES: Final = "pulses"
LOADS: Final = "{pulses}:loads"
"""In the slot of the pulses: one script writes both."""


class RoomKeys(NamedTuple):
    """The keys of one room."""

    partition: int
    room: str
    events: str
    reply: str
    """A prefix: each stored reply has a key of its own, since each has its own end."""
    deadlines: str
    outbox: str
    channel: str


def partition_of(place: str) -> int:
    """Return the partition of a room or a practice."""
    return hashlib.sha256(place.encode()).digest()[-1] % PARTITIONS


@lru_cache(maxsize=8192)
def room_keys(room: str) -> RoomKeys:
    """Return a room's keys."""
    partition = partition_of(room)
    tag = _tag(partition)
    return RoomKeys(
        partition,
        room=f"{tag}:room:{room}",
        events=f"{tag}:events:{room}",
        reply=f"{tag}:reply:{room}:",
        deadlines=f"{tag}:deadlines",
        outbox=f"{tag}:outbox",
        channel=channel_of(room),
    )


def channel_of(room: str) -> str:
    """Return the pub/sub channel of a room. Channels belong to no slot."""
    return f"room:{room}"


def room_of(channel: str) -> str:
    """Return the room of a pub/sub channel."""
    return channel.removeprefix("room:")


def node_channel(node: str) -> str:
    """Return the pub/sub channel of a node."""
    return f"node:{node}"


def documents_key(names: Names, place: str, kind: str) -> str:
    """Return the key of the hash that holds all documents of a kind in a place."""
    return f"{_tag(partition_of(place))}:documents:{names.mark('place', place)}:{kind}"


def deadlines_key(partition: int) -> str:
    """Return the sorted set of the partition's rooms that want to be woken."""
    return f"{_tag(partition)}:deadlines"


def agenda_key(partition: int) -> str:
    """Return the sorted set of what is scheduled in the partition."""
    return f"{_tag(partition)}:agenda"


def outbox_key(partition: int) -> str:
    """Return the stream of what is owed to the ledger."""
    return f"{_tag(partition)}:outbox"


def probe_key(partition: int) -> str:
    """Return a key of the partition that never has a value."""
    return f"{_tag(partition)}:probe"


def secret_key(kind: str, hash: str) -> str:
    """Return a single key; it lies in whatever slot its own name gives it."""
    return f"{kind}:{hash}"


def count_key(kind: str, hash: str) -> str:
    """Return the key of a counter."""
    return f"count:{kind}:{hash}"


def at_key(node: str) -> str:
    """Return the set of rooms that have connections or media at a node."""
    return f"at:{node}"


def lease_key(name: str) -> str:
    """Return the key that says who holds a lease."""
    return f"lease:{name}"


def carried_key(visit: str) -> str:
    """Return the key that says which node carries a visit's media."""
    return f"carried:{visit}"


def agreed_key(name: str) -> str:
    """Return the key of something all nodes must agree on."""
    return f"agreed:{name}"


def _tag(partition: int) -> str:
    return f"{{p{partition:02d}}}"
