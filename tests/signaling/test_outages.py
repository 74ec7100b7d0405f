"""The whole service was away: nobody is judged by that time, and whoever it cost something gets it anew."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from signaling.deadlines import visit_deadline
from signaling.events import Appointment, DeadlinePassed, MediaChanged, Opened, Rescheduled
from signaling.fields import Outcome
from signaling.messages import VisitClosed, VisitRejoinPending
from signaling.policy import HOUR, MINUTE
from signaling.requests import End, Finish, Leave, Rejoin, Start
from signaling.room import deadline, handle
from signaling.state import Interval, Phase
from tests.signaling.people import ANN, ANNS, CHECK_IN, HOST, POLICY, START
from tests.signaling.play import Event, Move, Played, client, comes, each, empty_room, goes, play, provider

ALARM = DeadlinePassed()
NO_SHOW = START + POLICY.no_show_after
AWAY = Interval(START + 5 * MINUTE, START + 45 * MINUTE)
"""From five minutes after the start for forty minutes."""
ANN_AND_HOST = (ANN.participant, HOST.participant)
BACK = START + 45 * MINUTE


class Served(Played):
    """Plays on with the outages that the service knows of."""

    def after(self, now: int, event: Event, *outages: Interval) -> Served:
        step = handle(self.room, event, now=now, outages=outages or (AWAY,))
        self.room = step.room
        self.entries += step.entries
        return self


def served(*moves: Any) -> Served:
    return Served(play(*moves).room)


def outcome(played: Played, visit: str = "vis_ann") -> Outcome:
    [record] = [one.record for one in played.hand_offs if one.record.visit == visit]
    said: Outcome = record.facts["clients"][0]["outcome"]
    return said


def test_whoever_is_awaited_has_the_practices_full_minutes_again() -> None:
    played = served().after(BACK, ALARM)

    assert played.visit().phase is Phase.SCHEDULED
    assert visit_deadline(played.visit()) == BACK + POLICY.no_show_after
    assert not played.hand_offs


def test_who_comes_after_it_is_neither_absent_nor_late() -> None:
    played = served().after(BACK, ALARM)

    moves: tuple[Move, ...] = (
        (BACK + 9 * MINUTE, client(CHECK_IN)),
        (BACK + 9 * MINUTE, provider(Start(appointment="apt_ann"))),
        *((BACK + 10 * MINUTE, MediaChanged("vis_ann", id, "media_up", BACK + 10 * MINUTE)) for id in ANN_AND_HOST),
        (BACK + 50 * MINUTE, client(End(visit="vis_ann"))),
        (BACK + 50 * MINUTE, provider(Finish(visit="vis_ann"))),
    )
    for now, event in moves:
        played.after(now, event)

    assert outcome(played) == "attended"


@pytest.mark.parametrize("first", [ALARM, comes(HOST, connection="con_2"), client(CHECK_IN)])
def test_whatever_wakes_the_room_first_it_hears_of_the_outage_before_of_the_time(first: Event) -> None:
    played = served().after(BACK, first)

    assert "vis_ann" in played.room.visits


def test_who_never_comes_met_a_failure_of_ours_and_is_no_no_show() -> None:
    played = served().after(BACK, ALARM).after(BACK + POLICY.no_show_after, ALARM)

    assert outcome(played) == "technical_failure"
    [record] = [one.record for one in played.hand_offs if one.record.visit == "vis_ann"]
    assert record.facts["faults"] == ["outage"]
    assert "technical_faults" in record.flags


@pytest.mark.parametrize(
    "away", [Interval(START - 60 * MINUTE, START - MINUTE), Interval(NO_SHOW, NO_SHOW + 20 * MINUTE)]
)
def test_an_outage_while_nobody_was_awaited_excuses_nobody(away: Interval) -> None:
    played = served().after(NO_SHOW + 20 * MINUTE, ALARM, away)

    assert outcome(played) == "no_show"
    [closed, *_] = played.told(VisitClosed, ANN)
    assert closed.at == NO_SHOW


def test_two_outages_count_both_and_each_once() -> None:
    again = Interval(BACK + 5 * MINUTE, BACK + 10 * MINUTE)
    played = served().after(BACK, ALARM).after(BACK + 10 * MINUTE, ALARM, AWAY, again)
    played.after(BACK + 11 * MINUTE, ALARM, AWAY, again)

    assert played.visit().outages == (AWAY, again)
    assert played.visit().faults == ("outage",)
    assert visit_deadline(played.visit()) == BACK + 10 * MINUTE + POLICY.no_show_after


def test_what_was_due_before_it_happens_as_it_was_due() -> None:
    away = Interval(NO_SHOW + 1, NO_SHOW + HOUR)

    played = served().after(NO_SHOW + HOUR, ALARM, away)

    assert outcome(played) == "no_show"


def test_a_place_in_the_queue_has_its_full_grace_again() -> None:
    waited = served(*each([ANN], CHECK_IN, at=START), (AWAY.start - 1, goes(ANN)))

    played = waited.after(BACK, ALARM)

    assert played.entry(ANN) is not None
    assert deadline(played.room) == BACK + POLICY.grace
    gone = played.after(BACK + POLICY.grace, ALARM).after(BACK + POLICY.grace + POLICY.no_show_after, ALARM)
    assert outcome(gone) == "technical_failure"


def test_who_waited_before_the_start_and_lost_the_place_to_us_did_not_leave() -> None:
    early = START - 30 * MINUTE
    waited = served(*each([ANN], CHECK_IN, at=early), (early + MINUTE, goes(ANN)))
    away = Interval(early + 2 * MINUTE, early + 20 * MINUTE)

    played = waited.after(early + 20 * MINUTE, ALARM, away).after(START + HOUR, ALARM, away)

    assert outcome(played) == "technical_failure"


def test_an_outage_that_turns_out_longer_is_counted_on_and_not_again() -> None:
    ended = served(
        *each([ANN], CHECK_IN, at=START),
        (START, provider(Start(appointment="apt_ann"))),
        (AWAY.start, client(End(visit="vis_ann"))),
    )
    longer = Interval(AWAY.start, BACK + MINUTE)

    played = ended.after(BACK, ALARM).after(BACK + MINUTE, ALARM, longer)

    assert played.visit().rejoin_until == BACK + MINUTE + POLICY.rejoin_window


def test_waiting_for_a_service_that_is_away_is_not_waiting_for_the_provider() -> None:
    played = served(*each([ANN], CHECK_IN, at=START)).after(BACK, ALARM)

    played.after(BACK + MINUTE, client(Leave())).after(BACK + MINUTE + POLICY.no_show_after, ALARM)

    assert outcome(played) == "technical_failure"


def test_who_waits_on_long_after_it_waited_for_the_provider() -> None:
    played = served(*each([ANN], CHECK_IN, at=START)).after(BACK, ALARM)

    played.after(BACK + 20 * MINUTE, client(Leave())).after(BACK + 40 * MINUTE, ALARM)

    assert outcome(played) == "provider_absent"


def test_a_visit_that_both_were_cut_off_from_is_theirs_to_come_back_to() -> None:
    live = served(*each([ANN], CHECK_IN, at=START), (START, provider(Start(appointment="apt_ann"))))
    for who in (ANN, HOST):
        live.move(AWAY.start - 1, goes(who))

    played = live.after(BACK, ALARM)

    assert played.visit().phase is Phase.IN_PROGRESS
    assert visit_deadline(played.visit()) == BACK + POLICY.abandoned_after


def test_of_a_rejoin_window_what_was_left_of_it_is_left_and_everybody_is_told_until_when() -> None:
    ended = served(
        *each([ANN], CHECK_IN, at=START),
        (START, provider(Start(appointment="apt_ann"))),
        (AWAY.start - MINUTE, client(End(visit="vis_ann"))),
        (AWAY.start - MINUTE, client(Rejoin(visit="vis_ann"))),
    )

    played = ended.after(BACK, ALARM)

    until = BACK + POLICY.rejoin_window - MINUTE
    assert played.visit().rejoin_until == until
    assert [told.rejoin_until for told in played.told(VisitRejoinPending, HOST)] == [until]
    played.after(BACK + MINUTE, provider(Rejoin(visit="vis_ann")))
    assert played.visit().phase is Phase.IN_PROGRESS


def test_a_day_that_came_and_went_while_we_were_away_is_nobodys_absence() -> None:
    room = Served(empty_room()).after(BACK, Opened(ANNS, POLICY), Interval(0, BACK))

    assert visit_deadline(room.visit()) == BACK + POLICY.no_show_after
    room.after(BACK + POLICY.no_show_after, ALARM, Interval(0, BACK))
    assert outcome(room) == "technical_failure"


def test_who_is_expected_anew_is_judged_by_the_new_time_alone() -> None:
    played = served().after(BACK, ALARM)
    later: Appointment = replace(ANNS, start=START + 3 * HOUR, end=START + 4 * HOUR)

    played.after(BACK + MINUTE, Rescheduled(later, POLICY)).after(START + 4 * HOUR, ALARM)

    assert outcome(played) == "no_show"


def test_a_room_that_it_did_not_concern_is_not_saved_for_it() -> None:
    room = empty_room()

    step = handle(room, ALARM, now=BACK, outages=(AWAY,))

    assert step.room is room
