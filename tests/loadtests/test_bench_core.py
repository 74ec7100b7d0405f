"""What a decision of the heart may cost, with fifty clients waiting: a budget for each request."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from loadtests import bench_core


def test_every_request_keeps_to_its_budget(capsys: pytest.CaptureFixture[str]) -> None:
    # In relation to a yardstick that is measured in turn with it, and with a third to spare for busy caches.
    assert bench_core.main(["--least", "10", "--slack", "0.33"]) == 0, capsys.readouterr().out


def test_a_budget_that_is_exceeded_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    dear = replace(bench_core.cases()[0], budget=0.1)

    assert bench_core.main(["--least", "1", "--most", "2"], [dear]) == 1
    assert "1 over budget" in capsys.readouterr().out
