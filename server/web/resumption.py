"""The claim of a dropped connection to be resumed: one secret for one welcome, on any node, never twice.

Each `welcome` makes a new connection with a new secret. What is kept under `con` + connection id lives as long
as the connection is renewed, and `resume_for` after its drop, even if the node dies. The old secret stays good
until the browser shows that it got the new one, for a welcome may be lost on the way; from then on it is
*spent*. A spent secret that comes back was stolen, or its successor was: every claim of that line is revoked.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server.ports.documents import Secrets
from server.ports.door import Ticket
from server.web.limits import SECOND, Limits
from signaling.fields import Resume

KIND = "con"
REVOKED = "con-revoked"
SPENT_FOR = 600 * SECOND
"""How long a spent secret is remembered, to tell theft from a claim that merely ran out."""


class Claim(Struct, frozen=True, kw_only=True):
    """What is kept of a connection."""

    hash: str
    """SHA-256 of the secret."""
    ticket: Ticket
    device: str
    next: str | None = None
    """The connection that was made when this one was resumed."""
    spent: bool = False


class Expired(Exception):
    """There is no such claim, or no longer, or somebody else is resuming it at this moment."""


class WrongSecret(Exception):
    """The claim is there; the secret is another."""


class Reused(Exception):
    """The secret was spent. The whole line is revoked; `connections` holds its ids from the reused one on."""

    def __init__(self, connections: tuple[str, ...]) -> None:
        super().__init__("a spent secret was used")
        self.connections = connections


_TO_BYTES = msgspec.msgpack.Encoder()
_CLAIM = msgspec.msgpack.Decoder(Claim)


def sha256(secret: str) -> str:
    """Return the hash by which a secret is kept and looked up: hexadecimal SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Claims:
    """All claims, of all nodes. Every method may raise `StoreAway`."""

    def __init__(self, secrets: Secrets, limits: Limits) -> None:
        self._secrets = secrets
        self._limits = limits

    async def open(self, connection: str, claim: Claim) -> None:
        """Keep a claim for a connection that is about to be welcomed."""
        await self._put(connection, claim, self._limits.claim)

    async def take(self, resume: Resume) -> Claim:
        """Return the claim that `resume` proves, for this caller alone. Raise `Expired`, `WrongSecret`, `Reused`."""
        claim = await self._get(resume.connection)
        if claim is None:
            raise Expired
        if not hmac.compare_digest(claim.hash, sha256(resume.secret)):
            raise WrongSecret
        if claim.spent:
            raise Reused(await self._revoke(resume.connection, claim))
        # Looked at before it is taken: a wrong guess must take nothing away.
        taken = await self._secrets.take(KIND, resume.connection)
        if taken is None:
            raise Expired
        return _CLAIM.decode(taken)

    async def succeed(self, connection: str, claim: Claim, by: str) -> None:
        """Note that `connection` was resumed as `by`, whose welcome may yet be lost: its secret stays good for now."""
        if claim.next is not None:
            await self._spend(claim.next, by)
        await self._put(connection, replace(claim, next=by), self._limits.resume_for)

    async def confirm(self, connection: str, next: str) -> None:
        """Note that the browser got the welcome of `next`, which came after `connection`."""
        await self._spend(connection, next)

    async def renew(self, connection: str, claim: Claim) -> bool:
        """Let the claim live on; False if it is revoked."""
        if await self._secrets.touch(KIND, connection, self._limits.claim):
            return True
        if await self._secrets.get(REVOKED, connection) is not None:
            return False
        # It ran out while the store was away, and nobody is to be thrown out of a visit for that.
        await self.open(connection, claim)
        return True

    async def drop(self, connection: str) -> None:
        """Start the time in which a lost connection may be resumed."""
        await self._secrets.touch(KIND, connection, self._limits.resume_for)

    async def forget(self, connection: str) -> None:
        """End a claim; not one that has a successor, by which a thief is known: its node may be the last to hear."""
        claim = await self._get(connection)
        if claim is None or claim.next is None:
            await self._secrets.delete(KIND, connection)

    async def _spend(self, connection: str, next: str) -> None:
        claim = await self._get(connection)
        if claim is not None:
            await self._put(connection, replace(claim, spent=True, next=next), SPENT_FOR)

    async def _revoke(self, connection: str, claim: Claim | None) -> tuple[str, ...]:
        line: list[str] = []
        while claim is not None and connection not in line:
            line.append(connection)
            if not claim.spent:
                await self._secrets.put(REVOKED, connection, b"", SPENT_FOR)
                await self._secrets.delete(KIND, connection)
            if claim.next is None:
                break
            connection = claim.next
            claim = await self._get(connection)
        return tuple(line)

    async def _get(self, connection: str) -> Claim | None:
        value = await self._secrets.get(KIND, connection)
        return None if value is None else _CLAIM.decode(value)

    async def _put(self, connection: str, claim: Claim, ttl: int) -> None:
        await self._secrets.put(KIND, connection, _TO_BYTES.encode(claim), ttl)
