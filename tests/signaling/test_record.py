"""The record: minutes that were measured, whatever came and went in between."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from signaling.fields import Devices, Outcome, Place
from signaling.minutes import connected
from signaling.policy import HOUR, MINUTE, Policy, PracticeInfo
from signaling.proposals import NO_FEE
from signaling.record import Record, record_of
from signaling.spans import length, overlap, spans, union, without
from signaling.state import (
    Attendee,
    AudioOnly,
    CheckedIn,
    Interval,
    MediaLog,
    Person,
    Seat,
    Segment,
    Visit,
)

BEGAN = 1_709_226_000_000
"""2024-02-29 10:00 in Denver."""
POLICY = Policy(practice=PracticeInfo(id="pr_1", time_zone="America/Denver"))
SAID = CheckedIn(BEGAN - 5 * MINUTE, Place("CO", "home"), "2024-1", True, Devices(True, True))
CHOSEN = {"ann": "attended"}


def at(*minutes: tuple[float, float | None]) -> tuple[Interval, ...]:
    """Intervals, in minutes from the beginning."""
    return tuple(
        Interval(BEGAN + int(start * MINUTE), None if end is None else BEGAN + int(end * MINUTE))
        for start, end in minutes
    )


def seat(name: str = "ann", **fields: Any) -> Seat:
    return replace(
        Seat(name, f"{name} Canary", client=f"mrn-{name}", checked_in=SAID, attended=at((0, 60)), service_code="90837"),
        **fields,
    )


def visit(*seats: Seat, media: dict[str, MediaLog] | None = None, **fields: Any) -> Visit:
    """An hour with one provider; by default everybody is connected by video throughout."""
    all_the_time = MediaLog(at((0, 60)), at((0, 60)))
    whole = Visit(
        id="vis_1",
        policy=POLICY,
        providers=(Person("dr", "Dr. Canary"),),
        seats={one.participant: one for one in seats or (seat(),)},
        appointment="apt_1",
        start=BEGAN,
        end=BEGAN + HOUR,
        segments=(Segment(BEGAN, BEGAN + HOUR, "provider", "ended"),),
        media=media
        if media is not None
        else {"dr": all_the_time, **{s.participant: all_the_time for s in seats or (seat(),)}},
    )
    return replace(whole, **fields)


def minutes(of: Visit, participant: str = "ann", now: float = 60) -> tuple[float, float]:
    """(video, audio) minutes."""
    found = connected(of, participant, BEGAN + int(now * MINUTE))
    return found["video"] / MINUTE, found["audio"] / MINUTE


def closed(of: Visit, **outcomes: Outcome) -> Record:
    return record_of(of, outcomes, BEGAN + 2 * HOUR)


# --- Minutes ----------------------------------------------------------------------------------------


def test_an_hour_by_video_is_an_hour_by_video() -> None:
    assert minutes(visit()) == (60, 0)


def test_both_sides_must_be_up() -> None:
    assert minutes(
        visit(media={"dr": MediaLog(at((0, 40)), at((0, 40))), "ann": MediaLog(at((20, 60)), at((20, 60)))})
    ) == (20, 0)


def test_it_is_video_only_while_pictures_flow_both_ways() -> None:
    media = {"dr": MediaLog(at((0, 60)), at((10, 60))), "ann": MediaLog(at((0, 60)), at((0, 50)))}

    assert minutes(visit(media=media)) == (40, 20)


def test_a_gap_of_either_side_is_no_time() -> None:
    media = {"dr": MediaLog(at((0, 20), (25, 60))), "ann": MediaLog(at((0, 30), (33, 60)))}

    assert minutes(visit(media=media)) == (0, 52)


def test_the_providers_side_is_there_while_any_of_them_is() -> None:
    media = {
        "dr": MediaLog(at((0, 30)), at((0, 30))),
        "co": MediaLog(at((20, 60)), at((40, 60))),
        "ann": MediaLog(at((0, 60)), at((0, 60))),
    }

    assert minutes(visit(media=media, providers=(Person("dr", "D"), Person("co", "C")))) == (50, 10)


def test_time_between_segments_does_not_count() -> None:
    split = (Segment(BEGAN, BEGAN + 20 * MINUTE), Segment(BEGAN + 30 * MINUTE, BEGAN + HOUR))

    assert minutes(visit(seat(attended=at((0, 20), (30, 60))), segments=split)) == (50, 0)
    assert minutes(visit(segments=split)) == (50, 0), "even if the transports stayed up"


def test_a_client_of_a_group_has_the_minutes_they_were_in() -> None:
    group = visit(seat("ann"), seat("bob", attended=at((15, 45))), group=True)

    assert (minutes(group, "ann"), minutes(group, "bob")) == ((60, 0), (30, 0))


def test_what_still_runs_counts_until_now() -> None:
    running = visit(
        seat(attended=at((0, None))),
        media={"dr": MediaLog(at((0, None)), at((0, None))), "ann": MediaLog(at((5, None)), at((10, None)))},
        segments=(Segment(BEGAN),),
    )

    assert minutes(running, now=30) == (20, 5)


def test_overlapping_peers_of_one_participant_count_once() -> None:
    assert minutes(visit(media={"dr": MediaLog(at((0, 30), (20, 60))), "ann": MediaLog(at((0, 60), (10, 20)))})) == (
        0,
        60,
    )


def test_without_media_there_are_no_minutes() -> None:
    assert minutes(visit(media={})) == (0, 0)
    assert minutes(visit(), participant="nobody") == (0, 0)


moment = st.integers(0, 90 * MINUTE)
interval = st.one_of(
    st.builds(lambda start: Interval(BEGAN + start), moment),
    st.builds(lambda one, other: Interval(BEGAN + min(one, other), BEGAN + max(one, other)), moment, moment),
)
intervals = st.lists(interval, max_size=6).map(tuple)
logs = st.builds(MediaLog, intervals, intervals)
segments = st.lists(interval, max_size=4).map(lambda some: tuple(Segment(one.start, one.end) for one in some))


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    """Any visit of two providers and one client, in whatever disorder its facts came."""
    return visit(
        seat(attended=draw(intervals)),
        media={name: draw(logs) for name in ("dr", "co", "ann")},
        providers=(Person("dr", "D"), Person("co", "C")),
        segments=draw(segments),
    )


@given(visits(), moment)
def test_minutes_are_never_negative_and_never_exceed_what_ran(any_visit: Visit, later: int) -> None:
    now = BEGAN + later
    found = connected(any_visit, "ann", now)
    total = found["video"] + found["audio"]

    ran = union(
        span for segment in any_visit.segments for span in spans([Interval(segment.started_at, segment.ended_at)], now)
    )
    assert min(found.values()) >= 0
    assert total <= length(ran)
    assert total <= length(spans(any_visit.seats["ann"].attended, now))
    assert total <= length(spans(any_visit.media["ann"].up, now))
    assert found["video"] <= length(spans(any_visit.media["ann"].video, now))


@given(visits(), moment)
def test_minutes_agree_with_a_count_of_instants(any_visit: Visit, later: int) -> None:
    """Against the definition itself, asked at every instant between two borders."""
    now = BEGAN + later

    def holds(some: tuple[Interval, ...], instant: int) -> bool:
        return any(one.start <= instant < (now if one.end is None else min(one.end, now)) for one in some)

    runs = tuple(Interval(segment.started_at, segment.ended_at) for segment in any_visit.segments)
    logs_of = any_visit.media
    everything = (
        *runs,
        *any_visit.seats["ann"].attended,
        *(i for log in logs_of.values() for i in (*log.up, *log.video)),
    )
    borders = sorted({b for one in everything for b in (one.start, one.end) if b is not None and b < now} | {now})
    expected = {"video": 0, "audio": 0}
    for start, end in pairwise(borders):
        us = [name for name in ("dr", "co") if holds(logs_of[name].up, start)]
        if not (us and holds(logs_of["ann"].up, start) and holds(runs, start)):
            continue
        if not holds(any_visit.seats["ann"].attended, start):
            continue
        both_ways = any(holds(logs_of[name].video, start) for name in us) and holds(logs_of["ann"].video, start)
        expected["video" if both_ways else "audio"] += end - start

    assert connected(any_visit, "ann", now) == expected


@given(visits(), moment)
def test_a_providers_colleague_never_takes_minutes_away(any_visit: Visit, later: int) -> None:
    now = BEGAN + later
    alone = replace(any_visit, providers=any_visit.providers[:1])

    assert sum(connected(any_visit, "ann", now).values()) >= sum(connected(alone, "ann", now).values())


@given(visits(), moment)
def test_the_records_intervals_add_up_to_its_minutes(any_visit: Visit, later: int) -> None:
    (client,) = record_of(any_visit, {}, BEGAN + later).facts["clients"]

    for modality in ("video", "audio"):
        told = [(i["from"], i["to"]) for i in client["intervals"] if i["modality"] == modality]
        assert sum(end - start for start, end in told) == client["connected_ms"][modality]
    borders = [border for i in client["intervals"] for border in (i["from"], i["to"])]
    assert borders == sorted(borders)


@given(intervals, intervals)
def test_spans_divide_without_rest(one: tuple[Interval, ...], other: tuple[Interval, ...]) -> None:
    now = BEGAN + HOUR
    a, b = spans(one, now), spans(other, now)

    assert length(overlap(a, b)) + length(without(a, b)) == length(a)
    assert union([*overlap(a, b), *without(a, b)]) == a
    assert union([*a, *b]) == union([*b, *a])


# --- Outcomes ---------------------------------------------------------------------------------------


def test_a_visit_that_never_started_has_an_outcome_and_no_minutes() -> None:
    missed = visit(seat(attended=(), checked_in=None), segments=(), media={})

    record = closed(missed)

    (client,) = record.facts["clients"]
    assert client["outcome"] == "no_show"
    assert client["connected_ms"] == {"video": 0, "audio": 0}
    assert record.facts["segments"] == []
    assert record.proposals["clients"][0]["service"] is None
    assert record.flags == ()


# --- Facts ------------------------------------------------------------------------------------------


def test_the_facts_of_a_rejoined_visit() -> None:
    rejoined = visit(
        seat(attended=at((1, 20), (25, 50)), waited=at((-4, 1)), payer="medicare"),
        segments=(
            Segment(BEGAN + MINUTE, BEGAN + 20 * MINUTE, "client", "ended"),
            Segment(BEGAN + 25 * MINUTE, BEGAN + 50 * MINUTE, "provider", "ended"),
        ),
        media={"dr": MediaLog(at((1, 50)), at((1, 50))), "ann": MediaLog(at((1, 50)), at((1, 40)))},
        attendees={
            "ann": Attendee(audio_only=(AudioOnly(BEGAN + 40 * MINUTE, "bandwidth", "client", BEGAN + 50 * MINUTE),))
        },
        faults=("node_lost",),
    )

    record = closed(rejoined)

    assert (record.id, record.visit, record.revision) == ("rec_1", "vis_1", 1)
    assert record.facts == {
        "appointment": "apt_1",
        "scheduled": {"start": BEGAN, "end": BEGAN + HOUR},
        "time_zone": "America/Denver",
        "segments": [
            {
                "started_at": BEGAN + MINUTE,
                "ended_at": BEGAN + 20 * MINUTE,
                "started_local": "2024-02-29T10:01:00-07:00",
                "ended_local": "2024-02-29T10:20:00-07:00",
                "by": "client",
                "reason": "ended",
            },
            {
                "started_at": BEGAN + 25 * MINUTE,
                "ended_at": BEGAN + 50 * MINUTE,
                "started_local": "2024-02-29T10:25:00-07:00",
                "ended_local": "2024-02-29T10:50:00-07:00",
                "by": "provider",
                "reason": "ended",
            },
        ],
        "providers": [{"id": "dr", "name": "Dr. Canary", "connection": None}],
        "clients": [
            {
                "id": "mrn-ann",
                "participant": "ann",
                "name": "ann Canary",
                "payer": "medicare",
                "outcome": "attended",
                "service_code": "90837",
                "no_fee": False,
                "connected_ms": {"video": 34 * MINUTE, "audio": 10 * MINUTE},
                "intervals": [
                    {"from": BEGAN + MINUTE, "to": BEGAN + 20 * MINUTE, "modality": "video", "source": "server"},
                    {"from": BEGAN + 25 * MINUTE, "to": BEGAN + 40 * MINUTE, "modality": "video", "source": "server"},
                    {"from": BEGAN + 40 * MINUTE, "to": BEGAN + 50 * MINUTE, "modality": "audio", "source": "server"},
                ],
                "identity": "link",
                "place": {"state": "CO", "kind": "home"},
                "consent": {"version": "2024-1", "at": BEGAN - 5 * MINUTE},
                "privacy": True,
                "audio_only_rule": "allowed",
                "audio_only": [
                    {
                        "from": BEGAN + 40 * MINUTE,
                        "to": BEGAN + 50 * MINUTE,
                        "reason": "bandwidth",
                        "said_by": "client",
                    }
                ],
                "connection": None,
                "waited_ms": 5 * MINUTE,
                "attended": [
                    {"from": BEGAN + MINUTE, "to": BEGAN + 20 * MINUTE},
                    {"from": BEGAN + 25 * MINUTE, "to": BEGAN + 50 * MINUTE},
                ],
            }
        ],
        "group": False,
        "group_size": 1,
        "faults": ["node_lost"],
    }
    assert record.flags == ("mixed_modality", "technical_faults")


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../etc/passwd", "America"])
def test_a_time_zone_that_does_not_exist_is_utc(name: str) -> None:
    lost = visit(policy=Policy(practice=PracticeInfo(time_zone=name)))

    facts = closed(lost).facts

    assert facts["time_zone"] == "UTC"
    assert facts["segments"][0]["started_local"] == "2024-02-29T17:00:00+00:00"


def test_the_callers_word_on_an_outcome_goes_first() -> None:
    (client,) = closed(visit(seat(attended=())), ann="late_cancel").facts["clients"]

    assert client["outcome"] == "late_cancel"


def test_a_group_is_counted_by_who_was_there() -> None:
    group = visit(*(seat(f"c{n}", service_code=None) for n in range(13)), seat("gone", attended=()), group=True)

    record = closed(group)

    assert record.facts["group_size"] == 13
    assert "group_over_12" in record.flags
    assert {client["service"]["code"] for client in record.proposals["clients"] if client["id"] != "mrn-gone"} == {
        "90853"
    }


@pytest.mark.parametrize(
    ("client", "matched", "identity"),
    [
        (seat(), {}, "link"),
        (seat(called="A."), {"other": "ann"}, "matched"),
        (seat(), {"other": "ann"}, "link"),  # and came by it in the end
        (seat(), {"ann": "other"}, "link"),
        (seat(client=None), {}, "walk_in"),
        (seat(checked_in=None), {}, None),
    ],
)
def test_how_we_know_who_came(client: Seat, matched: dict[str, str], identity: str | None) -> None:
    assert closed(visit(client, matched=matched)).facts["clients"][0]["identity"] == identity


def test_a_client_who_is_charged_nothing_has_no_code() -> None:
    record = closed(visit(seat(service_code=NO_FEE)))

    (client,) = record.facts["clients"]
    assert (client["service_code"], client["no_fee"]) == (None, True)
    assert record.proposals["clients"][0]["service"] is None
    assert record.flags == ("no_fee",)


def test_a_correction_is_another_revision_of_the_same_record() -> None:
    first, second = record_of(visit(), {}, BEGAN + HOUR), record_of(visit(), {}, BEGAN + HOUR, 2)

    assert (second.id, second.visit, second.revision) == (first.id, first.visit, 2)
