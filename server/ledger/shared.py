"""All nodes over one store write one ledger: with two, each would hold a part of the records and of the trail."""

from __future__ import annotations

from server.ledger.database import LedgerError
from server.ports.nodes import Nodes


async def demand_shared(nodes: Nodes, ledger: str) -> None:
    """Raise `LedgerError` if the nodes over this store write another ledger than the one of this id.

    So SQLite, whose file another host does not see, is refused where a node on a second host was first.
    """
    if await nodes.agree("ledger", ledger) != ledger:
        raise LedgerError(
            "Other nodes over this Redis write another ledger: give all the same CARELOBBY_LEDGER_URL, PostgreSQL's on "
            "several hosts; if their ledger is gone for good, delete Redis' key agreed:ledger and start again."
        )
