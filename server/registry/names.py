"""How things are named: rooms by a hash, people and visits at random, secrets by their digest."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from typing import NewType

RoomId = NewType("RoomId", str)
"""A provider's room: the same for ever for one practice and provider."""
NewId = Callable[[str], str]
"""Makes an id of a kind: `new_id("vis")` → `"vis_<random>"`."""
NewToken = Callable[[], str]
"""Makes a secret of 256 random bits, as base64url."""

ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
"""A caller's own id of a practice, provider, client, appointment, group or webhook."""
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Whether `text` may be a caller's own id."""
    return _ID.fullmatch(text) is not None


def room_id(practice: str, provider: str) -> RoomId:
    """Return the room of a provider: the same for ever, and telling neither name to a log or a key."""
    # NUL can be in neither id, so no two pairs share a text.
    return RoomId("rm_" + hashlib.sha256(f"{practice}\0{provider}".encode()).hexdigest()[:32])


def digest(secret: str) -> str:
    """Return the SHA-256 under which a secret is found. A fast hash is right for 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id(kind: str) -> str:
    """Return an unguessable id; 120 bits."""
    return f"{kind}_{secrets.token_hex(15)}"


def new_token() -> str:
    """Return 256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)
