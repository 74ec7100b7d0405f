"""The trail cannot be changed unseen: random tampering by somebody who can write the database but holds no key."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from server.ledger.chain import GENESIS, Entry, Head, link
from server.ledger.command import verify_command
from server.ledger.ledger import Ledger
from server.ledger.verify import ENTRY_FIELDS
from tests.server.ledger.support import AesSealer, Hook, record, streamed, trail

TAMPERINGS = 400
Tamper = Callable[[sqlite3.Connection, random.Random], str]


@pytest.fixture
async def original(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    """A sound ledger of two practices, to be copied for each tampering."""
    ledger = await Ledger.open(f"sqlite:///{tmp_path}/original.sqlite3", AesSealer())
    owed = [
        item
        for number in range(12)
        for item in (trail(number), record(number), trail(number, practice="south"), record(number, practice="south"))
    ]
    await ledger.archive(streamed(owed), {"north": [Hook()]})
    assert (await ledger.verify()).sound
    await ledger.close()
    connection = sqlite3.connect(tmp_path / "original.sqlite3")
    yield connection
    connection.close()


def _row(db: sqlite3.Connection, chance: random.Random, table: str) -> tuple[int, str]:
    rowid, practice = chance.choice(db.execute(f"SELECT rowid, practice FROM {table}").fetchall())
    return rowid, practice


def _other(value: Any, chance: random.Random) -> Any:
    """Another value of the same type; of bytes, one bit differs."""
    match value:
        case bytes() if value:
            place = chance.randrange(len(value) * 8)
            changed = bytearray(value)
            changed[place // 8] ^= 1 << place % 8
            return bytes(changed)
        case int():
            return value + chance.choice((1000, 2**40))  # beside no other row
        case None:
            return bytes(32)
        case _:
            return f"{value}x"


def flip(db: sqlite3.Connection, chance: random.Random) -> str:
    table = chance.choice(("audit", "records", "heads"))
    rowid, _ = _row(db, chance, table)
    columns = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
    column = chance.choice(columns)
    (value,) = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (_other(value, chance), rowid))
    return f"{table}.{column}"


def delete(db: sqlite3.Connection, chance: random.Random) -> str:
    table = chance.choice(("audit", "records", "heads"))
    rowid, _ = _row(db, chance, table)
    db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
    return f"a row of {table} deleted"


def truncate(db: sqlite3.Connection, chance: random.Random) -> str:
    table, number = chance.choice((("audit", "seq"), ("records", "cursor")))
    practice = chance.choice(("north", "south"))
    db.execute(f"DELETE FROM {table} WHERE practice = ? AND {number} > ?", (practice, chance.randrange(12)))
    return f"{table} of {practice} cut"


def truncate_with_head(db: sqlite3.Connection, chance: random.Random) -> str:
    """Cuts the trail and its records, and makes the head's open columns fit."""
    practice, upto = chance.choice(("north", "south")), chance.randrange(1, 20)
    db.execute("DELETE FROM audit WHERE practice = ? AND seq > ?", (practice, upto))
    (hash,) = db.execute("SELECT hash FROM audit WHERE practice = ? AND seq = ?", (practice, upto)).fetchone()
    (kept,) = db.execute("SELECT count(*) FROM audit WHERE practice = ? AND covers NOT NULL", (practice,)).fetchone()
    db.execute("DELETE FROM records WHERE practice = ? AND cursor > ?", (practice, kept))
    db.execute("UPDATE heads SET seq = ?, hash = ?, records = ? WHERE practice = ?", (upto, hash, kept, practice))
    return f"{practice} cut with its head"


def swap(db: sqlite3.Connection, chance: random.Random) -> str:
    table, number = chance.choice((("audit", "seq"), ("records", "cursor")))
    practice = chance.choice(("north", "south"))
    one, two = chance.sample(range(1, 13), 2)
    for before, after in ((one, -1), (two, one), (-1, two)):
        db.execute(f"UPDATE {table} SET {number} = ? WHERE practice = ? AND {number} = ?", (after, practice, before))
    return f"{table} {one} and {two} of {practice} swapped"


