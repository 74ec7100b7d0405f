"""A short soak holds, and one in which something stays does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.soak import GROWTH, POOLED, Sample, given_back, soak, verdicts

BASE = Sample(0.0, 100.0, 40, 6, 17, 0, 0)


def samples(grown: float) -> list[Sample]:
    return [Sample(float(at), 100 + grown * at / 100, 80, 6, 60, 12, 8) for at in range(101)]


async def test_a_short_soak_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = await soak(4.0, 3, 0.3, tmp_path / "samples.json")

    told = capsys.readouterr().out
    assert code == 0, told
    assert told.count("holds") == 8
    assert (tmp_path / "samples.json").read_text().count('"memory"') > 3


def test_what_is_flat_and_given_back_holds() -> None:
    found = verdicts(BASE, samples(1.0), BASE._replace(memory=101.0), [], "")

    assert all(verdict.holds for verdict in found)
    assert given_back(BASE, BASE._replace(tasks=16))


@pytest.mark.parametrize("name", ["descriptors", "threads", "tasks", "peers", "sockets"])
def test_one_that_stays_is_found(name: str) -> None:
    rest = BASE._replace(**{name: getattr(BASE, name) + POOLED.get(name, 0) + 1})

    assert next(v.what for v in verdicts(BASE, samples(0.0), rest, [], "") if not v.holds).startswith(name)
    assert not given_back(BASE, rest)


def test_memory_that_goes_on_growing_is_found() -> None:
    found = verdicts(BASE, samples(100 * 2 * GROWTH), BASE, [], "")

    assert [verdict.what.split()[0] for verdict in found if not verdict.holds] == ["memory"]


def test_a_visit_that_went_wrong_is_found_and_so_is_a_traceback() -> None:
    found = verdicts(BASE, samples(0.0), BASE, ["TimeoutError: no visit.started"], "Traceback (most recent call last)")

    assert ["1 visits" in verdict.what or "traceback" in verdict.what for verdict in found if not verdict.holds] == [
        True
    ] * 2
