"""The closed visit's record, as billing gets it: measured facts, dated proposals, flags. Never a verdict."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Record(Struct, frozen=True):
    """One revision of one visit's record. `facts` is PROTOCOL.md's object; times are ms UTC."""

    id: str
    visit: str
    revision: int
    facts: dict[str, Any]
    proposals: dict[str, Any] = {}
    flags: tuple[str, ...] = ()
