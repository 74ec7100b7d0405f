"""Practices: the operator's part of the API."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from server.registry.errors import Missing
from server.web.api.operation import Answer, Call, Nothing, Operation
from server.web.problems import FieldError, Problem
from signaling.policy import MINUTE, SECOND, AudioOnlyRule, Consent, Policy, PracticeInfo

Minutes = Annotated[float, Meta(ge=0, le=7 * 24 * 60)]
Label = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(max_length=500)]


class ConsentText(Struct, frozen=True):
    """What a client agrees to before waiting. A new text wants a new version."""

    version: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Annotated[str, Meta(max_length=20_000)] = ""


class Policies(Struct, frozen=True, forbid_unknown_fields=True):
    """How visits go, from the next one that opens. What is left out has its default."""

    media: Literal["relay", "direct"] = "relay"
    """How media go in a visit for two: through the server, or from browser to browser as long as that works."""
    audio_only: AudioOnlyRule = "allowed"
    audio_only_by_payer: dict[Label, AudioOnlyRule] = {}
    rejoin_window_minutes: Minutes = 15
    """Counted anew from each End."""
    no_show_minutes: Minutes = 15
    """After the scheduled start, when nobody came."""
    late_minutes: Minutes = 10
    """After the scheduled start: who comes later is said to have come late."""
    early_minutes: Minutes = 10
    """Before the scheduled end: who goes out of a group sooner is said to have left early."""
    window_before_minutes: Minutes = 300
    """Before the scheduled start: earlier nobody checks in."""
    window_after_minutes: Minutes = 300
    """After the scheduled end: later nobody checks in, unless the no-show time lasts longer."""
    waiting_limit_minutes: Minutes = 240
    """After the scheduled start, when somebody waits and no provider comes; of a walk-in, after they came."""
    grace_minutes: Minutes = 5
    """A waiting client whose connection dropped keeps the place this long."""
    abandoned_minutes: Minutes = 5
    """In progress, with one side gone."""
    unanswered_minutes: Minutes = 3
    """A client is ready and no provider has acknowledged it: `notice.unanswered`."""
    away_seconds: Annotated[float, Meta(ge=0, le=3600)] = 30
    """The provider is gone: waiting clients see `away`."""
    show_position: bool = False
    """Waiting clients are told how many are ahead of them."""
    names_in_group: bool = False
    """Clients of a group see each other's names."""
    retention_days: Annotated[int, Meta(ge=1, le=36_500)] = 6 * 365 + 2


class PracticeBody(Struct, frozen=True):
    """A practice, whole: what is left out has its default."""

    name: Label
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    """A name of the IANA time zone database."""
    help: Line = ""
    """How a client reaches a person: a telephone number or an address."""
    backup: Line | None = None
    """Shown when media cannot connect: another meeting link or a telephone number."""
    consent: ConsentText = field(default_factory=lambda: ConsentText(version="1"))
    policies: Policies = field(default_factory=Policies)


class PracticeAnswer(Struct, frozen=True, omit_defaults=True):
    """A practice as it was saved."""

    id: str
    name: str
    time_zone: str
    api_key: str | None = None
    """Shown this once, to whoever created the practice."""


async def put(call: Call, body: PracticeBody) -> Answer:
    """Make or change a practice."""
    policy = as_policy(call.id(), body)
    key = await call.services.registry.practices.put(policy, by=call.who)
    answer = PracticeAnswer(id=call.id(), name=body.name, time_zone=body.time_zone, api_key=key)
    return Answer(answer, 200 if key is None else 201)


async def delete(call: Call, body: Nothing) -> Answer:
    """Delete a practice."""
    if not await call.services.registry.practices.delete(call.id(), by=call.who):
        raise Missing("practice")
    return Answer(None)


def as_policy(id: str, body: PracticeBody) -> Policy:
    """Return the policy that `body` says. Raise 422 for an unknown time zone."""
    try:
        zoneinfo.ZoneInfo(body.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        wrong = FieldError(at="$.time_zone", why="must be a name of the IANA time zone database")
        raise Problem("invalid", errors=(wrong,)) from None
    said = body.policies
    return Policy(
        practice=PracticeInfo(
            id=id,
            name=body.name,
            help=body.help,
            backup=body.backup,
            time_zone=body.time_zone,
            consent=Consent(version=body.consent.version, text=body.consent.text),
        ),
        media=said.media,
        audio_only=said.audio_only,
        audio_only_by_payer=dict(said.audio_only_by_payer),
        rejoin_window=round(said.rejoin_window_minutes * MINUTE),
        no_show_after=round(said.no_show_minutes * MINUTE),
        late_after=round(said.late_minutes * MINUTE),
        early_before=round(said.early_minutes * MINUTE),
        window_before=round(said.window_before_minutes * MINUTE),
        window_after=round(said.window_after_minutes * MINUTE),
        waiting_limit=round(said.waiting_limit_minutes * MINUTE),
        grace=round(said.grace_minutes * MINUTE),
        abandoned_after=round(said.abandoned_minutes * MINUTE),
        unanswered_after=round(said.unanswered_minutes * MINUTE),
        away_after=round(said.away_seconds * SECOND),
        show_position=said.show_position,
        names_in_group=said.names_in_group,
        retention_days=said.retention_days,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="PUT",
        path="/v1/practices/{id}",
        summary="Make or change a practice; the first answer shows its first API key",
        handler=put,
        body=PracticeBody,
        answer=PracticeAnswer,
        scope="practices",
        created=True,
    ),
    Operation(
        method="DELETE",
        path="/v1/practices/{id}",
        summary="Delete a practice with its links, live state and open connections; ledger rows stay",
        handler=delete,
        body=Nothing,
        answer=None,
        scope="practices",
        problems=("not_found",),
    ),
)
