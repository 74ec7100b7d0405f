"""Providers and therapy groups of a practice."""

from __future__ import annotations

from dataclasses import dataclass

from server.ports.door import Rooms
from server.registry.documents import Group, Practice, Provider
from server.registry.errors import Invalid, Missing
from server.registry.names import room_id
from server.registry.shelf import Deed, Shelf
from signaling.events import Configured
from signaling.state import Person


@dataclass(frozen=True, slots=True)
class Providers:
    """The clinicians, each with a room."""

    shelf: Shelf
    rooms: Rooms

    async def put(self, practice: str, provider: Provider, *, by: str) -> bool:
        """Save a provider and tell their room; True if they are new. Repeat it freely."""
        home = await self.shelf.get(practice, Practice, practice)
        if home is None:
            raise Missing("practice")
        new = await self.shelf.get(practice, Provider, provider.id) is None
        deed = Deed(practice, by, "provider.created" if new else "provider.changed", provider.id)
        await self.shelf.put(practice, provider.id, provider, deed)
        host = Person(id=provider.id, name=provider.name)
        configured = Configured(host=host, policy=provider.options.over(home.policy))
        await self.rooms.fact(room_id(practice, provider.id), configured)
        return new

    async def get(self, practice: str, id: str) -> Provider | None:
        """Return a provider, if the practice has them."""
        return await self.shelf.get(practice, Provider, id)

    async def all(self, practice: str) -> tuple[Provider, ...]:
        """Return the practice's providers by name."""
        found = await self.shelf.all(practice, Provider)
        return tuple(sorted(found.values(), key=lambda provider: (provider.name, provider.id)))

    async def people(self, practice: str, ids: tuple[str, ...]) -> tuple[Person, ...]:
        """Return the providers of an appointment, in the given order. Raise `Invalid` for an unknown one."""
        people = []
        for place, id in enumerate(ids):
            provider = await self.shelf.get(practice, Provider, id)
            if provider is None:
                raise Invalid(f"$.providers[{place}]", "must be the id of a provider of this practice")
            people.append(Person(id=id, name=provider.name))
        return tuple(people)


@dataclass(frozen=True, slots=True)
class Groups:
    """The therapy groups."""

    shelf: Shelf

    async def put(self, practice: str, group: Group, *, by: str) -> bool:
        """Save a group; True if it is new. Appointments made from it before stay as they are."""
        new = await self.shelf.get(practice, Group, group.id) is None
        for place, id in enumerate(group.providers):
            if await self.shelf.get(practice, Provider, id) is None:
                raise Invalid(f"$.providers[{place}]", "must be the id of a provider of this practice")
        deed = Deed(practice, by, "group.created" if new else "group.changed", group.id)
        await self.shelf.put(practice, group.id, group, deed)
        return new

    async def get(self, practice: str, id: str) -> Group | None:
        """Return a group, if the practice has it."""
        return await self.shelf.get(practice, Group, id)
