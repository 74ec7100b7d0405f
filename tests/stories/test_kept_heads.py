"""The audit trail is held against what the store remembers of it, so that an older copy put back is found out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.stories.conftest import day_at
from tests.stories.service import Service
from tests.stories.test_amendments import closed_visit
from tests.stories.test_running import run


async def test_a_ledger_that_was_put_back_while_nobody_looked_is_not_sound(tmp_path: Path) -> None:
    service = Service(tmp_path / "var")
    ledger, early = tmp_path / "var" / "ledger.sqlite3", tmp_path / "early.sqlite3"
    await service.start()
    with closing(sqlite3.connect(ledger)) as now:
        now.execute("VACUUM INTO ?", (str(early),))
    async for day in day_at(service):
        await closed_visit(day)
    sound = run("audit", "verify", "--data-dir", str(service.data_dir))
    await service.stop()

    ledger.write_bytes(early.read_bytes())
    alone = run("audit", "verify", "--data-dir", str(service.data_dir))
    await service.start()
    compared = run("audit", "verify", "--data-dir", str(service.data_dir))
    await service.stop()

    assert (sound.returncode, "heads that are kept in the store" in sound.stdout) == (0, True), sound.stderr
    assert (alone.returncode, "The store was not asked" in alone.stdout) == (0, True), alone.stderr
    assert compared.returncode == 1
    assert "rolled_back" in compared.stderr
