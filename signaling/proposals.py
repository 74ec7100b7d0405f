"""What billing might make of the facts: dated tables with their sources, and what a person should look at.

Payers differ, so nothing here is a verdict. A rule that pays money is a row with a source and a date, never an `if`.
Face-to-face time is whole minutes, rounded down.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from msgspec import Struct

from signaling.fields import Outcome, PlaceKind
from signaling.policy import MINUTE, AudioOnlyRule


class Rule(Struct, frozen=True, kw_only=True):
    """Where a proposal comes from, and when it holds."""

    id: str
    source: str
    effective: date | None = None
    """The first day on which it holds; None: always, as far as we know."""
    until: date | None = None
    """The first day on which it no longer holds."""

    def holds(self, day: date) -> bool:
        """Whether the rule applies to a service of that day."""
        return (self.effective is None or self.effective <= day) and (self.until is None or day < self.until)


class Band(Rule, frozen=True, kw_only=True):
    """A code by the minutes with the client present."""

    family: str
    code: str
    least: int
    """Minutes from which the code fits; the next row of the family takes over at its own."""


class PlaceOfService(Rule, frozen=True, kw_only=True):
    """A place-of-service code by where the client is."""

    kind: PlaceKind
    code: str


class Modifier(Rule, frozen=True, kw_only=True):
    """A modifier by how the client was connected."""

    modality: str
    code: str


CPT_TIMES: Final = "CPT time rules"
CPT_UNTIMED: Final = "CPT, no time band"
CPT_GROUP: Final = "CPT, no time band; NGS LCD L33632"
HOME: Final = "CMS Transmittal 11045, CR 12427"


def _band(family: str, code: str, least: int, source: str = CPT_TIMES) -> Band:
    return Band(id=f"cpt-{code}-{least}", source=source, family=family, code=code, least=least)


BANDS: Final = (
    _band("psychotherapy", "90832", 16),
    _band("psychotherapy", "90834", 38),
    _band("psychotherapy", "90837", 53),
    _band("psychotherapy add-on", "90833", 16),
    _band("psychotherapy add-on", "90836", 38),
    _band("psychotherapy add-on", "90838", 53),
    _band("crisis", "90839", 30),
    _band("family without client", "90846", 26),
    _band("family", "90847", 26),
    _band("group", "90853", 0, CPT_GROUP),
    _band("evaluation", "90791", 0, CPT_UNTIMED),
    _band("medical evaluation", "90792", 0, CPT_UNTIMED),
)

PLACES: Final = (
    PlaceOfService(id="pos-10-home", source=HOME, effective=date(2022, 1, 1), kind="home", code="10"),
    PlaceOfService(id="pos-10-lodging", source=HOME, effective=date(2022, 1, 1), kind="lodging", code="10"),
    PlaceOfService(id="pos-02-other", source=HOME, effective=date(2022, 1, 1), kind="other", code="02"),
)

MODIFIERS: Final = (
    Modifier(id="mod-95", source="CPT Appendix P", modality="video", code="95"),
    Modifier(id="mod-93", source="CPT Appendix T", modality="audio", code="93"),
)

NO_FEE: Final = ""
"""The service code of a client whom the practice charges nothing; None is one that it said nothing of."""
GROUP_LIMIT: Final = 12
"""NGS LCD L33632: at most 12 participants."""
SHORTEST: Final = 16
"""Minutes; psychotherapy below is not reported."""
PRESENT: Final[frozenset[Outcome]] = frozenset({"attended", "late_arrival", "left_early", "technical_failure"})
"""Outcomes of a client who was there; of others no service is proposed."""


class Case(Struct, frozen=True, kw_only=True):
    """What the tables need to know of one client."""

    day: date
    """Of the service, in the practice's time zone."""
    outcome: Outcome
    group: bool
    video: int
    """Milliseconds connected with video both ways."""
    audio: int
    """Milliseconds connected otherwise."""
    service_code: str | None = None
    no_fee: bool = False
    """The practice charges nothing for it."""
    place: PlaceKind | None = None
    consented: bool = False
    private: bool = False
    matched: bool = True
    """The practice knows who the client is."""
    reasons_missing: bool = False
    """Audio-only was recorded without a reason, or happened without being recorded."""
    audio_rule: AudioOnlyRule = "allowed"


def propose(case: Case) -> dict[str, Any]:
    """Return `{service, place_of_service, modifier}`, each with its rule's id, source and known date, or None."""
    if case.outcome not in PRESENT or case.video + case.audio == 0:
        return {"service": None, "place_of_service": None, "modifier": None}
    place = next((row for row in PLACES if row.kind == case.place and row.holds(case.day)), None)
    modifier = next((row for row in MODIFIERS if row.modality == modality(case) and row.holds(case.day)), None)
    return {
        "service": None if case.no_fee else _service(case),
        "place_of_service": None if place is None else _shown(place, place.code),
        "modifier": None if modifier is None else _shown(modifier, modifier.code),
    }


def flags(case: Case) -> tuple[str, ...]:
    """Return what a person should look at before anything is billed."""
    if case.outcome not in PRESENT:
        return ()
    connected = case.video + case.audio
    timed = not (case.group or case.no_fee) and _family(case) in ("psychotherapy", "psychotherapy add-on")
    raised = {
        "no_connected_minutes": connected < MINUTE,
        "under_16_minutes": timed and connected < SHORTEST * MINUTE,
        "mixed_modality": case.video >= MINUTE and case.audio >= MINUTE,
        "audio_only_without_reason": case.reasons_missing,
        "audio_only_forbidden": case.audio_rule == "forbidden" and connected > 0 and modality(case) == "audio",
        "consent_missing": not case.consented,
        "privacy_not_confirmed": not case.private,
        "place_missing": case.place is None,
        "client_not_matched": not case.matched,
        "no_fee": case.no_fee,
    }
    return tuple(flag for flag, up in raised.items() if up)


def modality(case: Case) -> str:
    """Return how most of the time was spent."""
    return "video" if case.video >= case.audio else "audio"


def _family(case: Case) -> str | None:
    """Return the family the scheduled code belongs to; None: a code of the practice's own."""
    if case.service_code is None:
        return "group" if case.group else "psychotherapy"
    code = case.service_code.strip()
    return next((row.family for row in BANDS if row.code == code), None)


def _service(case: Case) -> dict[str, Any] | None:
    family = _family(case)
    rows = sorted((row for row in BANDS if row.family == family and row.holds(case.day)), key=lambda row: row.least)
    minutes = (case.video + case.audio) // MINUTE
    fits = [row for row in rows if row.least <= minutes]
    if not rows:
        return None
    following = next((row for row in rows if row.least > minutes), None)
    upcoming = None if following is None else {"code": following.code, "minutes": following.least - minutes}
    if not fits:
        return {"code": None, "minutes": minutes, "next": upcoming}
    return _shown(fits[-1], fits[-1].code) | {"minutes": minutes, "next": upcoming}


def _shown(rule: Rule, code: str) -> dict[str, Any]:
    effective = None if rule.effective is None else rule.effective.isoformat()
    return {"code": code, "rule": rule.id, "source": rule.source, "effective": effective}
