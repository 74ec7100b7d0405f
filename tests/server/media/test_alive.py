"""Something goes on from its first sign to its last one."""

from __future__ import annotations

from server.media.alive import DOUBT, PATIENCE, Pulse, Turn


def test_it_begins_with_the_first_sign() -> None:
    assert Pulse().feel(1.2, [(1.0, 1.15)]) == [Turn(up=True, at=1.0)]


def test_it_ends_with_the_last_sign_once_none_came_for_long_enough() -> None:
    pulse = Pulse()
    pulse.feel(1.0, [(1.0, 1.0)])
    pulse.feel(9.0, [(1.0, 8.7)])

    assert pulse.feel(8.699 + PATIENCE, [(1.0, 8.7)]) == []
    assert pulse.feel(8.7 + PATIENCE, [(1.0, 8.7)]) == [Turn(up=False, at=8.7)]
    assert pulse.feel(90.0, [(1.0, 8.7)]) == []


def test_a_short_silence_is_nothing() -> None:
    pulse = Pulse()
    pulse.feel(1.0, [(1.0, 1.0)])

    assert pulse.feel(1.0 + PATIENCE - 0.5, [(1.0, 1.0)]) == []
    assert pulse.feel(1.0 + PATIENCE, [(1.0, 1.0 + PATIENCE - 0.5)]) == []


def test_a_gap_between_two_looks_is_seen() -> None:
    pulse = Pulse()
    pulse.feel(1.0, [(1.0, 1.0)])

    assert pulse.feel(6.5, [(6.2, 6.4)]) == [Turn(up=False, at=1.0), Turn(up=True, at=6.2)]


def test_two_carriers_are_one_thing() -> None:
    pulse = Pulse()
    pulse.feel(1.0, [(1.0, 1.0)])

    assert pulse.feel(5.0, [(1.0, 2.0), (1.8, 5.0)]) == []
    assert pulse.feel(9.0, [(1.8, 9.0)]) == []


def test_a_carrier_long_dead_does_not_date_the_next_one() -> None:
    pulse = Pulse()
    pulse.feel(1.0, [(1.0, 2.0)])
    pulse.feel(8.0, [(1.0, 2.0)])

    assert pulse.feel(10.0, [(1.0, 2.0), (9.5, 9.9)]) == [Turn(up=True, at=9.5)]


def test_nothing_ends_that_never_began() -> None:
    pulse = Pulse()

    assert pulse.feel(90.0, []) == []
    assert pulse.end() == []


def test_when_its_last_carrier_goes_it_ended_with_the_last_sign() -> None:
    pulse = Pulse()
    pulse.feel(2.0, [(1.0, 1.9)])

    assert pulse.end() == [Turn(up=False, at=1.9)]
    assert pulse.end() == []


def test_it_is_in_doubt_some_time_before_it_is_over_and_after_that_until_the_next_sign() -> None:
    pulse = Pulse()
    assert not pulse.doubtful(90.0)
    pulse.feel(1.0, [(1.0, 1.0)])

    assert not pulse.doubtful(0.999 + DOUBT)
    assert pulse.doubtful(1.0 + DOUBT)
    pulse.feel(1.0 + PATIENCE, [(1.0, 1.0)])
    assert pulse.doubtful(1.0 + PATIENCE)
    pulse.feel(9.0, [(9.0, 9.0)])
    assert not pulse.doubtful(9.0)
