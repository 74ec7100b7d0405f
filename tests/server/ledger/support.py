"""What tests of the ledger share: a sealer, an outbox, nodes, and items to archive."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from server.ledger.append import Item
from server.ledger.ledger import Ledger
from server.ledger.owed import encode
from server.ledger.schema import metadata
from server.ports.outbox import Owed

URL_VARIABLE = "CARELOBBY_TEST_LEDGER_URL"
"""A PostgreSQL database of its own for the tests, instead of a file for each."""
CANARY = "Rosalind Canary"
"""A name; it may appear nowhere but inside of what is sealed."""


class AesSealer:
    """Seals as the product does, with one key for everything."""

    def __init__(self, key: bytes = bytes(32)) -> None:
        self._aead = AESGCM(key)

    def seal(self, partition: int, name: str, version: int, plain: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._aead.encrypt(nonce, plain, f"{partition}|{name}|{version}".encode())

    def open(self, partition: int, name: str, version: int, sealed: bytes) -> bytes:
        return self._aead.decrypt(sealed[:12], sealed[12:], f"{partition}|{name}|{version}".encode())


class Hook(Struct, frozen=True):
    """A webhook endpoint, as the ledger sees it."""

    id: str = "billing"
    events: tuple[str, ...] = ("record.created", "record.amended", "visit.started")


class MemoryOutbox:
    """Keeps items by partition until they are trimmed."""

    def __init__(self, items: Sequence[tuple[int, str, bytes]] = ()) -> None:
        self.items = list(items)

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        return self.items[:limit]

    async def trim(self, done: Mapping[int, str]) -> None:
        for partition, last in done.items():
            ours = [index for index, item in enumerate(self.items) if item[0] == partition]
            upto = next((index for index in ours if self.items[index][1] == last), -1)
            self.items = [item for index, item in enumerate(self.items) if item[0] != partition or index > upto]


class OneNode:
    """Grants every lease to this node; the rest is not asked for here."""

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        return self.holders.setdefault(name, node) == node

    async def beat(self, node: str, now: int) -> None:
        raise NotImplementedError

    async def all(self) -> Mapping[str, int]:
        raise NotImplementedError

    async def enter(self, node: str, room: str) -> None:
        raise NotImplementedError

    async def leave(self, node: str, room: str) -> None:
        raise NotImplementedError

    async def rooms(self, node: str) -> Sequence[str]:
        raise NotImplementedError

    async def forget(self, node: str) -> None:
        raise NotImplementedError

    async def agree(self, name: str, value: str) -> str:
        raise NotImplementedError


def record(number: int, *, practice: str = "north", room: str | None = None, revision: int = 1) -> Owed:
    """Return the record of visit `number`, with somebody's name in it."""
    data: dict[str, Any] = {
        "id": f"rec_{number}",
        "visit": f"vis_{number}",
        "revision": revision,
        "facts": {"clients": [{"id": "c1", "name": CANARY, "outcome": "attended"}]},
        "proposals": {},
        "flags": [],
    }
    return Owed("record", practice, room or f"room_{number % 7}", 1_700_000_000_000 + number, data)


def trail(number: int, *, practice: str = "north") -> Owed:
    """Return an audit entry, with somebody's name where none should be."""
    data = {"action": "visit.started", "by": "p1", "target": f"vis_{number}", "detail": CANARY}
    return Owed("audit", practice, f"room_{number % 7}", 1_700_000_000_000 + number, data)


def notice(number: int, *, practice: str = "north", type: str = "visit.started") -> Owed:
    """Return a webhook event."""
    data = {"type": type, "data": {"visit": f"vis_{number}"}}
    return Owed("notify", practice, f"room_{number % 7}", 1_700_000_000_000 + number, data)


def streamed(owed: Sequence[Owed], *, partitions: int = 3) -> list[Item]:
    """Return the items with their places in the outbox."""
    return [(index % partitions, f"{1000 + index}-0", item) for index, item in enumerate(owed)]


def boxed(items: Sequence[Item]) -> MemoryOutbox:
    """Return an outbox that holds `items`, encoded."""
    return MemoryOutbox([(partition, stream, encode(owed)) for partition, stream, owed in items])


async def fresh_url(directory: Path) -> str:
    """Return the URL of an empty ledger: a new file, or the emptied PostgreSQL database of the environment."""
    url = os.environ.get(URL_VARIABLE)
    if url is None:
        return f"sqlite:///{directory}/ledger.sqlite3"
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    await engine.dispose()
    return url


def fail_before(ledger: Ledger, step: int) -> list[str]:
    """Let the database die before its `step`th statement or commit from now on; return what it was asked, growing."""
    engine = ledger._database._engine.sync_engine
    asked: list[str] = []

    def count(statement: str) -> None:
        asked.append(statement)
        if len(asked) == step:
            raise OSError("the process died here")

    @event.listens_for(engine, "before_cursor_execute")
    def executing(_c: Any, _u: Any, statement: str, _p: Any, _x: Any, _m: Any) -> None:
        count(statement)

    @event.listens_for(engine, "commit")
    def committing(_: Any) -> None:
        count("COMMIT")

    return asked