def insert(db: sqlite3.Connection, chance: random.Random) -> str:
    """Copies an entry, well linked, behind the end of a chain, or into another practice's."""
    practice = chance.choice(("north", "south"))
    seq, prev = db.execute(
        "SELECT seq, hash FROM audit WHERE practice = ? ORDER BY seq DESC LIMIT 1", (practice,)
    ).fetchone()
    rowid, _ = _row(db, chance, "audit")
    names = list(ENTRY_FIELDS)
    values = db.execute(f"SELECT {', '.join(names)} FROM audit WHERE rowid = ?", (rowid,)).fetchone()
    entry = Entry(**dict(zip(names, values, strict=True)) | {"practice": practice, "seq": seq + 1, "stream": "new-0"})
    row = {name: getattr(entry, name) for name in names} | {"prev": prev, "hash": link(prev, entry)}
    db.execute(f"INSERT INTO audit ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    return f"an entry added to {practice}"


def rewrite(db: sqlite3.Connection, chance: random.Random) -> str:
    """Changes an entry and links the whole rest of the chain, the head's open columns included, anew."""
    practice = chance.choice(("north", "south"))
    changed = chance.randrange(1, 24)
    db.execute("UPDATE audit SET at = at + 1 WHERE practice = ? AND seq = ?", (practice, changed))
    names = list(ENTRY_FIELDS)
    prev = GENESIS
    for values in db.execute(f"SELECT {', '.join(names)} FROM audit WHERE practice = ? ORDER BY seq", (practice,)):
        entry = Entry(**dict(zip(names, values, strict=True)))
        hash = link(prev, entry)
        db.execute(
            "UPDATE audit SET prev = ?, hash = ? WHERE practice = ? AND seq = ?", (prev, hash, practice, entry.seq)
        )
        prev = hash
    db.execute("UPDATE heads SET hash = ? WHERE practice = ?", (prev, practice))
    return f"{practice} rewritten from {changed}"


def vanish(db: sqlite3.Connection, chance: random.Random) -> str:
    practice = chance.choice(("north", "south", ""))
    for table in ("audit", "records", "heads"):
        db.execute(f"DELETE FROM {table} WHERE practice = ?", (practice,))
    return f"{practice or 'the system'} gone"


TAMPERS: tuple[Tamper, ...] = (
    flip,
    flip,
    flip,
    delete,
    truncate,
    truncate_with_head,
    swap,
    insert,
    rewrite,
    vanish,
)


async def test_every_random_tampering_is_found(original: sqlite3.Connection, tmp_path: Path) -> None:
    chance = random.Random(20_240_229)
    untouched = list(original.iterdump())
    copy = sqlite3.connect(tmp_path / "copy.sqlite3")
    copy.execute("PRAGMA synchronous=OFF")
    original.backup(copy)
    ledger = await Ledger.open(f"sqlite:///{tmp_path}/copy.sqlite3", AesSealer())
    unseen: list[str] = []
    for number in range(TAMPERINGS):
        original.backup(copy)
        what = TAMPERS[number % len(TAMPERS)](copy, chance)
        copy.commit()
        assert list(copy.iterdump()) != untouched, f"{what} changed nothing"
        if (await ledger.verify()).sound:
            unseen.append(what)
    original.backup(copy)
    restored = await ledger.verify()
    await ledger.close()
    copy.close()

    assert unseen == []
    assert restored.sound


async def test_an_untouched_copy_is_sound(original: sqlite3.Connection, tmp_path: Path) -> None:
    copy = sqlite3.connect(tmp_path / "copy.sqlite3")
    original.backup(copy)
    copy.close()

    ledger = await Ledger.open(f"sqlite:///{tmp_path}/copy.sqlite3", AesSealer())
    report = await ledger.verify()
    await ledger.close()

    assert report.sound
    assert (report.practices, report.entries, report.records) == (3, 50, 24)


async def test_an_old_copy_put_back_shows_against_heads_kept_elsewhere(ledger: Ledger, url: str) -> None:
    await ledger.archive(streamed([trail(number) for number in range(5)]), {})
    early = await ledger.heads()
    await ledger.archive([(0, "9-0", trail(9))], {})
    late = await ledger.heads()

    forged = {"north": Head(3, b"x" * 32)}

    assert (await ledger.verify(early)).sound
    assert (await ledger.verify(late)).sound
    assert {fault.what for fault in (await ledger.verify({"north": Head(late["north"].seq + 1)})).faults} == {
        "rolled_back"
    }
    assert {fault.what for fault in (await ledger.verify(forged)).faults} == {"rolled_back"}


async def test_long_chains_are_read_in_pieces(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.ledger.verify.CHUNK", 7)
    await ledger.archive(streamed([record(number) for number in range(21)]), {})

    report = await ledger.verify()

    assert report.sound
    assert report.records == 21


async def test_the_command_tells_sound_from_tampered(
    original: sqlite3.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.sqlite3"
    copy = sqlite3.connect(path)
    original.backup(copy)
    url = f"sqlite:///{path}"

    sound = await verify_command(url, AesSealer())
    copy.execute("DELETE FROM audit WHERE practice = 'north' AND seq = 3")
    copy.commit()
    copy.close()
    tampered = await verify_command(url, AesSealer())
    missing = await verify_command(f"sqlite:///{tmp_path}/none.sqlite3", AesSealer())

    out, err = capsys.readouterr()
    assert (sound, tampered, missing) == (0, 1, 2)
    assert "50 entries and 24 records of 2 practices examined." in out
    assert "practice north: missing at 3" in err
    assert not (tmp_path / "none.sqlite3").exists()
