"""`python3 run.py bench start`: how long from the click on Start until each sees the other, warm and cold.

Two pages in one Chromium with fake cameras, at a service of their own. It counts when a pixel is not black. Warm, with
connections that waited, and cold take turns; `--rtt` puts so many milliseconds between the browsers and the service.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtests.report import percentile
from tests.browser.conftest import browsing
from tests.browser.far import Far
from tests.browser.starting import Started, Starting
from tests.stories.service import Service
from tests.stories.worlds import alive

GOALS: Final = {(True, 0): 200.0, (False, 0): 300.0, (True, 50): 300.0, (False, 50): 500.0}
"""ms, the 95th percentile of both sides, by warm and round trip."""


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="run.py bench start", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each kind")
    parser.add_argument("--rtt", type=int, choices=(0, 50), default=0, help="ms between the browsers and the service")
    options = parser.parse_args(arguments)
    starts = asyncio.run(measure(options.runs, options.rtt))
    print(f"round trip {options.rtt} ms, {options.runs} runs of each, in turn; load {os.getloadavg()[0]:.1f}")
    print(f"{'':<24}{'p50':>8}{'p95':>8}{'max':>8}{'goal':>8}  ms")
    held = True
    for warm, some in starts.items():
        goal = GOALS[warm, options.rtt]
        for name, values in (("client", [s.client for s in some]), ("provider", [s.provider for s in some])):
            print(row(f"{'warm' if warm else 'cold'}, {name} sees", values, goal))
            held &= percentile(values, 0.95) <= goal
    before = sum(s.before for some in starts.values() for s in some)
    used = sum(s.used for s in starts[True])
    print(f"RTP packets before Start: {before}; sessions on connections that waited: {used} of {options.runs}")
    return 0 if held and not before and used == options.runs else 1


def row(name: str, values: Sequence[float], goal: float) -> str:
    """Return a line of the table."""
    cells = "".join(f"{percentile(values, share):>8.0f}" for share in (0.5, 0.95, 1.0))
    return f"{name:<24}{cells}{goal:>8.0f}"


async def measure(runs: int, rtt: int) -> dict[bool, list[Started]]:
    """Return what was measured, by whether it was warm."""
    found: dict[bool, list[Started]] = {True: [], False: []}
    far = Far(rtt / 2000) if rtt else None
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "var")
        async with alive(service), browsing(os.environ["CHROMIUM"]) as browser:
            starting = Starting(browser, service, service.url, far)
            for warm in found:
                await starting.start(warm=warm)  # what is loaded and compiled for the first time is not measured
            for _ in range(runs):
                for warm, some in found.items():
                    some.append(await starting.start(warm=warm))
    if far is not None:
        far.close()
    return found
