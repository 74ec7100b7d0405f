"""Time and the room: a late, early or repeated alarm is invisible, and deciding is a function."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace

from signaling.effects import Told
from signaling.errors import Refused
from signaling.events import DeadlinePassed, MediaChanged
from signaling.policy import HOUR, MINUTE, SECOND
from signaling.requests import Acknowledge, End, Rejoin, RoomRequest, SetStatus, Start
from signaling.room import GRANTS, deadline, handle
from signaling.snapshot import pack
from signaling.state import Phase
from tests.signaling.people import ANN, CHECK_IN, HOST, POLICY, SOON, START
from tests.signaling.play import asks, client, comes, empty_room, goes, play, provider, waiting

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE


def test_an_empty_room_waits_for_nothing() -> None:
    assert deadline(empty_room()) is None
    assert deadline(play((0, comes(HOST)), room=empty_room()).room) is None


def test_the_deadline_is_the_next_thing_that_time_brings() -> None:
    live = waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    assert deadline(live.room) == START + POLICY.no_show_after, "of the appointments nobody came to"
    gone = live.then((LATER, goes(HOST)))
    assert deadline(gone.room) == LATER + POLICY.away_after
    away = gone.then((LATER + POLICY.away_after, DeadlinePassed()))
    assert deadline(away.room) == LATER + POLICY.abandoned_after


def test_an_early_alarm_changes_nothing() -> None:
    ready = waiting(ANN, at=SOON)
    played = ready.then((SOON, provider(Acknowledge(entry=ready.entry(ANN).id))), (BEGIN, goes(ANN)))

    early = played.then((BEGIN + POLICY.grace - 1, DeadlinePassed()))

    assert early.room is played.room


def test_a_repeated_alarm_changes_nothing() -> None:
    once = waiting(ANN, at=SOON).then((BEGIN, goes(ANN)), (BEGIN + POLICY.grace, DeadlinePassed()))

    assert once.then((BEGIN + POLICY.grace, DeadlinePassed())).room is once.room


def test_a_late_alarm_leaves_the_same_room_as_a_punctual_one() -> None:
    dropped = waiting(ANN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (LATER, goes(ANN)),
        (LATER + SECOND, goes(HOST)),
    )
    much_later = LATER + 2 * HOUR
    punctual, room = dropped, dropped.room
    while (due := deadline(room)) is not None and due <= much_later:
        punctual = punctual.then((due, DeadlinePassed()))
        room = punctual.room

    late = dropped.then((much_later, DeadlinePassed()))

    assert replace(late.room, version=0, time=0) == replace(room, version=0, time=0)
    assert late.room.visits == {}


def test_no_request_is_granted_by_what_should_have_happened_already() -> None:
    ended = waiting(ANN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (LATER, goes(ANN)),
    )

    ended.refuses(Refused, LATER + POLICY.abandoned_after, provider(End(visit="vis_ann")))


def test_a_clock_that_runs_behind_does_not_turn_time_back() -> None:
    played = waiting(ANN, at=SOON).then((SOON - 10 * MINUTE, provider(Start(appointment="apt_ann"))))

    assert played.visit().segments[0].started_at == SOON
    assert played.room.time == SOON


def test_what_changes_nothing_returns_the_very_room() -> None:
    played = play((SOON, provider(SetStatus(status="late", minutes=5))))

    assert played.then((SOON + 1, provider(SetStatus(status="late", minutes=5)))).room is played.room
    assert played.then((SOON + 1, goes(replace(ANN, participant="par_unknown")))).room is played.room
    assert played.then((SOON + 1, MediaChanged("vis_none", "par_ann", "media_up", SOON))).room is played.room


def test_deciding_twice_gives_the_same_and_leaves_the_room_as_it_was() -> None:
    room = waiting(ANN, at=SOON).room
    before = pack(room)
    event = replace(provider(Start(appointment="apt_ann")), fresh="abc")

    first, second = handle(room, event, now=BEGIN), handle(room, event, now=BEGIN)

    assert first == second
    assert pack(room) == before


def test_events_are_numbered_without_holes_and_versions_one_by_one() -> None:
    played = play(
        (SOON, client(CHECK_IN)),
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (LATER, client(End(visit="vis_ann"))),
        (LATER + 1, client(Rejoin(visit="vis_ann"))),
    )
    before = play().room

    told = [e.message for e in played.entries if isinstance(e, Told)]
    assert [m.seq for m in told] == list(range(before.seq + 1, before.seq + 1 + len(told)))
    assert [reply.version for reply in played.replies] == [before.version + n for n in (1, 2, 3, 4)]
    assert {m.epoch for m in told} == {"epoch_1"}
    assert all(m.version in (r.version for r in played.replies) for m in told)


def test_a_window_of_nothing_closes_in_the_same_step() -> None:
    policy = replace(POLICY, rejoin_window=0)
    live = waiting(ANN, at=SOON, policy=policy).then((BEGIN, provider(Start(appointment="apt_ann"))))

    played = live.then((LATER, client(End(visit="vis_ann"))))

    assert "vis_ann" not in played.room.visits
    assert len(played.hand_offs) == 1


def test_the_room_of_a_whole_visit_ends_as_empty_as_it_began() -> None:
    played = waiting(ANN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (LATER, asks(ANN, End(visit="vis_ann"))),
        (LATER + HOUR, DeadlinePassed()),
    )

    assert (played.room.visits, played.room.entries) == ({}, {})
    assert Phase.CLOSED not in {v.phase for v in played.room.visits.values()}


def test_every_request_of_a_room_has_a_function_that_grants_it() -> None:
    assert GRANTS.keys() == set(get_args(RoomRequest))
