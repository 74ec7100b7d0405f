"""Who knocked from this browser: a walk-in has no link, and yet keeps the place over a reload of the page.

The browser holds a random secret in a cookie that no script can read. The same name at the same door from the same
browser is the same person; anything else is somebody new, who is told nothing of whoever knocked before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec
from msgspec import Struct

from server.ports.documents import Secrets
from server.registry.names import NewToken, digest
from signaling.policy import DAY

LIVES = DAY
"""As long as anybody waits, and a visit goes on, with room to spare."""


class Knock(Struct, frozen=True):
    """What a knock cookie stands for."""

    kind: ClassVar[str] = "knock"
    room: str
    name: str
    """As it was typed."""
    participant: str


@dataclass(frozen=True, slots=True)
class Knocks:
    """Walk-ins, by the digest of their browser's cookie."""

    secrets: Secrets
    new_token: NewToken

    async def keep(self, knock: Knock) -> str:
        """Keep a knock for a day and return the cookie's value."""
        token = self.new_token()
        await self.secrets.put(Knock.kind, digest(token), msgspec.msgpack.encode(knock), LIVES)
        return token

    async def again(self, token: str, room: str, name: str) -> str | None:
        """Return the participant who knocked there under that name with this cookie; None if it was nobody."""
        found = await self.secrets.get(Knock.kind, digest(token))
        knock = None if found is None else msgspec.msgpack.decode(found, type=Knock)
        return knock.participant if knock is not None and (knock.room, knock.name) == (room, name) else None
