"""Heads of the chains, kept outside of the ledger: who cuts a chain and rewrites its head is found out by them.

A kept head only ever moves forward along its own chain. One that no longer lies on the chain stays as it is, for
`verify` to show: moving it would hide what happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from server.ledger.chain import SYSTEM, Head
from server.ledger.ledger import Ledger
from server.ports.documents import Changed, Documents

logger = logging.getLogger(__name__)

PLACE: Final = "~heads"
"""Where they lie; no practice can have this id."""
KIND: Final = "head"
SYSTEM_ID: Final = "~system"


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """The heads as they were after the last batch."""

    documents: Documents

    async def all(self) -> dict[str, Head]:
        """Return every practice's kept head. Read them before the ledger, which is never behind them."""
        found = await self.documents.all(PLACE, KIND)
        return {
            SYSTEM if id == SYSTEM_ID else id: msgspec.msgpack.decode(one.value, type=Head) for id, one in found.items()
        }

    async def follow(self, ledger: Ledger, practices: Collection[str]) -> None:
        """Keep the present heads of these practices, and of the chain that tells of practices."""
        ids = sorted({SYSTEM, *practices})
        before = dict(zip(ids, await asyncio.gather(*map(self._kept, ids)), strict=True))
        heads = await ledger.heads(ids)
        astray = await ledger.astray({id: head for id, (head, _) in before.items() if head is not None})
        for practice in astray:
            logger.error("the trail of practice %s has lost entries: run `audit verify`", practice or "(system)")
        await asyncio.gather(
            *(
                self._keep(id, heads[id], version)
                for id, (head, version) in before.items()
                if id in heads and id not in astray and head != heads[id]
            )
        )

    async def _kept(self, practice: str) -> tuple[Head | None, int]:
        found = await self.documents.get(PLACE, KIND, practice or SYSTEM_ID)
        return (None, 0) if found is None else (msgspec.msgpack.decode(found.value, type=Head), found.version)

    async def _keep(self, practice: str, head: Head, version: int) -> None:
        with suppress(Changed):  # another archiver was faster; the next batch goes on from its head
            value = msgspec.msgpack.encode(head)
            await self.documents.put(PLACE, KIND, practice or SYSTEM_ID, value, expected=version)
