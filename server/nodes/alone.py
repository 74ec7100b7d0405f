"""Peers with the server alone, at the home of their room's media: whoever may have one is let in, and no longer.

A warm one waits there, connected, for its visit to begin at that very node. It lives as long as its participant is
connected by the device that made it, and the room's own rules let them have it.
"""

from __future__ import annotations

import itertools
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from server.nodes.errands import Answered, Errands, OfferedAlone, TrickledAlone
from server.nodes.leases import Leases
from server.nodes.listening import Listening
from server.nodes.placement import home
from server.ports.door import Rooms
from server.ports.media import MediaAlone
from signaling.errors import NotFound, Refused
from signaling.negotiation import demand_alone, keeps_alone
from signaling.state import Room

MOST_KNOWN: Final = 4096
"""Peers that were warm, and that this node knows to have been."""

Key = tuple[str, str, str]
"""(room, participant, the browser's name of the peer)."""


@dataclass(slots=True)
class _Peer:
    """A peer that is here."""

    asked: OfferedAlone
    """The latest offer that was answered, or the first."""
    name: str
    """By which this node listens to its room."""
    version: int = 0
    """Of the room that let it in: what an older one shows is past."""


class Alone:
    """Brings offers and candidates to the room's home, and is the gate of those that come here."""

    def __init__(
        self,
        media: MediaAlone,
        *,
        node: str,
        rooms: Rooms,
        leases: Leases,
        listening: Listening,
        errands: Errands,
        forget: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`forget` hears of rooms left behind."""
        self._media = media
        self._node = node
        self._rooms = rooms
        self._leases = leases
        self._listening = listening
        self._errands = errands
        self._forget = forget
        self._spawn = spawn
        self._here: dict[Key, _Peer] = {}
        self._rooms_here: Counter[str] = Counter()
        """How many there are of each room."""
        self._names = (f"alone {number}" for number in itertools.count(1))
        self._warm: OrderedDict[Key, None] = OrderedDict()
        """Peers that were made warm through this node, wherever."""

    # --- For browsers of this node

    async def bring(self, asked: OfferedAlone | TrickledAlone) -> Answered:
        """Return what the room's home answers. Raise `SignalingError` or `StoreAway`."""
        there = home(asked.room, self._leases.loads())
        if isinstance(asked, OfferedAlone) and asked.purpose == "warm":
            self._warm[asked.room, asked.by.participant, asked.peer] = None
            while len(self._warm) > MOST_KNOWN:
                self._warm.popitem(last=False)
        return await (self.serve(asked) if there in (None, self._node) else self._errands.ask(there, asked))

    def knows(self, room: str, participant: str, peer: str) -> bool:
        """Tell whether a peer was made warm through this node: then nobody can answer it but who has it."""
        return (room, participant, peer) in self._warm

    # --- For all nodes

    async def serve(self, asked: OfferedAlone | TrickledAlone) -> Answered:
        """Answer an offer, or take candidates, here. Raise `SignalingError` or `StoreAway`."""
        if isinstance(asked, OfferedAlone):
            return await self._offer(asked)
        key = (asked.room, asked.by.participant, asked.peer)
        if key not in self._here:
            raise Refused("no such peer")
        await self._media.candidates(room=key[0], participant=key[1], peer=key[2], candidates=asked.candidates)
        return Answered()

    async def _offer(self, asked: OfferedAlone) -> Answered:
        key = (asked.room, asked.by.participant, asked.peer)
        mine = self._here.get(key)
        if new := mine is None:
            mine = self._here[key] = _Peer(asked, next(self._names))
            self._rooms_here[asked.room] += 1
        try:
            if new:
                # Listening comes first: what changes once the gate was passed is heard.
                await self._listening.begin(asked.room, mine.name)
            mine.version = await self._let_in(asked)
            answer = await self._media.offer(
                purpose=asked.purpose,
                room=asked.room,
                participant=asked.by.participant,
                peer=asked.peer,
                round=asked.round,
                sdp=asked.sdp,
            )
        except BaseException:
            if not self._media.has(*key):
                self.left(*key)
            raise
        mine.asked = asked  # not before: until it is answered, the peer is what it was let in for
        # They may have gone, or been sent away, while the answer was made: then this peer must not outlive it.
        if self._here.get(key) is not mine or not _keeps(await self._room(asked), asked):
            self._media.stop(*key)
            raise Refused("no such peer any more")
        return Answered(answer.sdp)

    async def _let_in(self, asked: OfferedAlone) -> int:
        """Return the version of the room that lets a peer in. Raise `SignalingError` or `StoreAway`."""
        room = await self._room(asked)
        demand_alone(room, asked.by, asked.purpose)
        if not _is_there(room, asked):
            raise Refused("another device of this participant is active")
        return room.version

    async def _room(self, asked: OfferedAlone) -> Room:
        room = await self._rooms.present(asked.room)  # as it is: that somebody has connected is no event
        if room is None:
            raise NotFound("no such room")
        return room

    def left(self, room: str, participant: str, peer: str) -> None:
        """Note that a peer is here no more, or no more alone."""
        found = self._here.pop((room, participant, peer), None)
        if found is None:
            return
        self._rooms_here[room] -= 1
        if not self._rooms_here[room]:
            del self._rooms_here[room]
            self._forget(room)
        self._spawn(self._listening.end(room, found.name))

    # --- News of rooms

    def rooms(self) -> set[str]:
        """Return the rooms with such peers here."""
        return set(self._rooms_here)

    def follows(self, room: str) -> bool:
        """Tell whether there are such peers of a room here."""
        return room in self._rooms_here

    def saw(self, room: Room) -> None:
        """Close the peers of those who may not have them any more, as the room shows."""
        if room.id not in self._rooms_here:
            return
        for key, mine in tuple(self._here.items()):
            if key[0] == room.id and room.version >= mine.version and not _keeps(room, mine.asked):
                self._media.stop(*key)

    def gone(self, room: str) -> None:
        """Close the peers of a room that is no more."""
        for key in [key for key in self._here if key[0] == room]:
            self._media.stop(*key)


def _keeps(room: Room, asked: OfferedAlone) -> bool:
    """Tell whether a peer may stay: by the room's rules, and while the device that made it is connected."""
    return _is_there(room, asked) and keeps_alone(room, asked.by, asked.purpose)


def _is_there(room: Room, asked: OfferedAlone) -> bool:
    theirs = [
        connection for connection in room.connections.values() if connection.who.participant == asked.by.participant
    ]
    return any(connection.device == asked.device for connection in theirs)
