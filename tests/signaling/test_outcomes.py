"""What is said of attendance: each rule of the table by a story, and no fault of others becomes a client's no-show."""

from __future__ import annotations

from typing import Any

import pytest

from signaling.events import Cancelled, DeadlinePassed, MediaChanged, NodeGone, Opened
from signaling.fields import Outcome, OutcomeGiven
from signaling.messages import VisitClosed
from signaling.outcomes import BEST, RULES, Facts, overall
from signaling.policy import HOUR, MINUTE
from signaling.requests import End, Finish, Leave, Rejoin, Remove, ReturnToWaiting, Start
from signaling.state import Phase, Who
from tests.signaling.people import ANN, ANNS, CHECK_IN, GIA, GUS, GWEN, HOST, POLICY, START
from tests.signaling.play import (
    Move,
    Played,
    asks,
    client,
    comes,
    each,
    empty_room,
    goes,
    play,
    provider,
    walk_in,
)

LATE = START + 11 * MINUTE
NO_SHOW = START + POLICY.no_show_after
START_ANN = Start(appointment="apt_ann")
START_GROUP = Start(appointment="apt_group")
END_GROUP = End(visit="vis_group")


def said_of(who: Who, *moves: Move, room: Played | None = None) -> Outcome:
    """The outcome that the record of this client's visit holds, and the same that they were told."""
    played = Played((room or play()).room)
    for now, event in moves:
        played.move(now, event)
    last = max(now for now, _ in moves)
    for live in [visit.id for visit in played.room.visits.values() if visit.phase is Phase.IN_PROGRESS]:
        played.move(last + MINUTE, provider(End(visit=live)))
    played.move(last + 30 * HOUR, DeadlinePassed())
    found = [
        one["outcome"]
        for hand_off in played.hand_offs
        for one in hand_off.record.facts["clients"]
        if one["participant"] == who.participant
    ]
    assert [m.outcome for m in played.told(VisitClosed, who)] == found
    [outcome] = found
    return outcome


# --- Who was in


def test_who_came_in_time_and_stayed_attended() -> None:
    assert said_of(ANN, (START, client(CHECK_IN)), (START + 1, provider(START_ANN))) == "attended"


@pytest.mark.parametrize(("came", "outcome"), [(LATE, "late_arrival"), (START + 10 * MINUTE, "attended")])
def test_who_came_after_the_grace_for_lateness_came_late(came: int, outcome: Outcome) -> None:
    assert said_of(ANN, (came, client(CHECK_IN)), (came + 1, provider(START_ANN))) == outcome


def test_who_came_in_time_and_waited_long_did_not_come_late() -> None:
    assert said_of(ANN, (START, client(CHECK_IN)), (START + HOUR, provider(START_ANN))) == "attended"


def test_nobody_is_late_for_what_was_scheduled_only_afterwards() -> None:
    played = Played(empty_room())
    for event in (Opened(ANNS, POLICY), comes(HOST), comes(ANN)):
        played.move(START + HOUR, event)

    now = START + HOUR + MINUTE
    assert said_of(ANN, (now, client(CHECK_IN)), (now, provider(START_ANN)), room=played) == "attended"


def test_a_walk_in_is_never_late() -> None:
    played = play((LATE, walk_in(CHECK_IN)))
    [entry] = played.room.entries
    played.move(LATE + HOUR, provider(Start(entry=entry)))
    [visit] = [v.id for v in played.room.visits.values() if v.appointment is None]

    played.move(LATE + HOUR + 1, provider(End(visit=visit)))
    played.move(LATE + HOUR + 2, provider(Finish(visit=visit)))

    [record] = [h.record for h in played.hand_offs if h.record.visit == visit]
    assert record.facts["clients"][0]["outcome"] == "attended"


