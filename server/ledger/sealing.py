"""Which fields of the ledger are sealed, and the name each is bound to."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

SYSTEM_PARTITION = 0
"""For what belongs to no room: the heads of the chains."""


class Sealer(Protocol):
    """`server/crypto`, as far as the ledger needs it."""

    def seal(self, partition: int, name: str, version: int, plain: bytes) -> bytes:
        """Return `plain`, sealed and bound to the other arguments."""
        ...

    def open(self, partition: int, name: str, version: int, sealed: bytes) -> bytes:
        """Return what was sealed with the same arguments; raise if anything differs."""
        ...


def record_name(practice: str, visit: str) -> str:
    """Return the name a record is sealed under; its version is the revision."""
    return f"ledger:record:{practice}:{visit}"


def audit_name(practice: str) -> str:
    """Return the name an entry's body is sealed under; its version is the entry's number."""
    return f"ledger:audit:{practice}"


def head_name(practice: str) -> str:
    """Return the name a head is sealed under; its version is the number of the last entry."""
    return f"ledger:head:{practice}"


def delivery_name(practice: str, webhook: str, message: str) -> str:
    """Return the name a delivery's body is sealed under; its version is 0."""
    return f"ledger:delivery:{practice}:{webhook}:{message}"


def odd_name(stream: str) -> str:
    """Return the name an unreadable item is sealed under; its version is 0."""
    return f"ledger:odd:{stream}"


def pack(value: dict[str, Any]) -> bytes:
    """Return `value` as JSON, before it is sealed."""
    return msgspec.json.encode(value)


def unpack(plain: bytes) -> dict[str, Any]:
    """Return what `pack` packed."""
    return msgspec.json.decode(plain, type=dict[str, Any])
