"""What nodes hear of rooms, and of one another, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Bus(Protocol):
    """News of rooms from all nodes, this one included. At most once: the hub fills holes from the store."""

    async def subscribe(self, room: str) -> None:
        """Return when events committed from now on will be delivered."""
        ...

    async def unsubscribe(self, room: str) -> None: ...


class Post(Protocol):
    """What nodes say to one another beside the store: at most once, never stored. Both may raise `StoreAway`."""

    async def post(self, node: str, letter: bytes) -> None:
        """Send to one node, this one included; nobody hears it if that node is not there."""
        ...

    async def call(self, room: str, letter: bytes) -> None:
        """Send to every node that is subscribed to a room, this one included if it is."""
        ...


Deliver = Callable[[str, Sequence[tuple[int, bytes | None]]], None]
"""Called by the bus with (room, [(seq, payload)]); a payload over 8 KiB arrives as None and is read from the store."""
Gap = Callable[[], None]
"""Called by the bus when it may have missed something in any room: the hub then reads all its rooms again."""
Letter = Callable[[bytes], None]
"""Called by the bus with what was posted to this node."""
Called = Callable[[str, bytes], None]
"""Called by the bus with (room, letter) of what was called to all nodes of a room."""
