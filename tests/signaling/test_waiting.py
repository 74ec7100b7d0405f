"""Waiting: the provider's status, the window to come in, a deadline for everybody, and the way back after a drop."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.errors import Refused
from signaling.events import DeadlinePassed, Opened
from signaling.messages import ClientReady, QueueLeft, VisitClosed, WaitingChanged
from signaling.policy import DAY, HOUR, MINUTE, SECOND
from signaling.requests import End, ReturnToWaiting, SetStatus, Start
from signaling.state import Phase, Stand
from signaling.view import view
from tests.signaling.people import ANN, BOB, CHECK_IN, GIA, GUS, HOST, POLICY, SOON, START, WALT, appointment
from tests.signaling.play import Played, asks, client, comes, empty_room, goes, play, provider, waiting, walk_in

BEGIN = SOON + MINUTE
START_BOB = Start(appointment="apt_bob")
TOMORROWS = replace(appointment("ann", ANN), start=DAY, end=DAY + HOUR)


def tomorrow() -> Played:
    """Ann's appointment is in a day, and her page is open."""
    played = Played(empty_room())
    for event in (Opened(TOMORROWS, POLICY), comes(HOST), comes(ANN)):
        played.move(0, event)
    return played


# --- The provider's status


def test_while_the_provider_is_with_someone_the_others_know_and_know_no_more() -> None:
    started = waiting(ANN, BOB, at=SOON).then((BEGIN, provider(START_BOB)))

    [told] = started.told(WaitingChanged, ANN)
    assert (told.status, told.minutes, told.ahead) == ("with_someone", None, None)
    assert view(started.room, ANN).provider["status"] == "with_someone"  # type: ignore[union-attr]
    assert [m.status for m in started.then((BEGIN + 1, asks(BOB, END_BOB))).told(WaitingChanged, ANN)] == ["available"]


END_BOB = End(visit="vis_bob")


def test_who_comes_meanwhile_is_told_so_at_once() -> None:
    played = waiting(BOB, at=SOON).then((BEGIN, provider(START_BOB)), (BEGIN + 1, client(CHECK_IN)))

    assert [m.status for m in played.told(WaitingChanged, ANN)] == ["with_someone"]


def test_one_step_from_a_visit_that_was_over_to_the_next_leaves_nobody_with_what_was_between() -> None:
    started = waiting(ANN, BOB, WALT, at=SOON, policy=replace(POLICY, show_position=True)).then(
        (BEGIN, provider(Start(appointment="apt_ann"))), (BEGIN + 1, goes(ANN))
    )

    unwatched = started.then((BEGIN + HOUR, provider(START_BOB)))

    last = unwatched.told(WaitingChanged, WALT)[-1]
    assert (last.status, last.ahead) == ("with_someone", 0)


def test_who_is_let_in_with_others_is_told_no_place_and_those_behind_move_up_once() -> None:
    shown = replace(POLICY, show_position=True)
    played = waiting(GIA, BOB, at=SOON, policy=shown).then(
        (SOON + 1, asks(GUS, CHECK_IN)), (SOON + 2, asks(WALT, CHECK_IN))
    )

    started = played.then((BEGIN, provider(Start(appointment="apt_group"))))

    assert started.told(WaitingChanged, GIA) == started.told(WaitingChanged, GUS) == []
    told = [(m.status, m.ahead) for m in started.told(WaitingChanged, WALT)]
    assert told == [("available", 1), ("with_someone", 1)]


def test_who_does_not_wait_is_not_shown_that_somebody_is_seen() -> None:
    started = waiting(BOB, at=SOON).then((BEGIN, provider(START_BOB)))

    assert view(started.room, ANN).provider["status"] == "available"  # type: ignore[union-attr]


@pytest.mark.parametrize(("status", "minutes"), [("late", 20), ("away", None)])
def test_what_the_provider_says_goes_before_with_someone(status: str, minutes: int | None) -> None:
    said = SetStatus(status=status, minutes=minutes)  # type: ignore[arg-type]
    played = waiting(ANN, BOB, at=SOON).then((SOON + 1, provider(said)))

    started = played.then((BEGIN, provider(START_BOB)))

    assert [(m.status, m.minutes) for m in played.told(WaitingChanged, ANN)] == [(status, minutes)]
    assert started.told(WaitingChanged, ANN) == []


def test_who_is_sent_back_to_wait_is_told_once_how_the_provider_is() -> None:
    played = waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    returned = played.then((BEGIN + 1, provider(ReturnToWaiting(participant="par_ann"))))

    assert [m.status for m in returned.told(WaitingChanged, ANN)] == ["available"]


def test_of_a_live_group_a_late_client_hears_that_the_provider_is_with_someone() -> None:
    played = waiting(GIA, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))), (BEGIN, asks(GUS, CHECK_IN)))

    assert [m.status for m in played.told(WaitingChanged, GUS)] == ["with_someone"]


