"""A node that would write another ledger than those before it does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.ledger.database import LedgerError
from server.ledger.ledger import Ledger
from server.ledger.shared import demand_shared
from server.store.memory import MemoryNodes
from tests.server.ledger.support import AesSealer


async def opened(path: Path) -> str:
    """The id of the ledger in a directory."""
    path.mkdir(exist_ok=True)
    ledger = await Ledger.open(f"sqlite:///{path}/ledger.sqlite3", AesSealer())
    await ledger.close()
    return ledger.id


async def test_nodes_of_one_host_share_a_file_and_one_with_a_file_of_its_own_is_refused(tmp_path: Path) -> None:
    nodes = MemoryNodes(lambda: 0)
    first = await opened(tmp_path / "one")
    await demand_shared(nodes, first)
    await demand_shared(nodes, await opened(tmp_path / "one"))  # another node, or the same one later

    with pytest.raises(LedgerError, match="write another ledger: give all the same CARELOBBY_LEDGER_URL"):
        await demand_shared(nodes, await opened(tmp_path / "two"))

    await demand_shared(nodes, first)
