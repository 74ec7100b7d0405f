"""How the network was: minutes of numbers, kept with the visit and summed up in its record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from signaling.events import QualityMeasured
from signaling.policy import MINUTE
from signaling.quality import MOST_MINUTES, level_of, of_reports, with_minute
from signaling.requests import End, Finish, MediaStats, Start
from signaling.snapshot import pack, unpack
from signaling.state import Minute
from tests.signaling.people import ANN, BOB, HOST, SOON
from tests.signaling.play import Played, provider, waiting

BEGIN = SOON + MINUTE
GOOD = Minute(100, rtt=40, lost=3, jitter=5)
POOR = Minute(100, rtt=900, lost=120, jitter=60, freezes=7)


def live() -> Played:
    return waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))


def measured(**minutes: Minute) -> QualityMeasured:
    """A minute of Ann's, or her host's."""
    names = {"ann": ANN.participant, "host": HOST.participant, "bob": BOB.participant}
    return QualityMeasured("vis_ann", {names[name]: minute for name, minute in minutes.items()})


@pytest.mark.parametrize(
    ("loss", "rtt", "freezes", "level"),
    [
        (0.0, 40, 0, "good"),
        (0.019, 299, 1, "good"),
        (0.02, 40, 0, "fair"),
        (0.0, 300, 0, "fair"),
        (0.0, 40, 2, "fair"),
        (0.08, 40, 0, "poor"),
        (0.0, 800, 0, "poor"),
        (0.0, 40, 6, "poor"),
    ],
)
def test_a_connection_is_as_good_as_the_worst_of_it(loss: float, rtt: float, freezes: int, level: str) -> None:
    assert level_of(loss, rtt, freezes) == level


def test_a_minute_sums_up_what_a_browser_told_and_what_it_did_not_tell_counts_for_nothing() -> None:
    reports = [
        MediaStats(rtt_ms=40, loss=0.0, jitter_ms=4, freezes=1),
        MediaStats(rtt_ms=60, loss=0.1, freezes=2),
        MediaStats(kbps=900),
    ]

    assert of_reports(7, reports) == Minute(7, rtt=50, lost=50, jitter=4, freezes=3, reports=3)


def test_a_minute_is_kept_with_the_visit_and_survives_the_store() -> None:
    played = live().then((BEGIN + 2 * MINUTE, measured(ann=GOOD, host=replace(GOOD, rtt=80))))

    kept = unpack(pack(played.room)).visits["vis_ann"].quality

    assert kept == {"par_ann": (GOOD,), "dr_host": (replace(GOOD, rtt=80),)}


def test_minutes_of_strangers_and_of_visits_that_were_never_started_are_not_kept() -> None:
    began = live().then((BEGIN + MINUTE, measured(bob=GOOD)))
    scheduled = waiting(ANN, at=SOON).then((BEGIN, measured(ann=GOOD)))

    assert began.visit().quality == scheduled.visit().quality == {}
    assert scheduled.then((BEGIN, QualityMeasured("vis_nobody", {"par_ann": GOOD}))).visit().quality == {}


def test_two_nodes_accounts_of_one_minute_become_one() -> None:
    played = live().then(
        (BEGIN + MINUTE, measured(ann=Minute(100, rtt=40, lost=0, jitter=2, freezes=1, reports=1))),
        (BEGIN + MINUTE, measured(ann=Minute(100, rtt=80, lost=40, jitter=6, freezes=2, reports=3))),
    )

    assert played.visit().quality["par_ann"] == (Minute(100, rtt=70, lost=30, jitter=5, freezes=3, reports=4),)


@given(st.permutations(range(6)))
def test_minutes_stand_in_their_order_whenever_they_come(order: list[int]) -> None:
    minutes: tuple[Minute, ...] = ()
    for at in order:
        minutes = with_minute(minutes, Minute(at))

    assert [minute.at for minute in minutes] == list(range(6))


def test_a_visit_that_is_forgotten_open_does_not_grow_for_ever() -> None:
    minutes: tuple[Minute, ...] = tuple(Minute(at) for at in range(MOST_MINUTES))

    assert with_minute(minutes, Minute(MOST_MINUTES)) is minutes


def test_the_record_sums_up_both_sides_and_names_a_network_that_was_poor_for_long() -> None:
    minutes = [measured(ann=replace(POOR, at=at), host=replace(GOOD, at=at)) for at in (100, 101)]
    facts = closed(*minutes, measured(ann=replace(GOOD, at=102)))

    (client,), (doctor,) = facts["clients"], facts["providers"]
    assert client["connection"] == {
        "minutes": 3, "poor_minutes": 2, "rtt_ms": 613, "loss": 0.081, "jitter_ms": 42, "freezes": 14,
    }  # fmt: skip
    assert doctor["connection"]["poor_minutes"] == 0
    assert facts["faults"] == ["poor_network_client"]


def test_one_poor_minute_is_no_fault_and_a_browser_that_tells_nothing_has_no_numbers() -> None:
    facts = closed(measured(host=POOR))

    assert facts["faults"] == []
    assert facts["clients"][0]["connection"] is None


def test_a_poor_network_of_the_providers_is_told_as_theirs() -> None:
    facts = closed(*(measured(host=replace(POOR, at=at)) for at in (100, 101)))

    assert facts["faults"] == ["poor_network_provider"]


def closed(*minutes: QualityMeasured) -> dict[str, Any]:
    """The facts of a visit that had these minutes."""
    played = live().then(
        *((BEGIN + 5 * MINUTE, minute) for minute in minutes),
        (BEGIN + 20 * MINUTE, provider(End(visit="vis_ann"))),
        (BEGIN + 21 * MINUTE, provider(Finish(visit="vis_ann"))),
    )
    (record,) = (entry.record for entry in played.hand_offs if entry.record.visit == "vis_ann")
    return dict(record.facts)