# --- The window


def test_nobody_checks_in_before_the_window_and_nothing_changes() -> None:
    played = tomorrow()
    opens = DAY - POLICY.window_before

    played.refuses(Refused, opens - 1, client(CHECK_IN))
    came = played.then((opens, client(CHECK_IN)))

    assert view(played.room, ANN).appointment["opens"] == opens  # type: ignore[union-attr,index]
    assert came.seat(ANN).stand is Stand.WAITING


def test_who_waits_may_change_their_answers_whatever_the_hour() -> None:
    late = replace(POLICY, waiting_limit=DAY)
    played = waiting(ANN, at=SOON, policy=late)

    assert played.then((START + 10 * HOUR, client(CHECK_IN))).entry(ANN).since == SOON


def test_nobody_checks_in_after_the_window() -> None:
    patient = replace(POLICY, waiting_limit=DAY)
    played = waiting(GIA, at=SOON, policy=patient)  # somebody waits, so the visit is still there
    closes = START + HOUR + POLICY.window_after

    played.refuses(Refused, closes + 1, asks(GUS, CHECK_IN))
    assert played.then((closes, asks(GUS, CHECK_IN))).seat(GUS).stand is Stand.WAITING


def test_a_long_no_show_time_keeps_the_door_open() -> None:
    forgiving = replace(POLICY, no_show_after=12 * HOUR)

    came = play((START + 11 * HOUR, client(CHECK_IN)), policy=forgiving)

    assert came.seat(ANN).stand is Stand.WAITING


def test_the_unverified_lane_has_no_window() -> None:
    assert play((3 * DAY, walk_in(CHECK_IN))).entry(WALT) is not None


# --- A deadline for everybody


def test_a_walk_in_waits_for_hours_and_not_for_ever() -> None:
    played = waiting(WALT, at=SOON)
    due = SOON + POLICY.waiting_limit

    before = played.then((due - 1, DeadlinePassed()))
    after = played.then((due, DeadlinePassed()))

    assert before.entry(WALT) is not None
    assert after.entry(WALT) is None
    assert [m.reason for m in after.told(QueueLeft, HOST)] == ["closed"]
    assert [m.outcome for m in after.told(VisitClosed, WALT)] == ["provider_absent"]
    assert after.closed_out(WALT) == [4510]
    assert "par_walt" not in repr(after.hand_offs), "what never was a visit has no record"


# --- The way back


def test_after_the_grace_the_link_opens_a_place_again_at_once() -> None:
    dropped = waiting(ANN, at=SOON).then((SOON + SECOND, goes(ANN)), (SOON + 6 * MINUTE, DeadlinePassed()))
    assert dropped.entry(ANN) is None

    back = dropped.then((SOON + 6 * MINUTE, comes(ANN)), (SOON + 6 * MINUTE, client(CHECK_IN)))

    assert back.seat(ANN).stand is Stand.WAITING
    assert len(back.told(ClientReady, HOST)) == 1


def test_whose_grace_ran_out_while_a_group_is_live_may_still_come() -> None:
    played = waiting(GIA, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (BEGIN, asks(GUS, CHECK_IN)), (BEGIN, goes(GUS))
    )

    gone = played.then((BEGIN + 5 * MINUTE, DeadlinePassed()))

    assert gone.entry(GUS) is None
    assert gone.then((BEGIN + 6 * MINUTE, asks(GUS, CHECK_IN))).entry(GUS) is not None


def test_who_waits_for_a_group_that_never_lets_them_in_is_told_so_and_it_goes_on() -> None:
    live = waiting(GIA, at=BEGIN).then((BEGIN, provider(Start(appointment="apt_group"))), (BEGIN, asks(GUS, CHECK_IN)))
    over = BEGIN + POLICY.waiting_limit

    early = live.then((over - 1, DeadlinePassed()))
    late = live.then((over, DeadlinePassed()))

    assert early.entry(GUS) is not None
    assert late.entry(GUS) is None
    assert [m.outcome for m in late.told(VisitClosed, GUS)] == ["provider_absent"]
    assert late.closed_out(GUS) == [4510]
    assert [m.reason for m in late.told(QueueLeft, HOST)] == ["closed"]
    assert late.visit("vis_group").phase is Phase.IN_PROGRESS
    assert late.told(VisitClosed, GIA) == []
    again = late.then((over + MINUTE, asks(GUS, CHECK_IN)))
    assert again.entry(GUS) is not None
    ended = again.then((over + MINUTE, provider(End(visit="vis_group"))), (over + HOUR, DeadlinePassed()))
    assert {c["participant"]: c["outcome"] for c in ended.hand_offs[-1].record.facts["clients"]}["par_gus"] == (
        "provider_absent"
    )
