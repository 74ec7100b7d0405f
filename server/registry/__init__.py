"""Who and what the service knows: practices, providers, accounts, keys, groups, appointments, webhooks."""

from __future__ import annotations

import secrets as chance
from collections.abc import Callable
from dataclasses import dataclass

from server.ports import Clock
from server.ports.documents import Documents, Secrets
from server.ports.door import Rooms
from server.ports.rooms import RoomStore
from server.registry import names
from server.registry.accounts import Accounts, SignIns
from server.registry.amendments import Amendments
from server.registry.appointments import Appointments
from server.registry.keys import Keys
from server.registry.knocks import Knocks
from server.registry.links import Links
from server.registry.names import NewId, NewToken, room_id
from server.registry.practices import CloseRoom, Practices
from server.registry.providers import Groups, Providers
from server.registry.shared import SharedRooms
from server.registry.shelf import Shelf
from server.registry.throttle import Throttle
from server.registry.tickets import Tickets
from server.registry.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Registry:
    """All parts of the registry over one store."""

    shelf: Shelf
    keys: Keys
    practices: Practices
    providers: Providers
    groups: Groups
    accounts: Accounts
    sign_ins: SignIns
    appointments: Appointments
    shared: SharedRooms
    amendments: Amendments
    links: Links
    webhooks: Webhooks
    tickets: Tickets
    knocks: Knocks
    throttle: Throttle

    @classmethod
    def over(
        cls,
        *,
        documents: Documents,
        secrets: Secrets,
        rooms: Rooms,
        room_store: RoomStore,
        clock: Clock,
        close_room: CloseRoom,
        private_webhooks: bool = False,
        new_id: NewId = names.new_id,
        new_token: NewToken = names.new_token,
        random_bytes: Callable[[int], bytes] = chance.token_bytes,
    ) -> Registry:
        """Return a registry over these ports."""
        shelf = Shelf(documents, clock)
        keys = Keys(shelf, secrets, new_id, new_token)
        accounts = Accounts(shelf)
        providers = Providers(shelf, rooms)
        links = Links(shelf, secrets)
        shared, amendments = SharedRooms(shelf), Amendments(shelf)
        appointments = Appointments(shelf, links, shared, rooms, providers, new_id, new_token)
        return cls(
            shelf=shelf,
            keys=keys,
            practices=Practices(shelf, rooms, room_store, keys, accounts, appointments, amendments, close_room),
            providers=providers,
            groups=Groups(shelf),
            accounts=accounts,
            sign_ins=SignIns(shelf, secrets, new_token),
            appointments=appointments,
            shared=shared,
            amendments=amendments,
            links=links,
            webhooks=Webhooks(shelf, random_bytes, private_webhooks),
            tickets=Tickets(secrets, new_token),
            knocks=Knocks(secrets, new_token),
            throttle=Throttle(secrets, clock),
        )


__all__ = ["Registry", "room_id"]
