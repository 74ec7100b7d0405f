"""Proposals: rows with a source and a date, at their borders; flags for a person to look at."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from signaling.policy import MINUTE
from signaling.proposals import BANDS, MODIFIERS, PLACES, Case, Rule, flags, propose

DAY = date(2024, 2, 29)
CLEAN = Case(
    day=DAY,
    outcome="attended",
    group=False,
    video=53 * MINUTE,
    audio=0,
    service_code="90837",
    place="home",
    consented=True,
    private=True,
)


def case(**fields: Any) -> Case:
    return replace(CLEAN, **fields)


@pytest.mark.parametrize(
    ("scheduled", "minutes", "code", "following"),
    [
        (None, 15, None, ("90832", 1)),
        (None, 16, "90832", ("90834", 22)),
        (None, 37, "90832", ("90834", 1)),
        (None, 38, "90834", ("90837", 15)),
        (None, 52, "90834", ("90837", 1)),
        (None, 53, "90837", None),
        (None, 240, "90837", None),
        ("90837", 40, "90834", ("90837", 13)),
        ("90834", 60, "90837", None),
        ("90836", 16, "90833", ("90836", 22)),
        ("90838", 53, "90838", None),
        ("90839", 29, None, ("90839", 1)),
        ("90839", 30, "90839", None),
        ("90846", 25, None, ("90846", 1)),
        ("90847", 26, "90847", None),
        ("90791", 3, "90791", None),
        (" 90792 ", 60, "90792", None),
        ("90853", 1, "90853", None),
    ],
)
def test_the_bands_at_their_borders(
    scheduled: str | None, minutes: int, code: str | None, following: tuple[str, int] | None
) -> None:
    just_short_of_the_next = minutes * MINUTE + MINUTE - 1

    service = propose(case(service_code=scheduled, video=0, audio=just_short_of_the_next))["service"]

    assert service["code"] == code
    assert service["minutes"] == minutes
    assert service["next"] == (following and {"code": following[0], "minutes": following[1]})


def test_each_proposal_names_its_rule() -> None:
    assert propose(CLEAN) == {
        "service": {
            "code": "90837",
            "rule": "cpt-90837-53",
            "source": "CPT time rules",
            "effective": None,
            "minutes": 53,
            "next": None,
        },
        "place_of_service": {
            "code": "10",
            "rule": "pos-10-home",
            "source": "CMS Transmittal 11045, CR 12427",
            "effective": "2022-01-01",
        },
        "modifier": {"code": "95", "rule": "mod-95", "source": "CPT Appendix P", "effective": None},
    }


@pytest.mark.parametrize(("kind", "code"), [("home", "10"), ("lodging", "10"), ("other", "02")])
def test_place_of_service_is_the_clients(kind: str, code: str) -> None:
    assert propose(case(place=kind))["place_of_service"]["code"] == code


@pytest.mark.parametrize(("video", "audio", "code"), [(30, 0, "95"), (0, 30, "93"), (20, 10, "95"), (10, 20, "93")])
def test_the_modifier_follows_most_of_the_time(video: int, audio: int, code: str) -> None:
    assert propose(case(video=video * MINUTE, audio=audio * MINUTE))["modifier"]["code"] == code


def test_a_rule_does_not_hold_before_its_day_nor_from_its_last() -> None:
    rule = Rule(id="r", source="s", effective=date(2022, 1, 1), until=date(2024, 1, 1))

    assert not rule.holds(date(2021, 12, 31))
    assert rule.holds(date(2022, 1, 1))
    assert rule.holds(date(2023, 12, 31))
    assert not rule.holds(date(2024, 1, 1))
    assert propose(case(day=date(2021, 12, 31)))["place_of_service"] is None


@pytest.mark.parametrize("outcome", ["no_show", "late_cancel", "cancelled", "provider_absent"])
def test_who_was_not_there_is_proposed_nothing(outcome: str) -> None:
    absent = case(outcome=outcome, video=0, consented=False, place=None)

    assert set(propose(absent).values()) == {None}
    assert flags(absent) == ()


def test_a_code_of_the_practices_own_is_left_alone() -> None:
    own = propose(case(service_code="COACH-50"))

    assert own["service"] is None
    assert own["modifier"]["code"] == "95"


@pytest.mark.parametrize("group", [False, True])
def test_where_nothing_is_charged_no_service_is_proposed(group: bool) -> None:
    free = propose(case(service_code=None, no_fee=True, group=group))

    assert free["service"] is None
    assert (free["place_of_service"]["code"], free["modifier"]["code"]) == ("10", "95")


def test_a_rule_without_a_date_says_none_and_always_holds() -> None:
    assert Rule(id="r", source="s").holds(date(1990, 1, 1))
    assert propose(CLEAN)["service"]["effective"] is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ()),
        ({"video": 0, "audio": 0}, ("no_connected_minutes", "under_16_minutes")),
        ({"video": MINUTE - 1}, ("no_connected_minutes", "under_16_minutes")),
        ({"video": 16 * MINUTE - 1}, ("under_16_minutes",)),
        ({"video": 16 * MINUTE}, ()),
        ({"video": 10 * MINUTE, "service_code": "90791"}, ()),
        ({"video": 10 * MINUTE, "group": True, "service_code": None}, ()),
        ({"video": 50 * MINUTE, "audio": MINUTE}, ("mixed_modality",)),
        ({"reasons_missing": True}, ("audio_only_without_reason",)),
        ({"video": 0, "audio": 53 * MINUTE, "audio_rule": "forbidden"}, ("audio_only_forbidden",)),
        ({"consented": False}, ("consent_missing",)),
        ({"private": False}, ("privacy_not_confirmed",)),
        ({"place": None}, ("place_missing",)),
        ({"matched": False}, ("client_not_matched",)),
        ({"no_fee": True, "service_code": None}, ("no_fee",)),
        ({"no_fee": True, "service_code": None, "video": 10 * MINUTE}, ("no_fee",)),
    ],
)
def test_what_a_person_should_look_at(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert flags(case(**fields)) == expected


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_more_time_never_proposes_a_lesser_band(one: int, other: int) -> None:
    codes = [None, "90832", "90834", "90837"]
    less, more = (propose(case(video=ms + 1))["service"]["code"] for ms in sorted((one, other)))

    assert codes.index(less) <= codes.index(more)


def test_every_rule_has_its_own_name_and_a_source() -> None:
    rules = [*BANDS, *PLACES, *MODIFIERS]

    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.source for rule in rules)