def group(*moves: Move) -> list[Move]:
    """Three are in a group from its start until 50 minutes later, but for what `moves` bring in between."""
    return [
        *each((GIA, GUS, GWEN), CHECK_IN, at=START),
        (START, provider(START_GROUP)),
        *moves,
        (START + 50 * MINUTE, provider(END_GROUP)),
    ]


@pytest.mark.parametrize(("minute", "outcome"), [(20, "left_early"), (41, "attended")])
def test_who_leaves_a_group_that_goes_on_left_early(minute: int, outcome: Outcome) -> None:
    assert said_of(GUS, *group((START + minute * MINUTE, asks(GUS, Leave())))) == outcome


def test_who_leaves_and_comes_back_did_not_leave_early() -> None:
    away = (START + 20 * MINUTE, asks(GUS, Leave()))
    back = (START + 21 * MINUTE, asks(GUS, Rejoin(visit="vis_group")))

    assert said_of(GUS, *group(away, back)) == "attended"


def test_who_goes_at_the_scheduled_end_of_a_long_group_did_not_leave_early() -> None:
    left = (START + 58 * MINUTE, asks(GUS, Leave()))
    moves = [*group()[:-1], left, (START + 2 * HOUR, provider(END_GROUP))]

    assert said_of(GUS, *moves) == "attended"


def test_who_was_ended_with_the_others_and_stays_out_did_not_leave_early() -> None:
    rejoin = Rejoin(visit="vis_group")
    moves = [
        *group()[:-1],
        (START + 10 * MINUTE, provider(END_GROUP)),
        (START + 11 * MINUTE, asks(GIA, rejoin)),
        (START + 11 * MINUTE, provider(rejoin)),
        (START + 50 * MINUTE, provider(END_GROUP)),
    ]

    assert said_of(GUS, *moves) == "attended"


@pytest.mark.parametrize(
    "sent", [Remove(participant=GUS.participant), ReturnToWaiting(participant=GUS.participant)], ids=["away", "back"]
)
def test_whom_the_provider_sent_away_or_back_did_not_leave(sent: Remove | ReturnToWaiting) -> None:
    assert said_of(GUS, *group((START + 20 * MINUTE, provider(sent)))) == "attended"


def test_who_was_in_and_never_connected_by_a_fault_of_ours_met_a_technical_failure() -> None:
    up = MediaChanged("vis_ann", HOST.participant, "media_up", START + 1, "node_2")
    moves: list[Move] = [
        (START, client(CHECK_IN)),
        (START + 1, provider(START_ANN)),
        (START + 2, up),
        (START + MINUTE, NodeGone("node_2", START + MINUTE)),
        (START + 2 * MINUTE, provider(End(visit="vis_ann"))),
    ]
    theirs = (START + 3, MediaChanged("vis_ann", ANN.participant, "media_up", START + 3, "node_2"))

    assert said_of(ANN, *moves) == "technical_failure"
    assert said_of(ANN, *moves[:3], theirs, *moves[3:]) == "attended"


# --- Who came and was not let in


def test_who_waits_to_the_end_waited_for_a_provider_who_was_absent() -> None:
    assert said_of(ANN, (START, client(CHECK_IN))) == "provider_absent"


@pytest.mark.parametrize(("left", "outcome"), [(NO_SHOW, "provider_absent"), (NO_SHOW - 1, "left_early")])
def test_who_goes_is_no_no_show_and_after_the_practices_minutes_it_is_the_provider(left: int, outcome: Outcome) -> None:
    assert said_of(ANN, (START - MINUTE, client(CHECK_IN)), (left, client(Leave()))) == outcome


def test_minutes_before_the_start_are_nobodys_absence() -> None:
    assert said_of(ANN, (START - HOUR, client(CHECK_IN)), (START, client(Leave()))) == "left_early"


def test_waiting_in_two_pieces_counts_together() -> None:
    moves: list[Move] = [
        (START, client(CHECK_IN)),
        (START + 8 * MINUTE, client(Leave())),
        (START + 9 * MINUTE, client(CHECK_IN)),
        (START + 16 * MINUTE, client(Leave())),
    ]

    assert said_of(ANN, *moves) == "provider_absent"


