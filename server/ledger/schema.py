"""The ledger's tables, the same for SQLite and PostgreSQL.

Columns hold ids, numbers and times; whatever may say something about a person is sealed. All times are
milliseconds UTC.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION: Final = "1"

metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(100), nullable=False),
)
"""What this ledger is: its schema's version, and an id."""

heads = Table(
    "heads",
    metadata,
    Column("practice", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""The end of each practice's chain. Its row is the lock under which that practice's rows are written.

`sealed` repeats the other columns under the keyring: who can write the database but holds no key cannot make a head.
"""

audit = Table(
    "audit",
    metadata,
    Column("practice", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("room", String(100), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("stream", String(100), nullable=False),
    Column("source", LargeBinary(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("covers", LargeBinary(32), nullable=True),
    Column("prev", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("practice", "partition", "stream", "source"),
)
"""The trail: one hash chain a practice, numbered without holes.

`source` is the hash of the outbox item, so that archiving it again changes nothing; `covers` is the hash of the
billing record's row that was written with the entry.
"""

records = Table(
    "records",
    metadata,
    Column("practice", String(64), primary_key=True),
    Column("visit", String(100), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("cursor", BigInteger, nullable=False),
    Column("id", String(100), nullable=False),
    Column("room", String(100), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("stream", String(100), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("practice", "cursor"),
)
"""Billing records, never changed: a correction is another revision. `cursor` counts a practice's rows, from 1."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("practice", String(64), nullable=False),
    Column("webhook", String(64), nullable=False),
    Column("message", String(64), nullable=False),
    Column("type", String(40), nullable=False),
    Column("room", String(100), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=True),
    Column("tries", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("status", Integer, nullable=True),
    Column("error", String(40), nullable=True),
    UniqueConstraint("practice", "webhook", "message"),
    Index("deliveries_due", "state", "due"),
    Index(
        "deliveries_order",
        "practice",
        "webhook",
        "room",
        "id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
)
"""What is owed to webhooks. `message` is the webhook-id; `since` the first try that failed.

`state`: pending, done, dead (given up), stopped (the endpoint is gone).
"""

odd = Table(
    "odd",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("stream", String(100), primary_key=True),
    Column("source", LargeBinary(32), primary_key=True),
    Column("why", String(100), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""Outbox items that could not be read: kept for a person to look at, so that one of them never stops the rest."""
