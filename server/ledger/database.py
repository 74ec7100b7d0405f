"""Opening the ledger's database: one engine, durable settings, and errors that say what to do."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Table, event, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from server.ledger.schema import SCHEMA_VERSION, about, metadata

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
SQLITE = "sqlite:///"


class LedgerError(Exception):
    """The ledger cannot be used; the sentence says why, and never holds a password."""


class Database:
    """An engine with two kinds of transaction: one that reads, one that writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.postgresql = engine.dialect.name == "postgresql"
        self.id = ""
        """Random, made with the ledger and in it: no two ledgers have the same."""

    @classmethod
    async def open(cls, url: str, *, make: bool = True) -> Database:
        """Return the database at `url`, its tables made. Raise `LedgerError`."""
        where = _where(url, make=make)
        engine = create_async_engine(where, hide_parameters=True, pool_pre_ping=True, **_settings(where))
        if where.get_backend_name() == "sqlite":
            _prepare_sqlite(engine)
        database = cls(engine)
        try:
            async with asyncio.timeout(STATEMENT_SECONDS):
                await database._make_tables()
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
            await engine.dispose()
            raise LedgerError(_told(where, problem)) from None  # the cause may quote the URL with its password
        except LedgerError:
            await engine.dispose()
            raise
        return database

    async def _make_tables(self) -> None:
        async with self.writing() as connection:
            if self.postgresql:
                # Two nodes that start at once would both try to create the tables.
                await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4711)")
            await connection.run_sync(metadata.create_all)
            fresh = {"schema": SCHEMA_VERSION, "id": secrets.token_hex(16)}
            await self.insert_new(connection, about, [{"name": name, "value": value} for name, value in fresh.items()])
            rows = (await connection.execute(select(about.c.name, about.c.value))).all()
        known: dict[str, str] = {row.name: row.value for row in rows}
        found, self.id = known["schema"], known["id"]
        if found != SCHEMA_VERSION:
            raise LedgerError(f"The ledger has schema {found}, this program needs {SCHEMA_VERSION}: use its version.")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that only reads, and sees one state of everything."""
        async with self._engine.connect() as plain:
            connection = plain
            if self.postgresql:
                connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction, committed at the end and rolled back by an error."""
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(carelobby_writes=True)
            async with connection.begin():
                yield connection

    async def insert_new(self, connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert `rows`, leaving out those that would break a unique key."""
        if rows:
            insert = postgresql.insert if self.postgresql else sqlite.insert
            await connection.execute(insert(table).on_conflict_do_nothing(), rows)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def _where(url: str, *, make: bool) -> URL:
    if url.startswith(SQLITE):
        # Not parsed further: a path may hold any character.
        path = Path(url.removeprefix(SQLITE)).absolute()
        if not path.parent.is_dir():
            raise LedgerError(f"The ledger's directory {path.parent} does not exist: create it first.")
        if not make and not path.exists():
            raise LedgerError(f"There is no ledger at {path}.")
        writable = path if path.exists() else path.parent
        if not os.access(writable, os.W_OK):
            raise LedgerError(f"The ledger {path} is not writable: change its owner or choose another place.")
        return URL.create("sqlite+aiosqlite", database=str(path))
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in ("postgresql", "postgresql+asyncpg"):
        raise LedgerError("The ledger's URL must begin with sqlite:/// (a file) or postgresql:// (a server).")
    return parsed.set(drivername="postgresql+asyncpg")


def _settings(where: URL) -> dict[str, Any]:
    if where.get_backend_name() == "sqlite":
        return {}
    return {
        "pool_size": 5,
        "max_overflow": 5,
        "pool_timeout": CONNECT_SECONDS,
        "connect_args": {"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
    }


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """Let SQLite keep what it said it kept, and let us say where transactions begin."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else the driver begins transactions by itself, and late
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Any) -> None:
        # A reader that turns writer may find the file changed and fail; a writer takes its turn at once.
        writes = connection.get_execution_options().get("carelobby_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _told(where: URL, problem: BaseException) -> str:
    place = f"{where.host}:{where.port or 5432}/{where.database}" if where.host else str(where.database)
    if isinstance(problem, TimeoutError):
        return f"The ledger at {place} did not answer within {STATEMENT_SECONDS} s: is it running?"
    reason = type(getattr(problem, "orig", None) or problem).__name__
    if where.get_backend_name() == "sqlite" and reason == "DatabaseError":
        return f"The ledger {place} is damaged, or no ledger: put back its backup, or set CARELOBBY_LEDGER_URL."
    if isinstance(problem, DBAPIError):
        return f"The ledger at {place} refused to open ({reason}): check its address, its account and its rights."
    return f"The ledger at {place} cannot be reached ({reason}): is it running?"
