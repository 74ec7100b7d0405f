"""What a step says is made when it is read: once, and as it was when it was decided."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.effects import ClosePeers, HandOff, Step, Told
from signaling.events import Opened
from signaling.messages import VisitChanged, VisitStarted, WaitingChanged
from signaling.policy import DAY, MINUTE
from signaling.requests import End, Finish, Start
from signaling.room import handle
from tests.signaling.people import ANN, ANNS, BOB, HOST, POLICY, SOON
from tests.signaling.play import asks, empty_room, goes, play, waiting

BEGIN = SOON + MINUTE


def started() -> Step:
    """The host begins Ann's visit while Bob waits; nobody has read what that says."""
    return handle(waiting(ANN, BOB, at=SOON).room, asks(HOST, Start(appointment="apt_ann")), now=BEGIN)


def told(step: Step, kind: type) -> list[Told]:
    return [entry for entry in step.entries if isinstance(entry, Told) and isinstance(entry.message, kind)]


def test_a_step_makes_what_it_says_when_it_is_read_and_once() -> None:
    step = started()
    before = len(step.later)

    first, second = step.entries, step.entries

    assert (before > 0, step.later) == (True, ())
    assert first is second
    assert [len(one.message.participants) for one in told(step, VisitStarted)] == [2, 2]
    assert [one.to for one in told(step, WaitingChanged)] == [(BOB.participant,)]


def test_what_is_shown_is_how_it_was_however_late_it_is_read() -> None:
    step = started()

    play((BEGIN + 1, goes(ANN)), (BEGIN + 2, asks(HOST, End(visit="vis_ann"))), room=step.room)

    for one in told(step, VisitStarted):
        assert [who["presence"] for who in one.message.participants] == ["connected", "connected"]


def test_a_visit_that_opens_and_closes_in_one_step_is_shown_as_it_opened() -> None:
    step = handle(empty_room(), Opened(ANNS, replace(POLICY, no_show_after=0)), now=SOON)

    assert step.room.visits == {}
    assert [one.message.appointment["phase"] for one in told(step, VisitChanged)] == ["scheduled"]


def test_a_record_is_the_same_whenever_it_is_read() -> None:
    ended = play((BEGIN + MINUTE, asks(HOST, End(visit="vis_ann"))), room=started().room)
    at_once, late = [handle(ended.room, asks(HOST, Finish(visit="vis_ann")), now=BEGIN + 2 * MINUTE) for _ in range(2)]
    records = [entry.record for entry in at_once.entries if isinstance(entry, HandOff)]

    play((BEGIN + DAY, goes(HOST)), room=late.room)

    assert [entry.record for entry in late.entries if isinstance(entry, HandOff)] == records
    assert [record.facts["clients"][0]["name"] for record in records] == [ANN.name]


def test_steps_are_equal_if_they_say_the_same_read_or_not() -> None:
    read, unread, other = started(), started(), started()
    assert read.entries

    assert read == unread
    assert read != replace(other, effects=(ClosePeers("vis_ann"),))
    assert read != handle(read.room, goes(ANN), now=BEGIN)
