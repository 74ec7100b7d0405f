"""Practices: made, changed and deleted by the operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.ports.door import Rooms
from server.ports.rooms import RoomStore
from server.registry.accounts import Accounts
from server.registry.amendments import Amendments
from server.registry.appointments import Appointments
from server.registry.documents import Group, Practice, Provider, Webhook
from server.registry.keys import Keys
from server.registry.names import room_id
from server.registry.shelf import Deed, LastDone, Shelf, together
from signaling.events import Configured
from signaling.policy import Policy
from signaling.state import Person

CloseRoom = Callable[[str], object]
"""Ends the open sockets of a room, on all nodes."""


@dataclass(frozen=True, slots=True)
class Practices:
    """The tenants."""

    shelf: Shelf
    rooms: Rooms
    room_store: RoomStore
    keys: Keys
    accounts: Accounts
    appointments: Appointments
    amendments: Amendments
    close_room: CloseRoom

    async def get(self, id: str) -> Policy | None:
        """Return a practice's present policy; its name and texts are in `policy.practice`."""
        found = await self.shelf.get(id, Practice, id)
        return None if found is None else found.policy

    async def put(self, policy: Policy, *, by: str) -> str | None:
        """Save a practice and tell all its rooms; return its first API key if it has none yet."""
        id = policy.practice.id
        new = await self.shelf.get(id, Practice, id) is None
        deed = Deed(id, by, "practice.created" if new else "practice.changed", id)
        await self.shelf.put(id, id, Practice(policy=policy), deed)
        providers = (await self.shelf.all(id, Provider)).values()
        await together(self._configure(provider, policy) for provider in providers)
        # Asked of the keys, not of `new`: a creation that was cut short is made whole by its repeat.
        return None if await self.keys.any(id) else await self.keys.add(id, by=by)

    async def delete(self, id: str, *, by: str) -> bool:
        """Take a practice with its links, live state and open sockets; False if there is none.

        Rows of the ledger stay for their retention. The practice's own document goes last, so that a deletion
        which was cut short can be repeated.
        """
        if await self.shelf.get(id, Practice, id) is None:
            return False
        await self.keys.remove_all(id)
        await self.accounts.remove_all(id)
        await together(self._remove(id, provider) for provider in await self.shelf.all(id, Provider))
        for shape in (Group, Webhook, LastDone):
            for name in await self.shelf.all(id, shape):
                await self.shelf.delete(id, shape, name)
        return await self.shelf.delete(id, Practice, id, Deed(id, by, "practice.deleted", id))

    async def _configure(self, provider: Provider, policy: Policy) -> None:
        host = Person(id=provider.id, name=provider.name)
        configured = Configured(host=host, policy=provider.options.over(policy))
        await self.rooms.fact(room_id(policy.practice.id, provider.id), configured)

    async def _remove(self, practice: str, provider: str) -> None:
        room = room_id(practice, provider)
        await self.appointments.remove_all(practice, room)
        await self.amendments.remove_all(room)
        self.close_room(room)
        await self.room_store.delete(room)
        await self.shelf.delete(practice, Provider, provider)
