"""The one door into a room, and what admits a connection to it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from signaling.events import Fact
from signaling.messages import Ok
from signaling.requests import RoomRequest
from signaling.state import Room, Who


class Rooms(Protocol):
    """`server/dispatch`: load, decide, commit if unchanged, do."""

    async def ask(self, room: str, by: Who, connection: str, request: RoomRequest) -> Ok:
        """Apply a participant's request (with its idempotency key, if any). Raise `SignalingError`."""
        ...

    async def fact(self, room: str, fact: Fact) -> None:
        """Apply a fact. `Connected` may be refused (`Busy`: another device is active), and what the EHR planned.

        An appointment of more clients than a group may have is `TooMany`.
        """
        ...

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        """Return the room as saved, no older than event `seq` (0: as it is now); None if it does not exist."""
        ...


class Ticket(Struct, frozen=True):
    """What a WebSocket ticket stands for."""

    room: str
    practice: str
    by: Who
    sign_in: str | None = None
    """The SHA-256 of the provider's sign-in, so that signing out ends the connection."""
    until: int | None = None
    """ms UTC, when the right to be connected ends; None: with the visit or the sign-in."""
