"""A hundred thousand steps: nothing crosses rooms, and every promise is kept, whatever happens in whatever order.

The seeds are the same each time, so that a commit that breaks nothing fails nobody; `python3 run.py prove` goes on
from there for as long as it is let. The order of both tests does not matter; their steps are counted.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.server.machine.hypothetical import ManyRooms
from tests.server.machine.walk import LENGTH, again, play

STEPS = 100_000
HALVES = 2
"""Processes that share the walk, as most machines have two cores at least."""


def walked(first: int) -> tuple[int, int, str]:
    """Return (steps, frames, what went wrong) of every second history from `first`."""
    steps = frames = 0
    for seed in range(first, first + STEPS // LENGTH, HALVES):
        played = play(seed)
        steps, frames = steps + played.steps, frames + played.frames
        if played.error is not None:
            return steps, frames, f"{played.error}\n{again(seed)}"
    return steps, frames, ""


@pytest.mark.timeout(500)
def test_every_promise_is_kept_for_a_hundred_thousand_steps() -> None:
    with ProcessPoolExecutor(HALVES, mp_context=get_context("spawn")) as pool:
        halves = list(pool.map(walked, range(1, 1 + HALVES)))

    assert [wrong for _, _, wrong in halves if wrong] == []
    assert sum(steps for steps, _, _ in halves) >= STEPS
    assert sum(frames for _, frames, _ in halves) >= STEPS, "sockets were told much, and all of it was looked at"


@pytest.mark.parametrize("seed", [446, 2603, 10209, 20085])
def test_histories_that_once_broke_a_promise_break_none(seed: int) -> None:
    played = play(seed)

    assert played.error is None, again(seed)


@pytest.mark.timeout(500)
def test_every_promise_is_kept_whatever_hypothesis_thinks_of() -> None:
    ManyRooms.steps = 0

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ManyRooms,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            derandomize=True,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert ManyRooms.steps > 1000


def test_a_history_is_the_same_each_time() -> None:
    assert play(1).said == play(1).said


def test_leaving_out_a_step_changes_none_of_the_others_choices() -> None:
    whole, part = play(7, range(8)), play(7, (0, 1, 2, 4, 5, 6, 7))

    assert part.said[:3] == whole.said[:3]
    assert len(part.said) == 7
