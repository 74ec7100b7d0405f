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


def test_what_is_made_when_it_is_told_is_shown_beside_the_decision(capsys: pytest.CaptureFixture[str]) -> None:
    [finish] = [case for case in bench_core.cases() if case.name == "finish"]

    bench_core.main(["--least", "2", "--most", "2"], [finish])

    decide, _, tell, both = map(float, capsys.readouterr().out.splitlines()[1].split()[1:5])
    assert tell > decide, "the record is most of it"
    assert both == pytest.approx(decide + tell, abs=0.11)
