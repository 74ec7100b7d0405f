"""Local accounts and sign-ins of providers.

Somebody who guesses gets the same answer after the same work, whether the username exists or not: one argon2id
hash is verified in either case, in a thread, and only two at a time, so that guessing cannot starve a visit.
"""

from __future__ import annotations

import asyncio
import secrets as chance
from dataclasses import dataclass, field

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.ports.documents import Changed, Secrets
from server.registry.documents import Account, Provider, SignIn, Username
from server.registry.errors import Clash, Missing
from server.registry.names import NewToken, digest
from server.registry.shelf import Deed, Shelf
from signaling.policy import HOUR, MINUTE

USERNAMES = "~usernames"
"""The place of all usernames. No practice can have this id."""
IDLE = 15 * MINUTE
"""45 CFR 164.312(a)(2)(iii), automatic log-off: so long without activity ends a sign-in."""
LONGEST = 12 * HOUR
"""NIST SP 800-63B, AAL2: sign in again after this, activity or not."""


def passwords() -> PasswordHasher:
    """Return OWASP's minimum for argon2id: 19 MiB, two passes, one lane."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@dataclass(slots=True)
class Accounts:
    """Who may sign in with which password."""

    shelf: Shelf
    hasher: PasswordHasher = field(default_factory=passwords)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    decoy: str | None = None
    """What an unknown username's password is verified against."""

    async def put(self, practice: str, provider: str, username: str, password: str, *, by: str) -> bool:
        """Set a provider's username and password; True if they had none. Raise `Clash`: the name is taken."""
        if await self.shelf.get(practice, Provider, provider) is None:
            raise Missing("provider")
        name = username.casefold()
        old = await self.shelf.get(practice, Account, provider)
        await self._claim(name, Username(practice=practice, provider=provider))
        account = Account(username=name, password=await self._hash(password), changed_at=self.shelf.clock())
        await self.shelf.put(practice, provider, account, Deed(practice, by, "account.changed", provider))
        if old is not None and old.username != name:
            await self.shelf.delete(USERNAMES, Username, digest(old.username))
        return old is None

    async def check(self, username: str, password: str) -> Username | None:
        """Return who `username` is if the password is right."""
        owner = await self.shelf.get(USERNAMES, Username, digest(username.casefold()))
        account = None if owner is None else await self.shelf.get(owner.practice, Account, owner.provider)
        known = account is not None and account.username == username.casefold()
        right = await self._verify(account.password if account is not None else await self._decoy(), password)
        return owner if known and right else None

    async def get(self, practice: str, provider: str) -> Account | None:
        """Return a provider's account, if they have one."""
        return await self.shelf.get(practice, Account, provider)

    async def remove_all(self, practice: str) -> None:
        """End all accounts of a practice that is being deleted, and free their usernames."""
        for provider, account in (await self.shelf.all(practice, Account)).items():
            await self.shelf.delete(USERNAMES, Username, digest(account.username))
            await self.shelf.delete(practice, Account, provider)

    async def _claim(self, name: str, owner: Username) -> None:
        try:
            await self.shelf.put(USERNAMES, digest(name), owner, expected=0)
        except Changed:
            if await self.shelf.get(USERNAMES, Username, digest(name)) != owner:
                raise Clash("the username is taken") from None

    async def _hash(self, password: str) -> str:
        async with self.turns:
            return await asyncio.to_thread(self.hasher.hash, password)

    async def _decoy(self) -> str:
        if self.decoy is None:
            self.decoy = await self._hash(chance.token_urlsafe(16))
        return self.decoy

    async def _verify(self, hash: str, password: str) -> bool:
        async with self.turns:
            try:
                return await asyncio.to_thread(self.hasher.verify, hash, password)
            except (VerificationError, InvalidHashError):
                return False


@dataclass(frozen=True, slots=True)
class SignIns:
    """The providers who are signed in, by the digest of their cookie."""

    shelf: Shelf
    secrets: Secrets
    new_token: NewToken

    async def begin(self, practice: str, provider: str) -> str:
        """Sign a provider in and return the cookie's value."""
        token = self.new_token()
        sign_in = SignIn(practice=practice, provider=provider, at=self.shelf.clock())
        await self.secrets.put(SignIn.kind, digest(token), msgspec.msgpack.encode(sign_in), IDLE)
        return token

    async def find(self, token: str) -> SignIn | None:
        """Return the sign-in of a cookie and let its idle time begin anew; None if it is over."""
        hash = digest(token)
        found = await self.secrets.get(SignIn.kind, hash)
        if found is None:
            return None
        sign_in = msgspec.msgpack.decode(found, type=SignIn)
        account = await self.shelf.get(sign_in.practice, Account, sign_in.provider)
        # A new password, like a deleted practice, ends the sign-ins from before it.
        if account is None or account.changed_at > sign_in.at or self.shelf.clock() - sign_in.at > LONGEST:
            await self.secrets.delete(SignIn.kind, hash)
            return None
        return sign_in if await self.secrets.touch(SignIn.kind, hash, IDLE) else None

    async def end(self, token: str) -> None:
        """Sign out."""
        await self.secrets.delete(SignIn.kind, digest(token))
