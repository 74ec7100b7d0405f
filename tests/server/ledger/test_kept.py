"""Heads that are kept elsewhere: they follow their chains, and never one that was put back."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from server.ledger.archive import Archiver
from server.ledger.chain import SYSTEM
from server.ledger.command import verify_command
from server.ledger.kept import KeptHeads
from server.ledger.ledger import Ledger
from server.ports import StoreAway
from server.ports.outbox import Owed
from server.store.memory import MemoryStore
from tests.server.ledger.support import AesSealer, Hook, MemoryOutbox, OneNode, boxed, record, streamed, trail


@pytest.fixture
def kept() -> KeptHeads:
    return KeptHeads(MemoryStore(lambda: 0).documents)


async def no_hooks(practice: str) -> Sequence[Hook]:
    return ()


def archiver(outbox: MemoryOutbox, ledger: Ledger, kept: KeptHeads) -> Archiver:
    return Archiver(outbox, OneNode(), ledger, no_hooks, "n1", kept=kept)


async def archive(ledger: Ledger, kept: KeptHeads, *owed: Owed) -> None:
    await archiver(boxed(streamed(owed)), ledger, kept).once()


async def test_the_heads_are_kept_after_each_batch(ledger: Ledger, kept: KeptHeads) -> None:
    await archive(ledger, kept, trail(1), record(2), trail(3, practice="south"))
    first = await kept.all()
    await archive(ledger, kept, trail(4))

    assert set(first) == {SYSTEM, "north", "south"}
    assert (first["north"].seq, first["north"].records) == (2, 1)
    assert await kept.all() == await ledger.heads()
    assert (await ledger.verify(await kept.all())).sound


async def test_no_batch_is_trimmed_before_its_heads_are_kept(ledger: Ledger, kept: KeptHeads) -> None:
    outbox = boxed(streamed([trail(1)]))

    class Away(KeptHeads):
        async def follow(self, ledger: Ledger, practices: object) -> None:
            raise StoreAway

    with pytest.raises(StoreAway):
        await archiver(outbox, ledger, Away(kept.documents)).once()
    assert len(outbox.items) == 1

    await archiver(outbox, ledger, kept).once()
    assert outbox.items == []
    assert (await kept.all())["north"].seq == 1


async def test_a_chain_that_was_put_back_and_grew_again_is_found_out(
    kept: KeptHeads, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3", AesSealer())
    await archive(ledger, kept, trail(1))
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as now:
        now.execute("VACUUM INTO ?", (f"{tmp_path}/early.sqlite3",))
    await archive(ledger, kept, trail(2), trail(3))
    await ledger.close()
    before = await kept.all()

    put_back = await Ledger.open(f"sqlite:///{tmp_path}/early.sqlite3", AesSealer())
    assert (await put_back.verify()).sound
    with caplog.at_level(logging.ERROR):
        await archive(put_back, kept, *(trail(number) for number in range(10, 20)))
    report = await put_back.verify(await kept.all())
    await put_back.close()

    assert (await kept.all())["north"] == before["north"]
    assert "practice north has lost entries" in caplog.text
    assert {(fault.practice, fault.what) for fault in report.faults} == {("north", "rolled_back")}


async def test_of_two_archivers_the_faster_one_keeps(ledger: Ledger, kept: KeptHeads) -> None:
    await archive(ledger, kept, trail(1))
    slow = KeptHeads(kept.documents)
    real = ledger.heads

    async def heads(practices: object = None) -> object:
        found = await real()
        ledger.heads = real  # type: ignore[method-assign]
        await archive(ledger, kept, trail(3))
        return found

    ledger.heads = heads  # type: ignore[method-assign, assignment]
    await archive(ledger, slow, trail(2))

    assert (await kept.all())["north"].seq == 3


async def test_the_command_says_what_it_compared_with(
    ledger: Ledger, kept: KeptHeads, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await archive(ledger, kept, trail(1))
    heads = await kept.all()
    ahead = {"north": type(heads["north"])(7, bytes(32), 0)}

    codes = [await verify_command(url, AesSealer(), given) for given in (None, heads, ahead)]

    out, err = capsys.readouterr()
    assert codes == [0, 0, 1]
    assert "The store was not asked" in out
    assert "Compared with 2 heads" in out
    assert "practice north: rolled_back at 1" in err
