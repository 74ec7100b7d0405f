"""This node's places for the media of visits: taken, kept for visits that are about to start, and free."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from server.ports.nodes import Load

KEPT: Final = 5.0
"""Seconds within which a visit that was to start has started, or was refused."""


class Places:
    """Counts them. A visit that runs finds its place though there is none: it is only the new that are refused."""

    def __init__(
        self,
        carried: Callable[[], Collection[tuple[str, str]]],
        *,
        free: Callable[[int], int],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`carried`: (visit, room) of what this node carries. `steady` is seconds that never jump.

        `free` returns how many more visits this node takes when it has so many.
        """
        self._carried = carried
        self._free = free
        self._steady = steady
        self._kept: dict[str, float] = {}
        """Until when a place is kept, by room."""
        self.draining = False
        """Whether this node begins to carry no visit that another can carry."""

    def load(self) -> Load:
        """Return how much this node has to do."""
        visits = len(self._carried()) + len(self._waiting())
        return Load(visits=visits, free=self._free(visits), draining=self.draining)

    def keep(self, room: str) -> bool:
        """Keep a place for the visit that is about to start in a room; tell whether there was one."""
        there = room in self._waiting() or any(where == room for _, where in self._carried())
        if not there and (self.draining or self.load().free == 0):
            return False
        self._kept[room] = self._steady() + KEPT
        return True

    def give_up(self, room: str) -> None:
        """Keep no place any more: the visit is over before it came."""
        self._kept.pop(room, None)

    def _waiting(self) -> Collection[str]:
        """Return the rooms whose visits are about to come."""
        rooms, now = {room for _, room in self._carried()}, self._steady()
        for room in [room for room, until in self._kept.items() if until < now or room in rooms]:
            del self._kept[room]
        return self._kept
