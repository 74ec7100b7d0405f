"""The benchmark of media runs, has a row for each thing that has a goal, and tells a goal that is missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests import bench_media
from loadtests.media.result import BUDGETS, Row


def test_it_runs_and_has_a_row_for_every_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told.json"

    assert bench_media.main(["--quick", "--json", str(told)]) == 0

    rows = json.loads(told.read_text())["rows"]
    assert {row["goal"] for row in rows if row["goal"] is not None} == set(BUDGETS.values())
    measured = [row for row in rows if "not measured" not in row["note"]]
    assert all(row["figure"] is not None for row in measured)
    assert {row["what"]: row["figure"] for row in rows}["  packets lost on the way"] == 0
    assert capsys.readouterr().out.count("\n") == len(rows) + 2


@pytest.mark.parametrize(
    ("goal", "ratio", "holds"),
    [
        ("minimal_loop", 1.29, True),
        ("minimal_loop", 1.31, False),
        ("media_relay", 101.0, True),
        ("media_relay", 99.0, False),
        ("", 5.0, None),
    ],
)
def test_a_goal_holds_or_not(goal: str, ratio: float, holds: bool | None) -> None:
    assert Row("something", 1.0, "µs", 1.0, ratio, goal).holds is holds


def test_what_was_not_measured_holds_nothing() -> None:
    assert Row("something", None, "", goal="c_thread", note="not measured: no gcc").holds is None
