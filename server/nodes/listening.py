"""The rooms this node listens to, for whichever of its parts needs them: connections, or media.

Connections and media of a room may be at different nodes, and come and go apart. So the note that this node is `at` a
room, and its subscription, last until neither needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from weakref import WeakValueDictionary

from server.ports import StoreAway
from server.ports.bus import Bus
from server.ports.nodes import Attendance

logger = logging.getLogger("carelobby.listening")


class Listening:
    """`Bus` and `Attendance` for the hub, as if it were alone; `begin` and `end` for media."""

    def __init__(self, bus: Bus, nodes: Attendance, *, node: str) -> None:
        self._bus = bus
        self._nodes = nodes
        self._node = node
        self._noted: set[str] = set()
        """Rooms with connections here, or about to have some."""
        self._subscribed: set[str] = set()
        """Of them, those whose events the hub hears."""
        self._media: defaultdict[str, set[str]] = defaultdict(set)
        """Visits with media here, by room."""
        self._heard: set[str] = set()
        """Of these rooms, those that are noted and subscribed for their media."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- For connections

    async def enter(self, node: str, room: str) -> None:
        """Note that there are connections of a room here. Raise `StoreAway`."""
        async with self._turn(room):
            self._noted.add(room)
            await self._nodes.enter(node, room)

    async def leave(self, node: str, room: str) -> None:
        """Note that there are none any more, and perhaps nothing. Raise `StoreAway`."""
        async with self._turn(room):
            self._noted.discard(room)
            if room not in self._heard:
                await self._nodes.leave(node, room)

    async def subscribe(self, room: str) -> None:
        """Return when events committed from now on will be delivered. Raise `StoreAway`."""
        async with self._turn(room):
            self._subscribed.add(room)
            await self._bus.subscribe(room)

    async def unsubscribe(self, room: str) -> None:
        """Let the hub hear no more of a room. Raise `StoreAway`."""
        async with self._turn(room):
            self._subscribed.discard(room)
            if room not in self._heard:
                await self._bus.unsubscribe(room)

    def has_people(self, room: str) -> bool:
        """Whether there are connections of a room here."""
        return room in self._subscribed

    # --- For media

    async def begin(self, room: str, visit: str) -> None:
        """Return when events committed from now on will be delivered: there are media of a visit here. `StoreAway`."""
        self._media[room].add(visit)
        if room in self._heard:
            return
        async with self._turn(room):
            await self._nodes.enter(self._node, room)
            await self._bus.subscribe(room)
            self._heard.add(room)

    async def end(self, room: str, visit: str) -> None:
        """Note that there are no media of a visit here any more."""
        async with self._turn(room):
            self._media[room].discard(visit)
            if self._media[room]:
                return
            del self._media[room]
            self._heard.discard(room)
            try:
                if room not in self._subscribed:
                    await self._bus.unsubscribe(room)
                if room not in self._noted:
                    await self._nodes.leave(self._node, room)
            except StoreAway:
                logger.warning("%s: left while the store was away", room)

    async def note_again(self) -> None:
        """Note all rooms again that this node is at: others took it for dead. Raise `StoreAway`.

        Connections that it had are over, but somebody may come to a room that those have not quite left.
        """
        for room in (*self._heard, *self._noted):
            async with self._turn(room):
                if room in self._heard or room in self._noted:
                    await self._nodes.enter(self._node, room)

    def _turn(self, room: str) -> asyncio.Lock:
        return self._turns.setdefault(room, asyncio.Lock())
