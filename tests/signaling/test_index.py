"""What every decision asks of a room, carried along and made anew."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.events import Configured, Rescheduled
from signaling.index import derived, index_of
from signaling.lookup import connections_of, entry_of, is_connected, live_visit
from signaling.policy import MINUTE
from signaling.requests import Leave, SetStatus, Start
from signaling.waiting import ahead
from tests.signaling.people import ANN, ANNS, BOB, EVERYBODY, HOST, POLICY, SOON, WALT, person
from tests.signaling.play import asks, goes, provider, waiting

SHOWN = replace(POLICY, show_position=True)


def test_an_index_is_no_part_of_the_room_and_a_room_made_by_hand_has_its_own() -> None:
    room = waiting(ANN, BOB, at=SOON).room
    index_of(room)

    other = replace(room, entries={})

    assert room == replace(room)
    assert (entry_of(other, ANN.participant), entry_of(room, ANN.participant) is not None) == (None, True)


def test_a_step_leaves_the_index_of_the_room_before_as_it_was() -> None:
    played = waiting(ANN, BOB, at=SOON)
    before, was = played.room, derived(played.room)

    played.then((SOON + 1, goes(ANN)), (SOON + 2, asks(BOB, Leave())), (SOON + 3, provider(SetStatus(status="away"))))

    assert index_of(before) == was


def test_what_is_asked_follows_the_room_through_a_visit() -> None:
    played = waiting(ANN, WALT, at=SOON)
    live = played.then((SOON + MINUTE, provider(Start(appointment="apt_ann"))))
    gone = live.then((SOON + 2 * MINUTE, goes(ANN)))

    assert (live_visit(played.room), live_visit(live.room)) == (None, live.visit())
    assert [entry_of(room, ANN.participant) is None for room in (played.room, live.room)] == [False, True]
    assert [is_connected(room, ANN.participant) for room in (live.room, gone.room)] == [True, False]
    assert all(connections_of(live.room, who.participant) for who in EVERYBODY)
    assert index_of(gone.room) == derived(gone.room)


def test_a_policy_that_shows_the_place_in_line_shows_it_from_now_on() -> None:
    played = waiting(ANN, WALT, at=SOON)
    lane = played.then((SOON, Configured(person(HOST), SHOWN)))
    both = lane.then((SOON, Rescheduled(ANNS, SHOWN)))

    assert [ahead(played.room, played.entry(who)) for who in (ANN, WALT)] == [None, None]
    assert [ahead(lane.room, lane.entry(who)) for who in (ANN, WALT)] == [None, 1]
    assert [ahead(both.room, both.entry(who)) for who in (ANN, WALT)] == [0, 1]
