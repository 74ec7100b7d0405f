"""Amendments of closed visits' records: each a new revision, left in the outbox behind the one it corrects.

The ledger may be a moment behind. So what was said anew of a visit is kept beside its room, with the number of its
latest revision: of two amendments at the same time the later is made of both, and none is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from server.ports.documents import Changed
from server.ports.outbox import Owed
from server.registry.documents import Amended
from server.registry.errors import Clash, Invalid
from server.registry.names import digest, room_id
from server.registry.shelf import ATTEMPTS, Deed, Shelf
from signaling.amending import Change, amend

ACTION = "visit.amended"


@dataclass(frozen=True, slots=True)
class Amendments:
    """What practices corrected."""

    shelf: Shelf

    async def make(
        self, practice: str, record: dict[str, Any], changes: Mapping[str, Change], reason: str, *, by: str
    ) -> tuple[dict[str, Any], bool]:
        """Return the next revision of a visit's record, and whether it is new; `changes` by client.

        `record` is the latest that the ledger has. What was amended last, said once more, makes no other revision.
        Raise `Invalid` for a client who is not of the visit.
        """
        visit = record["visit"]
        room = room_id(practice, record["facts"]["providers"][0]["id"])
        wanted = _by_participant(record, changes)
        said = digest(msgspec.json.encode((sorted(wanted.items()), reason)).decode())
        for _ in range(ATTEMPTS):
            before, version = await self.shelf.versioned(room, Amended, visit)
            before = before or Amended(revision=0, changes={}, said="", at=0, by="", reason="")
            if before.said == said:
                return _amended(record, before), False
            after = Amended(
                revision=1 + max(record["revision"], before.revision),
                changes=before.changes | wanted,
                said=said,
                at=self.shelf.clock(),
                by=by,
                reason=reason,
            )
            amended = _amended(record, after)
            owed = Owed(kind="record", practice=practice, room=room, at=after.at, data=amended)
            deed = Deed(practice, by, ACTION, visit, str(after.revision))
            try:
                await self.shelf.put(room, visit, after, deed, expected=version, owed=(owed,))
            except Changed:
                continue
            return amended, True
        raise Clash("too many others amend this record")

    async def remove_all(self, room: str) -> None:
        """Forget what was amended in a room: its practice is being deleted. The ledger's rows stay."""
        for visit in await self.shelf.all(room, Amended):
            await self.shelf.delete(room, Amended, visit)


def _amended(record: dict[str, Any], what: Amended) -> dict[str, Any]:
    amendment = {"at": what.at, "by": what.by, "reason": what.reason}
    return amend(record, what.changes, what.revision) | {"amendment": amendment}


def _by_participant(record: dict[str, Any], changes: Mapping[str, Change]) -> dict[str, Change]:
    known = {
        name: client["participant"]
        for client in record["facts"]["clients"]
        for name in (client["participant"], client["id"])
    }
    wanted = {}
    for place, (client, change) in enumerate(changes.items()):
        if client not in known:
            raise Invalid(f"$.outcomes[{place}].client", "must be a client of this visit")
        wanted[known[client]] = change
    return wanted
