"""Tickets: 256 random bits that open one WebSocket, once, within a minute."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from server.ports.documents import Secrets
from server.ports.door import Ticket
from server.registry.names import NewToken, digest
from signaling.policy import MINUTE

KIND = "ticket"
LIVES = MINUTE


@dataclass(frozen=True, slots=True)
class Tickets:
    """What is on its way from a page to its WebSocket."""

    secrets: Secrets
    new_token: NewToken

    async def issue(self, ticket: Ticket) -> str:
        """Keep `ticket` for a minute and return its secret."""
        token = self.new_token()
        await self.secrets.put(KIND, digest(token), msgspec.msgpack.encode(ticket), LIVES)
        return token
