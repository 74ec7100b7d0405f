"""The closed visit's record, as billing gets it: measured facts, dated proposals, flags. Never a verdict.

The commonest audit error is a record filled in from the schedule. Here every minute was measured: `minutes.py` says
what counts, `outcomes.py` what is said of attendance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, to_builtins

from signaling.fields import Outcome
from signaling.judging import group_size, judged
from signaling.minutes import flowing, withheld
from signaling.outcomes import outcome_of
from signaling.proposals import NO_FEE
from signaling.quality import network_faults, summed_up
from signaling.spans import Spans, length, overlap, spans, without
from signaling.state import Attendee, Seat, Visit


class Record(Struct, frozen=True):
    """One revision of one visit's record. `facts` is PROTOCOL.md's object; times are ms UTC."""

    id: str
    visit: str
    revision: int
    facts: dict[str, Any]
    proposals: dict[str, Any] = {}
    flags: tuple[str, ...] = ()


def record_of(visit: Visit, outcomes: Mapping[str, Outcome], now: int, revision: int = 1) -> Record:
    """Return the record of a visit as it stands at `now`; `outcomes` by participant, else `outcome_of` decides."""
    decided = {id: outcomes.get(id) or outcome_of(visit, seat, now) for id, seat in visit.seats.items()}
    zone, zone_name = _zone(visit)
    clients = [_client(visit, seat, decided[id], now) for id, seat in visit.seats.items()]
    facts = {
        "appointment": visit.appointment,
        "scheduled": {"start": visit.start, "end": visit.end},
        "time_zone": zone_name,
        "segments": [
            {
                "started_at": segment.started_at,
                "ended_at": segment.ended_at,
                "started_local": _local(segment.started_at, zone),
                "ended_local": None if segment.ended_at is None else _local(segment.ended_at, zone),
                "by": segment.by,
                "reason": segment.reason,
            }
            for segment in visit.segments
        ],
        "providers": [
            {"id": provider.id, "name": provider.name, "connection": summed_up(visit, provider.id)}
            for provider in visit.providers
        ],
        "clients": clients,
        "group": visit.group,
        "group_size": group_size(clients),
        "faults": [*visit.faults, *network_faults(visit)],
    }
    proposals, flags = judged(facts)
    return Record(
        # One visit has one record: its id follows from the visit's.
        id=f"rec_{visit.id.removeprefix('vis_')}",
        visit=visit.id,
        revision=revision,
        facts=facts,
        proposals=proposals,
        flags=flags,
    )


def _client(visit: Visit, seat: Seat, outcome: Outcome, now: int) -> dict[str, Any]:
    video, audio = flowing(visit, seat.participant, now)
    said = seat.checked_in
    return {
        "id": seat.client,
        "participant": seat.participant,
        "name": seat.name,
        "payer": seat.payer,
        "outcome": outcome,
        "service_code": None if seat.service_code == NO_FEE else seat.service_code,
        "no_fee": seat.service_code == NO_FEE,
        "connected_ms": {"video": length(video), "audio": length(audio)},
        "intervals": _intervals(visit, video, audio, now),
        "identity": _identity(visit, seat),
        "place": None if said is None else to_builtins(said.place),
        "consent": {"version": said.consent_version, "at": said.at} if said and said.consent_version else None,
        "privacy": said is not None and said.privacy,
        "audio_only_rule": visit.policy.audio_only_for(seat.payer),
        "audio_only": _audio_only(visit, seat, now),
        "connection": summed_up(visit, seat.participant),
        "waited_ms": length(spans(seat.waited, now)),
        "attended": [{"from": start, "to": end} for start, end in spans(seat.attended, now)],
    }


def _audio_only(visit: Visit, seat: Seat, now: int) -> list[dict[str, Any]]:
    """Return when there was sound alone, and why: as the client said, and as the server saw that networks were weak."""
    said = [
        (span.start, now if span.end is None else span.end, span.reason, span.said_by)
        for span in visit.attendees.get(seat.participant, Attendee()).audio_only
    ]
    seen = [(start, end, "bandwidth", "server") for start, end in withheld(visit, seat.participant, now)]
    return [
        {"from": start, "to": end, "reason": reason, "said_by": by}
        for start, end, reason, by in sorted([*said, *seen], key=lambda span: span[:2])
    ]


def _intervals(visit: Visit, video: Spans, audio: Spans, now: int) -> list[dict[str, Any]]:
    """Return when they were connected, how, and who measured it: our `server`, or both people's `browser`."""
    direct = spans(visit.direct, now)
    found = [
        (*span, modality, source)
        for modality, all_of_it in (("video", video), ("audio", audio))
        for source, part in (("browser", overlap(all_of_it, direct)), ("server", without(all_of_it, direct)))
        for span in part
    ]
    return [
        {"from": start, "to": end, "modality": modality, "source": source}
        for start, end, modality, source in sorted(found)
    ]


def _identity(visit: Visit, seat: Seat) -> str | None:
    """Return how we know who came: by the `link` that is theirs alone, `matched` by a provider, or only `walk_in`."""
    if seat.checked_in is None:
        return None
    if seat.participant in visit.matched.values() and seat.called is not None:
        return "matched"
    return "walk_in" if seat.client is None else "link"


def _zone(visit: Visit) -> tuple[tzinfo, str]:
    """Return the practice's time zone; UTC where it names none that exists."""
    name = visit.policy.practice.time_zone
    try:
        return ZoneInfo(name), name
    except (OSError, ValueError, LookupError):  # unknown, malformed, or a directory of zones
        return UTC, "UTC"


def _local(at: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at / 1000, zone).isoformat(timespec="seconds")
