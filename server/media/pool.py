"""Peers of one purpose that belong to no visit, bounded in number and in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from server.media.peer import Peer
from signaling.errors import TooMany

Key = tuple[str, str, str]
"""(room, participant, the browser's name of the peer)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many there may be, and for how long."""

    each: int
    """Of one participant in one room: of more the oldest goes."""
    all: int
    """On this node: more are refused, so that those who came first do not lose what they have."""
    life: float
    """Seconds."""
    renewed: bool
    """Whether another offer lets the time begin anew."""


WARM: Final = Bounds(each=2, all=256, life=600.0, renewed=True)
CHECK: Final = Bounds(each=1, all=24, life=15.0, renewed=False)


class Pool:
    """Peers of one purpose. Whoever takes one out has it to themselves."""

    def __init__(
        self,
        bounds: Bounds,
        *,
        make: Callable[[], Peer],
        drop: Callable[[Peer], None],
        left: Callable[[str, str, str], None],
        changed: Callable[[Peer], None] = lambda peer: None,
    ) -> None:
        """`make` returns a new peer; `drop` closes one.

        `left` hears of each that is here no more (room, participant, peer), whatever became of it. `changed` is told
        of each that has connected.
        """
        self._bounds = bounds
        self._make = make
        self._drop = drop
        self._left = left
        self._changed = changed
        self._peers: dict[Key, Peer] = {}
        """Oldest first."""
        self._since: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def get(self, key: Key) -> Peer | None:
        """Return a peer that is here."""
        return self._peers.get(key)

    def offered(self, key: Key, now: float) -> Peer:
        """Return the peer that an offer is for, if need be a new one. Raise `TooMany`."""
        known = self._peers.get(key)
        if known is not None:
            if self._bounds.renewed:
                self._since[key] = now
            return known
        theirs = [other for other in self._peers if other[:2] == key[:2]]
        for other in theirs[: max(0, len(theirs) + 1 - self._bounds.each)]:
            self.close(other)
        if len(self._peers) >= self._bounds.all:
            raise TooMany("peers with this server alone")
        made = self._peers[key] = self._make()
        made.changed = lambda peer: self._tell(key, peer)
        self._since[key] = now
        return made

    def take(self, key: Key) -> Peer | None:
        """Return a peer and know of it no more."""
        found = self._peers.pop(key, None)
        if found is not None:
            del self._since[key]
            self._left(*key)
        return found

    def close(self, key: Key) -> None:
        """Close a peer."""
        found = self.take(key)
        if found is not None:
            self._drop(found)

    def close_all(self) -> None:
        """Close every peer."""
        for key in tuple(self._peers):
            self.close(key)

    def look_after(self, now: float, *, connect_within: float) -> None:
        """Close those whose time is over, or that never connected in theirs."""
        for key, peer in tuple(self._peers.items()):
            age = now - self._since[key]
            if age > self._bounds.life or (peer.state == "new" and now - peer.since > connect_within):
                self.close(key)
            else:
                peer.find_way()

    def _tell(self, key: Key, peer: Peer) -> None:
        if self._peers.get(key) is not peer:
            return
        if peer.gone:
            self.close(key)
        else:
            self._changed(peer)