def test_a_late_client_of_a_group_whom_nobody_admits_is_no_no_show() -> None:
    moves: list[Move] = [
        (START, asks(GIA, CHECK_IN)),
        (START, provider(START_GROUP)),
        (START + 30 * MINUTE, asks(GUS, CHECK_IN)),
        (START + 31 * MINUTE, provider(END_GROUP)),
        (START + 32 * MINUTE, provider(Finish(visit="vis_group"))),
    ]

    assert said_of(GUS, *moves) == "provider_absent"
    assert said_of(GWEN, *moves) == "no_show"


def test_who_lost_the_place_because_a_node_died_met_a_technical_failure() -> None:
    moves: list[Move] = [(START, client(CHECK_IN)), (START + MINUTE, NodeGone("node_1", START + MINUTE))]

    assert said_of(ANN, *moves) == "technical_failure"


def test_who_dropped_by_themselves_left() -> None:
    assert said_of(ANN, (START, client(CHECK_IN)), (START + MINUTE, goes(ANN))) == "left_early"


# --- Who never came


def test_who_never_came_is_a_no_show_after_the_practices_minutes() -> None:
    assert said_of(ANN, (START, DeadlinePassed())) == "no_show"
    assert "vis_ann" not in play((NO_SHOW, DeadlinePassed())).room.visits


# --- Whose word goes first


def test_the_providers_word_goes_before_the_ledger() -> None:
    given = OutcomeGiven(client="mrn-par_ann", outcome="technical_failure")
    finish = Finish(visit="vis_ann", outcomes=(given,))
    moves: list[Move] = [
        (START, client(CHECK_IN)),
        (START + 1, provider(START_ANN)),
        (START + 2, provider(End(visit="vis_ann"))),
        (START + 3, provider(finish)),
    ]

    assert said_of(ANN, *moves) == "technical_failure"


@pytest.mark.parametrize("word", ["cancelled", "late_cancel"])
def test_a_cancellation_is_what_the_caller_says_it_is(word: Any) -> None:
    assert said_of(ANN, (START - MINUTE, client(CHECK_IN)), (START, Cancelled("apt_ann", word))) == word


def test_a_late_cancel_is_not_held_against_who_waited_for_nobody() -> None:
    waited = [(START, client(CHECK_IN)), (NO_SHOW, Cancelled("apt_ann", "late_cancel"))]

    assert said_of(ANN, *waited) == "provider_absent"


# --- The table


def test_every_rule_says_why_and_the_last_holds_always() -> None:
    nothing = Facts(
        came=False,
        was_in=False,
        late=0,
        left_before=0,
        waited=0,
        still_waits=False,
        connected=0,
        faults=False,
    )

    assert all(why for _, why, _ in RULES)
    assert [outcome for outcome, _, holds in RULES if holds(nothing, POLICY)] == ["no_show"]


@pytest.mark.parametrize("faults", [True, False])
@pytest.mark.parametrize("waited", [0, HOUR])
def test_whoever_came_is_no_no_show(faults: bool, waited: int) -> None:
    for was_in in (True, False):
        facts = Facts(
            came=True,
            was_in=was_in,
            late=0,
            left_before=0,
            waited=waited,
            still_waits=False,
            connected=0,
            faults=faults,
        )
        assert next(outcome for outcome, _, holds in RULES if holds(facts, POLICY)) != "no_show"


def test_of_a_group_the_best_is_said_and_a_no_show_only_of_all() -> None:
    assert overall(["no_show", "left_early", "attended"]) == "attended"
    assert overall(["no_show", "provider_absent"]) == "provider_absent"
    assert overall(["no_show", "no_show"]) == overall([]) == "no_show"
    assert set(BEST) >= {outcome for outcome, _, _ in RULES}
