"""Which rooms of others a provider may enter: those with an opened appointment that they share.

The index lies beside the co-provider's own room, so that signing in reads one place. It is a hint alone: what the
appointment says is asked each time, and entering asks the room itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from server.registry.documents import Appointment, Closed, Provider, Shared
from server.registry.names import room_id
from server.registry.shelf import Shelf, together


class SharedRoom(Struct, frozen=True):
    """Another provider's room, to somebody who shares an appointment in it."""

    room: str
    host: Provider


@dataclass(frozen=True, slots=True)
class SharedRooms:
    """The rooms that co-providers may enter."""

    shelf: Shelf

    async def put(self, practice: str, room: str, appointment: Appointment) -> None:
        """Let an appointment's co-providers find it."""
        pointer = Shared(room=room)
        await together(
            self.shelf.put(room_id(practice, provider), appointment.id, pointer)
            for provider in appointment.providers[1:]
        )

    async def drop(self, practice: str, appointment: str, providers: Sequence[str]) -> None:
        """Let these providers find it no more."""
        await together(self.shelf.delete(room_id(practice, one), Shared, appointment) for one in providers)

    async def of(self, practice: str, provider: str) -> tuple[SharedRoom, ...]:
        """Return the rooms with an opened appointment that the provider shares, each once, by their hosts' names."""
        pointers = await self.shelf.all(room_id(practice, provider), Shared)
        found = await asyncio.gather(
            *(self._host(practice, provider, id, pointer.room) for id, pointer in pointers.items())
        )
        rooms = {shared.room: shared for shared in found if shared is not None}
        return tuple(sorted(rooms.values(), key=lambda shared: (shared.host.name, shared.room)))

    async def _host(self, practice: str, provider: str, id: str, room: str) -> SharedRoom | None:
        appointment, closed = await asyncio.gather(
            self.shelf.get(room, Appointment, id), self.shelf.get(room, Closed, id)
        )
        if appointment is None or closed is not None or appointment.state != "open":
            # A room that closes a visit knows nothing of this index; what is over stays over, so it may go now.
            await self.drop(practice, id, [provider])
            return None
        if provider not in appointment.providers[1:]:
            return None
        host = await self.shelf.get(practice, Provider, appointment.providers[0])
        return None if host is None else SharedRoom(room, host)
