"""What is proposed and flagged of a record: from its facts alone, so that an amended one is judged like the first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from signaling import proposals
from signaling.proposals import GROUP_LIMIT, PRESENT, Case


def judged(facts: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a record's (proposals, flags)."""
    told, raised = [], dict[str, None]()
    for client in facts["clients"]:
        case = case_of(facts, client)
        flags = proposals.flags(case)
        raised |= dict.fromkeys(flags)
        told.append(
            {"id": client["id"], "participant": client["participant"], "flags": list(flags)} | proposals.propose(case)
        )
    if facts["group"] and facts["group_size"] > GROUP_LIMIT:
        raised["group_over_12"] = None
    if facts["faults"]:
        raised["technical_faults"] = None
    return {"clients": told}, tuple(raised)


def group_size(clients: list[dict[str, Any]]) -> int:
    """Return how many were there, as the facts tell of them."""
    return sum(1 for client in clients if client["attended"] and client["outcome"] in PRESENT)


def case_of(facts: dict[str, Any], client: dict[str, Any]) -> Case:
    """Return what the tables need to know of one client."""
    segments, scheduled = facts["segments"], facts["scheduled"]
    began = segments[0]["started_at"] if segments else scheduled["start"]
    video, audio = client["connected_ms"]["video"], client["connected_ms"]["audio"]
    flagged = client["audio_only"]
    return Case(
        day=datetime.fromtimestamp(began / 1000, ZoneInfo(facts["time_zone"])).date(),
        outcome=client["outcome"],
        group=facts["group"],
        video=video,
        audio=audio,
        service_code=client["service_code"],
        no_fee=client["no_fee"],
        place=None if client["place"] is None else client["place"]["kind"],
        consented=client["consent"] is not None,
        private=client["privacy"],
        matched=client["id"] is not None,
        reasons_missing=any(span["reason"] is None for span in flagged) or (audio > video and not flagged),
        audio_rule=client["audio_only_rule"],
    )
