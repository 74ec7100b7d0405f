"""`python3 run.py load`: whole visits against a running service, in a practice of its own that it removes again."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path

import httpx
import uvloop

from loadtests.ehr import Ehr
from loadtests.report import service, table
from loadtests.visits import play_visits
from loadtests.visits_media import talk_in_visits


def main() -> int:
    """Read the options, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="run.py load", description=__doc__)
    parser.add_argument("--visits", type=int, help="default 200; with --media 20")
    parser.add_argument("--at-once", type=int, default=20, help="visits in progress at a time (default 20)")
    parser.add_argument("--media", action="store_true", help="with sound and picture, all visits at once")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they talk, with --media (default 30)")
    parser.add_argument("--url", help="the service's address (default: the one running from ./var)")
    parser.add_argument("--operator-key", help="default: $CARELOBBY_OPERATOR_KEY, else that of the one in ./var")
    options = parser.parse_args()
    url, key = _where(options.url, options.operator_key)
    if url is None or key is None:
        print("No service found: start one with `python3 run.py`, or give --url and --operator-key.", file=sys.stderr)
        return 2
    try:
        if options.media:
            return uvloop.run(talk(url, key, options.visits or 20, options.seconds))
        return asyncio.run(run(url, key, options.visits or 200, options.at_once))
    except httpx.ConnectError:
        print(f"Nothing answers at {url}: start the service with `python3 run.py`.", file=sys.stderr)
        return 2


async def run(url: str, key: str, visits: int, at_once: int) -> int:
    """Play the visits and print the report."""
    async with Ehr(url, key) as ehr:
        providers = [await ehr.provider(f"p{number}") for number in range(at_once)]
        bookings = [await ehr.book(f"a{i}", providers[i % at_once], [f"c{i}"]) for i in range(visits)]
        before = await ehr.metrics()
        gc.freeze()  # a long pause of ours would be taken for one of theirs
        begun = time.perf_counter()
        timings = await play_visits(ehr, bookings, at_once=at_once)
        spent = time.perf_counter() - begun
        after = await ehr.metrics()
        print(f"{visits} visits, {at_once} at once, in {spent:.1f} s ({visits / spent:.1f} visits/s)\n")
        print(table(timings.seconds))
        print("\n" + service(before, after, visits))
    return 0


async def talk(url: str, key: str, visits: int, seconds: float) -> int:
    """Play visits with media, all at once, and print the report."""
    async with Ehr(url, key) as ehr:
        providers = [await ehr.provider(f"p{number}") for number in range(visits)]
        bookings = [await ehr.book(f"a{number}", provider, [f"c{number}"]) for number, provider in enumerate(providers)]
        gc.freeze()
        told = await talk_in_visits(ehr, bookings, seconds)
        print(f"{told}\n\n{table(told.seconds)}")
    return 0


def _where(url: str | None, key: str | None) -> tuple[str | None, str | None]:
    """Return the address and operator's key: as given, else those that a local service left in its data directory."""
    file = Path(os.environ.get("CARELOBBY_DATA_DIR", "var")) / "service.json"
    found = json.loads(file.read_text()) if file.is_file() else {}
    return url or found.get("url"), key or os.environ.get("CARELOBBY_OPERATOR_KEY") or found.get("operator_key")


if __name__ == "__main__":
    sys.exit(main())
