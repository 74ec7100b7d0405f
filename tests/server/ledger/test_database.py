"""Opening a ledger: one clear sentence when it cannot be, and nothing readable in the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from server.ledger.database import LedgerError
from server.ledger.ledger import Ledger
from tests.server.ledger.support import CANARY, AesSealer, Hook, notice, record, streamed, trail


@pytest.mark.parametrize("url", ["", "mysql://u:hunter2@h/d", "ledger.db", "postgresql+psycopg://h/d", "://"])
async def test_an_unknown_url_says_what_is_expected(url: str) -> None:
    with pytest.raises(LedgerError, match=r"sqlite:///.*postgresql://") as told:
        await Ledger.open(url, AesSealer())

    assert "hunter2" not in str(told.value)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"absent does not exist"):
        await Ledger.open(f"sqlite:///{tmp_path}/absent/ledger.sqlite3", AesSealer())


async def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 50)

    with pytest.raises(LedgerError, match="is damaged"):
        await Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3", AesSealer())


async def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(LedgerError, match=r"127\.0\.0\.1:1/ledger") as told:
        await Ledger.open("postgresql://clinic:hunter2@127.0.0.1:1/ledger", AesSealer())

    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None


async def test_a_ledger_of_another_schema_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    await (await Ledger.open(url, AesSealer())).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as plain:
        plain.execute("UPDATE about SET value = '99'")
    plain.close()

    with pytest.raises(LedgerError, match="schema 99"):
        await Ledger.open(url, AesSealer())


async def test_any_path_will_do(tmp_path: Path) -> None:
    odd = tmp_path / "50% ?#&"
    odd.mkdir()

    ledger = await Ledger.open(f"sqlite:///{odd}/ledger.sqlite3", AesSealer())
    await ledger.archive(streamed([record(1)]), {})
    await ledger.close()

    assert (odd / "ledger.sqlite3").exists()


async def test_what_is_kept_survives_a_power_cut_and_names_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    ledger = await Ledger.open(url, AesSealer())
    await ledger.archive(
        streamed([record(1), trail(2), notice(3)]), {"north": [Hook()]}, [(0, "9-9", CANARY.encode(), "")]
    )
    async with ledger._database.reading() as connection:
        journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one()
        synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()
    kept = _bytes_of(tmp_path)
    await ledger.close()

    assert (journal, synchronous) == ("wal", 2)
    assert CANARY.encode() not in kept
    assert b"visit.started" in kept, "the canary is looked for where things are"


def _bytes_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())
