"""What `/metrics` says: numbers of this process under stable names, and nobody's name."""

from __future__ import annotations

import asyncio
import itertools
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server import telemetry
from server.ports import StoreAway
from server.telemetry import Backlog, Lag, Telemetry, figures_of, set_up_logging, together


@dataclass
class Counts:
    open: int = 0
    done: int = 0
    closed: Counter[int] = field(default_factory=Counter)


def read(text: bytes) -> dict[str, float]:
    """Every sample by its name and labels."""
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counts_are_read_at_each_scrape() -> None:
    counts = Counts()
    told = Telemetry({"ws": figures_of(lambda: counts, ("open",), {"closed": "code"})})
    counts.open, counts.done = 2, 5
    counts.closed[4001] += 3

    first = read(told.text())
    counts.open = 1
    second = read(told.text())

    assert first["carelobby_ws_open"] == 2
    assert first["carelobby_ws_done_total"] == 5
    assert first["carelobby_ws_closed_total{code=4001}"] == 3
    assert second["carelobby_ws_open"] == 1


def test_the_figures_of_several_processes_are_told_apart_and_each_name_stands_in_one_place() -> None:
    counts = Counts(open=1)
    counts.closed[4001] += 3
    source = {"ws": figures_of(lambda: counts, ("open",), {"closed": "code"})}
    texts = [Telemetry(source, worker=worker).text().decode() for worker in ("1", "2")]
    texts.append(Telemetry({"workers": lambda: {"wanted": 2.0}}, worker="parent").text().decode())

    text = together(texts)

    figures = read(text)
    for worker in ("1", "2"):
        assert figures[f"carelobby_ws_open{{worker={worker}}}"] == 1
        assert figures[f"carelobby_ws_closed_total{{code=4001}}{{worker={worker}}}"] == 3
    assert figures["carelobby_workers_wanted{worker=parent}"] == 2
    assert len([name for name in figures if name.startswith("process_cpu_seconds_total")]) == 3
    assert text.count(b"# TYPE carelobby_ws_open gauge") == text.count(b"# HELP process_cpu_seconds_total") == 1
    names = [line.split("{")[0] for line in text.decode().splitlines() if not line.startswith("#")]
    assert [name for name, _ in itertools.groupby(names)] == list(dict.fromkeys(names))


def test_the_process_tells_its_cpu_and_memory() -> None:
    figures = read(Telemetry({}).text())

    assert figures["process_cpu_seconds_total"] > 0
    assert figures["process_resident_memory_bytes"] > 10**6
    assert figures["process_open_fds"] > 0


async def test_a_loop_that_is_held_up_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "LAG_EVERY", 0.005)
    lag = Lag()
    assert lag.figures() == {"lag_seconds": 0.0}
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(lag.run())
    await asyncio.sleep(0)

    end = loop.time() + 0.1
    while loop.time() < end:
        pass  # holds the loop up
    await asyncio.sleep(0.01)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert lag.figures()["lag_seconds"] >= 0.08


async def test_a_backlog_that_cannot_be_asked_keeps_its_number() -> None:
    numbers: Iterator[int | Exception] = iter([7, StoreAway(), 9])

    async def outbox() -> int:
        number = next(numbers)
        if isinstance(number, Exception):
            raise number
        return number

    async def deliveries() -> int:
        return 1

    backlog = Backlog(outbox=outbox, deliveries=deliveries)
    seen = []
    for _ in range(3):
        await backlog.look()
        seen.append(backlog.figures())

    assert seen == [{"outbox": 7, "deliveries": 1}, {"outbox": 7, "deliveries": 1}, {"outbox": 9, "deliveries": 1}]


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), [logging.getLogger(name) for name in ("carelobby", "server")]
    before = root.level, root.handlers[:], [one.level for one in ours]
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for one, level in zip(ours, before[2], strict=True):
        one.setLevel(level)


def test_our_parts_tell_as_much_as_was_asked_and_others_warnings_alone(logging_as_before: None) -> None:
    set_up_logging("debug")

    assert logging.getLogger("carelobby.hub").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("server.ledger").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiortc").isEnabledFor(logging.INFO)
    assert logging.getLogger("aiortc").isEnabledFor(logging.WARNING)


HOLES = """
import sys
from pathlib import Path
from server.telemetry import tune_allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

if sys.argv[1] == "tuned":
    assert tune_allocator()
x = b"x"
x * (30 << 20)  # from here on, glibc by itself takes what is smaller from the heap
before = resident()
blocks = [(x * (1 << 20), x * 60_000) for _ in range(100)]
pins = [pin for _, pin in blocks]
del blocks
print(resident() - before)
"""


@pytest.mark.parametrize(("how", "held"), [("tuned", range(30)), ("as it is", range(60, 130))])
def test_freed_memory_is_given_back_though_something_small_lies_behind_it(how: str, held: range) -> None:
    ran = subprocess.run([sys.executable, "-c", HOLES, how], capture_output=True, text=True, check=True)

    assert int(ran.stdout) in held
