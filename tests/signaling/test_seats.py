"""Checking in, waiting, stepping away, going: where a client stands before anybody starts anything."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.errors import ConsentRequired, NotFound, PolicyForbids, Refused, RoomFull
from signaling.events import DeadlinePassed
from signaling.fields import ConsentGiven
from signaling.messages import ClientReady, QueueChanged, QueueEntered, QueueLeft, VisitChanged, WaitingChanged
from signaling.policy import MINUTE, SECOND
from signaling.requests import Acknowledge, ComeBack, Leave, SetStatus, StepAway
from signaling.seats import ROOM_LIMIT
from signaling.state import Interval, Role, Stand, Who
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, EVA, GIA, GUS, HOST, POLICY, SOON, WALT, WILMA
from tests.signaling.play import asks, client, co_provider, comes, goes, play, provider, waiting, walk_in

SHOWN = replace(POLICY, show_position=True)


def test_a_client_checks_in_and_the_provider_hears_of_it_once() -> None:
    played = play((SOON, client(CHECK_IN)))

    [entered] = played.told(QueueEntered)
    [ready] = played.told(ClientReady)
    assert played.seat(ANN).stand is Stand.WAITING
    assert entered.entry["client"] == {"id": "mrn-par_ann", "name": ANN.name}
    assert (entered.entry["rev"], entered.entry["appointment"], entered.entry["verified"]) == (1, "apt_ann", True)
    assert ready.entry == entered.entry["id"]
    assert played.told(QueueEntered, HOST) == [entered]
    assert played.webhooks == ["client.ready"]
    assert played.trail == ["check_in"]


def test_a_waiting_client_is_told_of_the_provider_and_of_nothing_else() -> None:
    played = waiting(ANN, BOB, at=SOON)

    [told] = played.told(WaitingChanged, ANN)
    assert (told.status, told.minutes, told.ahead) == ("available", None, None)
    assert len(played.told(WaitingChanged)) == 2
    assert played.told(QueueEntered, ANN) == played.told(QueueEntered, BOB) == []


@pytest.mark.parametrize("given", [None, ConsentGiven("2023-9")])
def test_nobody_waits_without_the_present_consent(given: ConsentGiven | None) -> None:
    played = play()

    played.refuses(ConsentRequired, SOON, client(replace(CHECK_IN, consent=given)))

    assert played.room.entries == {}


def test_checking_in_again_changes_the_answers_and_keeps_the_place() -> None:
    played = waiting(ANN, at=SOON)

    again = played.then((SOON + 5, client(replace(CHECK_IN, privacy=False))))

    assert again.entry(ANN).since == SOON
    assert again.told(ClientReady) == []
    assert again.told(QueueChanged)[0].entry["flags"] == ["not_private"]
    assert again.visit().rev == played.visit().rev


def test_a_walk_in_waits_in_a_lane_that_only_the_host_sees() -> None:
    played = play((SOON, walk_in(CHECK_IN)))

    [entered] = played.told(QueueEntered)
    assert (entered.entry["verified"], entered.entry["client"]) == (False, {"name": WALT.name})
    assert played.told(QueueEntered, CO) == []
    played.refuses(NotFound, SOON, co_provider(Acknowledge(entry=entered.entry["id"])))


def test_a_walk_in_without_a_name_is_refused() -> None:
    nameless = Who(Role.CLIENT, "par_x")
    played = play((0, comes(nameless)))

    played.refuses(Refused, SOON, asks(nameless, CHECK_IN))

    assert played.then((SOON, asks(nameless, replace(CHECK_IN, display_name="Xenia")))).entry(nameless).name == "Xenia"


def test_audio_only_at_check_in_is_a_matter_of_policy() -> None:
    by_ear = replace(CHECK_IN, media="audio")
    forbidding = play(policy=replace(POLICY, audio_only="forbidden"))
    asking = play(policy=replace(POLICY, audio_only="allowed_with_reason"))

    forbidding.refuses(PolicyForbids, SOON, client(by_ear))
    asking.refuses(PolicyForbids, SOON, client(by_ear))
    told = asking.then((SOON, client(replace(by_ear, audio_reason="no_camera"))))

    assert told.told(QueueEntered)[0].entry["audio_reason"] == "no_camera"
    assert told.told(QueueEntered)[0].entry["flags"] == ["audio_only"]


def test_the_room_holds_two_hundred_entries() -> None:
    played = play()
    for number in range(ROOM_LIMIT):
        who = Who(Role.CLIENT, f"par_{number}", name=f"Walker {number}")
        played.move(SOON, comes(who))
        played.move(SOON, asks(who, CHECK_IN))

    played.refuses(RoomFull, SOON, client(CHECK_IN))


def test_stepping_away_keeps_the_place_and_is_shown() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, client(StepAway())), (SOON + 2, client(StepAway())))

    assert [m.entry["away"] for m in played.told(QueueChanged)] == [True]
    assert played.then((SOON + 3, client(ComeBack()))).entry(ANN).away is False


def test_leaving_gives_the_place_up() -> None:
    played = waiting(ANN, at=SOON).then((SOON + MINUTE, client(Leave())))

    assert played.entry(ANN) is None
    assert (played.seat(ANN).stand, played.seat(ANN).waited) == (Stand.OUT, (Interval(SOON, SOON + MINUTE),))
    assert [m.reason for m in played.told(QueueLeft, HOST)] == ["left"]
    assert played.webhooks == ["client.left"]


def test_who_left_may_come_again_and_that_is_another_arrival() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, client(Leave())), (SOON + 2, client(CHECK_IN)))

    assert len(played.told(ClientReady)) == 1
    assert played.entry(ANN).since == SOON + 2


def test_a_drop_keeps_the_place_for_the_grace_and_not_longer() -> None:
    dropped = waiting(ANN, at=SOON).then((SOON + 1, goes(ANN)))

    kept = dropped.then((SOON + POLICY.grace, DeadlinePassed()))
    gone = dropped.then((SOON + 1 + POLICY.grace, DeadlinePassed()))

    assert dropped.told(QueueChanged)[0].entry["flags"] == ["dropped"]
    assert kept.entry(ANN).since == SOON
    assert gone.entry(ANN) is None
    assert [m.reason for m in gone.told(QueueLeft)] == ["gone"]


def test_coming_back_within_the_grace_stops_it() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, goes(ANN)), (SOON + 2, comes(ANN)))

    later = played.then((SOON + 2 * POLICY.grace, DeadlinePassed()))

    assert later.entry(ANN).dropped_at is None
    assert later.told(ClientReady) == []


def test_bye_gives_the_place_up_at_once() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, goes(ANN, bye=True)))

    assert played.entry(ANN) is None


def test_who_asked_and_was_gone_before_it_was_decided_does_not_wait_for_ever() -> None:
    played = play((SOON, goes(ANN)), (SOON, client(CHECK_IN)))

    assert played.then((SOON + POLICY.grace, DeadlinePassed())).entry(ANN) is None


def test_acknowledging_stops_the_notice_and_leaves_the_list() -> None:
    played = waiting(ANN, at=SOON)
    entry = played.entry(ANN).id

    twice = played.then((SOON + 1, provider(Acknowledge(entry=entry))), (SOON + 2, provider(Acknowledge(entry=entry))))

    assert [m.entry["acknowledged"] for m in twice.told(QueueChanged)] == [True]
    twice.refuses(NotFound, SOON + 3, provider(Acknowledge(entry="ent_none")))


def test_waiting_clients_hear_that_the_provider_is_late() -> None:
    played = waiting(ANN, EVA, at=SOON).then((SOON + 1, provider(SetStatus(status="late", minutes=10))))

    assert [(m.status, m.minutes) for m in played.told(WaitingChanged, ANN)] == [("late", 10)]
    assert [m.status for m in played.told(WaitingChanged, EVA)] == ["late"]
    assert played.told(WaitingChanged, BOB) == []


def test_the_provider_is_away_half_a_minute_after_the_last_connection_went() -> None:
    dropped = waiting(ANN, at=SOON).then((SOON + SECOND, goes(HOST)))

    blink = dropped.then((SOON + 30 * SECOND, DeadlinePassed()), (SOON + 31 * SECOND - 1, comes(HOST)))
    away = dropped.then((SOON + 31 * SECOND, DeadlinePassed()))
    back = away.then((SOON + 40 * SECOND, comes(HOST)))

    assert dropped.told(WaitingChanged) == blink.told(WaitingChanged) == []
    assert [m.status for m in away.told(WaitingChanged, ANN)] == ["away"]
    assert [m.status for m in back.told(WaitingChanged, ANN)] == ["available"]


def test_places_in_line_are_told_where_the_room_shows_them() -> None:
    played = waiting(WALT, WILMA, ANN, at=SOON, policy=SHOWN)

    left = played.then((SOON + 1, walk_in(Leave())))

    assert [m.ahead for m in played.told(WaitingChanged, ANN)] == [2]
    assert [m.ahead for m in left.told(WaitingChanged, WILMA)] == [0]
    assert [m.ahead for m in left.told(WaitingChanged, ANN)] == [1]


def test_nobody_hears_of_a_place_that_did_not_change() -> None:
    played = waiting(WALT, WILMA, ANN, at=SOON, policy=SHOWN).then((SOON + 1, client(Leave())))

    assert played.told(WaitingChanged) == []


def test_the_providers_hear_each_rev_that_their_next_click_is_judged_by() -> None:
    played = waiting(GIA, GUS, at=SOON).then((SOON + 1, asks(GIA, Leave())))

    assert [m.appointment["rev"] for m in played.told(VisitChanged, CO)] == [3]
    assert played.visit("vis_group").rev == 3


def test_check_in_answers_are_kept_with_the_seat() -> None:
    said = replace(CHECK_IN, address="1 Pier Road", phone="+1 555 0199")

    played = play((SOON, client(said)))

    kept = played.seat(ANN).checked_in
    assert (kept.at, kept.consent_version, kept.privacy) == (SOON, "2024-1", True)
    assert (kept.address, kept.phone, kept.place.state) == ("1 Pier Road", "+1 555 0199", "CO")
