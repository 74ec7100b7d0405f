"""A room no older than what people here were told of it, also if more was told while it was on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.ports.door import Rooms
from signaling.errors import Unavailable
from signaling.state import Room

TRIES: Final = 5
"""Times that a room is read before it is given up: each time it changed while it was read."""


async def fresh(rooms: Rooms, room: str, seen: Callable[[str], int], *, seq: int = 0) -> Room | None:
    """Return a room, as new as event `seq` and as all that `seen` knows of when this returns; None: there is none.

    Raise `Unavailable` if it stays behind, or `StoreAway`.
    """
    for _ in range(TRIES):
        found = await rooms.present(room, seq=max(seq, seen(room)))
        if found is None or found.seq >= seen(room):
            return found
    raise Unavailable("the room stays behind what was heard of it")
