"""API keys: shown once, known by their digest, each for one practice and some scopes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from server.ports.documents import Secrets
from server.registry.documents import ApiKey, Key
from server.registry.names import NewId, NewToken, digest
from server.registry.shelf import Deed, Shelf

SCOPES = ("read", "write", "act", "records", "amend", "audit", "webhooks", "metrics")
"""What a practice's key may be allowed. `practices` is the operator's alone."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of all practices."""

    shelf: Shelf
    secrets: Secrets
    new_id: NewId
    new_token: NewToken

    async def add(self, practice: str, *, by: str, scopes: tuple[str, ...] = SCOPES, token: str | None = None) -> str:
        """Make a key and return it; nobody can read it again. `token`: one that was made before."""
        token = token or f"cl_{self.new_token()}"
        hash = digest(token)
        known = await self.shelf.all(practice, ApiKey)
        id = next((id for id, key in known.items() if key.hash == hash), None) or self.new_id("key")
        document = ApiKey(hash=hash, scopes=scopes, created_at=self.shelf.clock())
        await self.shelf.put(practice, id, document, Deed(practice, by, "key.created", id))
        await self.secrets.put(Key.kind, hash, msgspec.msgpack.encode(Key(practice=practice, id=id, scopes=scopes)))
        return token

    async def find(self, token: str) -> Key | None:
        """Return what `token` may do."""
        found = await self.secrets.get(Key.kind, digest(token))
        return None if found is None else msgspec.msgpack.decode(found, type=Key)

    async def any(self, practice: str) -> bool:
        """Whether the practice has a key."""
        return bool(await self.shelf.all(practice, ApiKey))

    async def remove_all(self, practice: str) -> None:
        """End all keys of a practice that is being deleted."""
        for id, key in (await self.shelf.all(practice, ApiKey)).items():
            await self.secrets.delete(Key.kind, key.hash)
            await self.shelf.delete(practice, ApiKey, id)
