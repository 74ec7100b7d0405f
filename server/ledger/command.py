"""`audit verify` on the command line: says what was examined and what does not hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from server.ledger.chain import Head
from server.ledger.database import LedgerError
from server.ledger.ledger import Ledger
from server.ledger.sealing import Sealer

SHOWN = 50


async def verify_command(url: str, sealer: Sealer, kept: Mapping[str, Head] | None = None) -> int:
    """Examine the ledger at `url` and print the findings; return 0 (sound), 1 (not sound) or 2 (cannot be read).

    `kept`: the heads that are kept in the store, read before this; None: it could not be reached.
    """
    try:
        ledger = await Ledger.open(url, sealer, make=False)
        try:
            report = await ledger.verify(kept)
        finally:
            await ledger.close()
    except LedgerError as problem:
        print(problem, file=sys.stderr)
        return 2
    except (SQLAlchemyError, OSError, TimeoutError) as problem:
        print(f"The ledger could not be read to the end: {type(problem).__name__}.", file=sys.stderr)
        return 2
    practices = max(0, report.practices - 1)  # the system's own chain is none
    print(f"{report.entries} entries and {report.records} records of {practices} practices examined.")
    if kept is None:
        print("The store was not asked: a trail that was put back to an earlier state would not show.")
    else:
        print(f"Compared with {len(kept)} heads that are kept in the store.")
    for fault in report.faults[:SHOWN]:
        print(f"practice {fault.practice or '(system)'}: {fault.what} at {fault.at}", file=sys.stderr)
    if len(report.faults) > SHOWN:
        print(f"... and {len(report.faults) - SHOWN} more", file=sys.stderr)
    print("The trail is sound." if report.sound else "The trail is NOT sound.")
    return 0 if report.sound else 1
