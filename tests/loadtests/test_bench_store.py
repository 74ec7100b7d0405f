"""The benchmark of the store runs, and has a figure for each way."""

from __future__ import annotations

import pytest

from loadtests import bench_store


def test_each_way_has_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_store.main(["--rounds", "1", "--count", "128"]) == 0

    rows = [line for line in capsys.readouterr().out.splitlines() if line.count(".") == 2]
    assert len(rows) == len(bench_store.CALLERS) * len(bench_store.WAYS) + 2 * len(bench_store.NEWS)
