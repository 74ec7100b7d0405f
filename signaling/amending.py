"""A correction of a closed visit's record: another revision, in which what was measured stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from signaling.fields import Outcome
from signaling.judging import group_size, judged
from signaling.proposals import NO_FEE


class Change(Struct, frozen=True):
    """What is to be said of one client instead."""

    outcome: Outcome
    service_code: str | None = None
    """None: as it was; `NO_FEE`: nothing is charged."""


def amend(record: dict[str, Any], changes: Mapping[str, Change], revision: int) -> dict[str, Any]:
    """Return another revision of a record, judged anew; `changes` by participant. The given one stays as it is."""
    facts = dict(record["facts"])
    facts["clients"] = [_changed(client, changes.get(client["participant"])) for client in facts["clients"]]
    facts["group_size"] = group_size(facts["clients"])
    proposed, flags = judged(facts)
    return record | {"revision": revision, "facts": facts, "proposals": proposed, "flags": list(flags)}


def _changed(client: dict[str, Any], change: Change | None) -> dict[str, Any]:
    if change is None:
        return client
    said = {"outcome": change.outcome}
    if change.service_code is None:
        return client | said
    no_fee = change.service_code == NO_FEE
    return client | said | {"service_code": None if no_fee else change.service_code, "no_fee": no_fee}
