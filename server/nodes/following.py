"""Rooms with media here are looked at whenever there is news of them: what follows may be another node's, or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from server.ports import StoreAway
from server.ports.door import Rooms
from signaling.state import Room

AGAIN: Final = 0.1
"""Seconds until a room is read again that the store, patient as it is, did not answer for."""


class Following:
    """Looks at rooms. What this node did not know before the door itself tells, too, to whom it may concern."""

    def __init__(
        self,
        rooms: Rooms,
        *,
        here: Callable[[str], bool],
        saw: Callable[[Room], None],
        gone: Callable[[str], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`here`: whether there are media of a room at this node. `saw` is shown each room that was looked at.

        `gone` hears of a room that is no more.
        """
        self._rooms = rooms
        self._here = here
        self._saw = saw
        self._gone = gone
        self._spawn = spawn
        self._heard: dict[str, int] = {}
        """The newest event number heard of a room with media here."""
        self._to_read: dict[str, int] = {}
        """Rooms that are to be read, no older than that event; 0: as they are."""

    def heard(self, room: str) -> int:
        """Return the newest event number heard of a room; 0 if it is not followed."""
        return self._heard.get(room, 0)

    def hear(self, room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
        """Take events of a room: if media of it are here, it is read, unless this node knows as much."""
        if events and self._here(room):
            self._heard[room] = newest = max(self.heard(room), events[-1][0])
            self._read_soon(room, newest)

    def look_at(self, rooms: Iterable[str]) -> None:
        """Read these rooms as they are: something may have been missed."""
        for room in rooms:
            self._read_soon(room, 0)

    def forget(self, room: str) -> None:
        """Note that there may be no media of a room here any more."""
        if not self._here(room):
            self._heard.pop(room, None)

    def _read_soon(self, room: str, seq: int) -> None:
        reading = room in self._to_read
        # A look at the room as it is outdoes one at some event of it.
        self._to_read[room] = 0 if not seq or self._to_read.get(room) == 0 else seq
        if not reading:
            self._spawn(self._read(room))

    async def _read(self, room: str) -> None:
        """Read the room as often as the news of it grows older meanwhile."""
        try:
            while self._here(room):
                seq = self._to_read[room]
                try:
                    found = await self._rooms.present(room, seq=seq)
                except StoreAway:
                    await asyncio.sleep(AGAIN)
                    continue
                if found is None:  # it went with its practice
                    self._gone(room)
                    continue
                self._saw(found)
                if self._to_read[room] == seq:
                    return
        finally:
            del self._to_read[room]
