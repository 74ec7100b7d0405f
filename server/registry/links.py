"""Join links: what each leads to is decided by its appointment's document; its key only says which one to ask.

So a link that was replaced stays dead whatever happens to the keys, and the same PUT always gives the same link.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from server.ports.documents import Secrets
from server.registry.documents import Appointment, Client, Closed, Link, Practice, Provider
from server.registry.names import digest
from server.registry.shelf import Shelf, together
from signaling.policy import HOUR, Policy

LINK_OUTLIVES = 24 * HOUR
"""So long after its end an appointment's links still lead to it, unless it was closed."""


class Invited(Struct, frozen=True):
    """What a good join link leads to."""

    link: Link
    appointment: Appointment
    client: Client
    provider: Provider
    policy: Policy


@dataclass(frozen=True, slots=True)
class Links:
    """The links of all clients."""

    shelf: Shelf
    secrets: Secrets

    async def invited(self, token: str) -> Invited | None:
        """Return what a join link leads to; None alike if it is unknown, expired, revoked, or its visit is over.

        As many reads are made for an unknown link as for a good one, so that time tells them apart as little as
        the answer does.
        """
        hash = digest(token)
        found = await self.secrets.get(Link.kind, hash)
        if found is None:
            link = Link(practice=hash, room=hash, appointment=hash, participant=hash, client=hash)
        else:
            link = msgspec.msgpack.decode(found, type=Link)
        appointment, closed, practice = await asyncio.gather(
            self.shelf.get(link.room, Appointment, link.appointment),
            self.shelf.get(link.room, Closed, link.appointment),
            self.shelf.get(link.practice, Practice, link.practice),
        )
        host = appointment.providers[0] if appointment is not None else hash
        provider = await self.shelf.get(link.practice, Provider, host)
        if appointment is None or practice is None or provider is None or closed is not None:
            return None
        client = next((one for one in appointment.clients if one.participant == link.participant), None)
        if client is None or not hmac.compare_digest(client.token, token):
            return None
        if appointment.state != "open" or self.shelf.clock() >= appointment.end + LINK_OUTLIVES:
            return None
        return Invited(link, appointment, client, provider, practice.policy)

    async def put(self, practice: str, room: str, appointment: Appointment) -> None:
        """Let the links of all clients of an appointment lead to it."""
        ttl = appointment.end + LINK_OUTLIVES - self.shelf.clock()
        if ttl <= 0:
            return
        for client in appointment.clients:
            link = Link(
                practice=practice,
                room=room,
                appointment=appointment.id,
                participant=client.participant,
                client=client.id,
            )
            await self.secrets.put(Link.kind, digest(client.token), msgspec.msgpack.encode(link), ttl)

    async def drop(self, clients: Sequence[Client]) -> None:
        """Let the links of these clients lead nowhere."""
        await together(self.secrets.delete(Link.kind, digest(client.token)) for client in clients)
