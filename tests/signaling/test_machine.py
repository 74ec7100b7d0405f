"""The promises hold for every order of events. `CARELOBBY_TEST_EXAMPLES=5000` looks for longer, and where it likes."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.signaling.machine import OneRoom

EXAMPLES = int(os.environ.get("CARELOBBY_TEST_EXAMPLES", "0"))
"""How many histories to play; 0: the same few hundred each time, as CI does."""
QUICK = os.environ.get("CARELOBBY_TEST_QUICK") == "1"
"""Stop at the first failure as it was found: to know that a fault is caught needs no smallest example."""


def test_the_promises_hold_whatever_happens_in_a_room() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OneRoom,
        settings=settings(
            max_examples=EXAMPLES or 300,
            stateful_step_count=30,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate] if QUICK else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
