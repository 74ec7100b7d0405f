"""A process takes so many visits, and none while it is seen to have no time to spare."""

from __future__ import annotations

import pytest

from server.media.capacity import Capacity


class Process:
    """One whose CPU time and lateness are in the hand, looked at twice a second."""

    def __init__(self) -> None:
        self.now = self.cpu = 1000.0
        self.lag = 0.0
        self.connected = 2
        self.capacity = Capacity(
            10,
            connected=lambda: self.connected,
            lags=lambda: [self.lag] * 20,
            cpu=lambda: self.cpu,
            steady=lambda: self.now,
        )

    def free(self, seconds: float = 0.0, *, share: float = 0.0, visits: int = 3) -> int:
        """Return what is free after some time in which so much of a core was spent."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            self.cpu += 0.5 * share
            self.capacity.free(visits)
        return self.capacity.free(visits)


@pytest.fixture
def process() -> Process:
    return Process()


def test_it_takes_as_many_as_it_may(process: Process) -> None:
    assert [process.free(visits=visits) for visits in (0, 9, 10, 11)] == [10, 1, 0, 0]


def test_most_of_a_core_spent_for_seconds_leaves_no_place_and_a_burst_does(process: Process) -> None:
    process.free(10, share=0.3)

    assert process.free(2, share=1.0) == 7
    assert process.free(5, share=0.9) == 0


def test_a_loop_that_is_mostly_late_leaves_no_place(process: Process) -> None:
    process.free(10)
    process.lag = 0.06

    assert process.free(1) == 0


def test_it_takes_more_only_when_it_is_clearly_calm_again(process: Process) -> None:
    process.free(10, share=0.9)

    assert process.free(10, share=0.8) == 0
    assert process.free(10, share=0.6) == 7
    assert process.free(10, share=0.8) == 7
    process.lag = 0.06
    process.free(1)
    process.lag = 0.03
    assert process.free(10) == 0
    process.lag = 0.01
    assert process.free(1) == 7


def test_where_nobody_is_connected_nobody_is_harmed(process: Process) -> None:
    process.connected = 0

    assert process.free(10, share=1.0) == 7
    process.connected = 1
    assert process.free() == 0


def test_the_work_of_a_start_is_no_overload(process: Process) -> None:
    assert process.free(2, share=1.0) == 7


def test_looks_that_follow_at_once_are_one(process: Process) -> None:
    process.free(10, share=0.9)
    for _ in range(1000):
        process.cpu += 0.0
        process.capacity.free(3)

    assert process.capacity.busy
    assert len(process.capacity._looks) < 20
