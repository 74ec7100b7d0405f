"""`python3 run.py soak`: a service of its own, and visits with media in it that do not stop coming, and what stays.

Twenty visits at a time, each with its accidents, one after the other for an hour. A line a minute tells what the
service holds; the last ones whether memory went on growing, and whether everything else was given back at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, median
from typing import Final, NamedTuple

import httpx
import uvloop

from loadtests.ehr import Ehr
from loadtests.media.pace import Pacer
from loadtests.media.unruly import Unruly
from loadtests.own import Own, own_service

FIGURES: Final = {
    "memory": "process_resident_memory_bytes",
    "descriptors": "process_open_fds",
    "threads": "carelobby_underway_threads",
    "tasks": "carelobby_underway_tasks",
    "peers": "carelobby_media_peers",
    "sockets": "carelobby_ws_connections",
}
GIVEN_BACK: Final = ("descriptors", "threads", "tasks", "peers", "sockets")
POOLED: Final = {"descriptors": 8, "threads": 2}
"""What may be held more than before: pools of connections and threads fill up by and by, up to a bound."""
GROWTH: Final = 0.10
"""What part of its memory a service may gain in the time after the warm-up."""
WARM: Final = 0.3
"""The part of the time that is warm-up."""
FOR_EVER: Final = 1e9
REST_WITHIN: Final = 90.0
"""Seconds after the last visit, within which all must be given back: twice what an unheard peer is waited for."""


class Sample(NamedTuple):
    """What the service holds: seconds since the beginning, memory in MiB, the rest in numbers."""

    at: float
    memory: float
    descriptors: float
    threads: float
    tasks: float
    peers: float
    sockets: float


class Verdict(NamedTuple):
    """One thing that was looked at."""

    what: str
    holds: bool


def main() -> int:
    """Read the options, run, and return 1 if something stays that should not."""
    parser = argparse.ArgumentParser(prog="run.py soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--visits", type=int, default=20, help="at a time")
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two accidents of a visit")
    parser.add_argument("--json", type=Path, help="write all samples there")
    options = parser.parse_args()
    gc.freeze()
    return uvloop.run(soak(options.minutes * 60, options.visits, options.pause, options.json))


async def soak(seconds: float, visits: int, pause: float, file: Path | None = None) -> int:
    """Run it; return the exit code."""
    this = asyncio.current_task()
    assert this is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # the service is to end with us
    async with own_service() as own, Ehr(own.url, own.operator_key) as ehr:
        seen: Counter[str] = Counter()
        faults: list[str] = []
        soaking = Soaking(own, ehr, pause, seen, faults)
        await soaking.rooms(visits)
        # What is made once and kept: pools are as full as so many at a time make them.
        await soaking.run(visits, 0.0)
        base = await soaking.at_rest(None)
        print(f"base: {_told(base)}", flush=True)
        samples = await soaking.run(visits, seconds)
        rest = await soaking.at_rest(base)
        print(f"rest: {_told(rest)}", flush=True)
        log = own.text()
    found = verdicts(base, samples, rest, faults, log)
    print(", ".join(f"{number} {name}" for name, number in seen.most_common()))
    for verdict in found:
        print(f"{'holds ' if verdict.holds else 'FAILED'}  {verdict.what}")
    if file is not None:
        kept = {"base": base._asdict(), "rest": rest._asdict(), "seen": seen, "faults": faults}
        text = json.dumps(kept | {"samples": [sample._asdict() for sample in samples]}, indent=1)
        file.write_text(text + "\n")  # noqa: ASYNC240 - nothing else goes on any more
    return 0 if all(verdict.holds for verdict in found) else 1


class Soaking:
    """The visits that come and go, and the looks at what the service holds."""

    def __init__(self, own: Own, ehr: Ehr, pause: float, seen: Counter[str], faults: list[str]) -> None:
        """`seen` counts what happened, `faults` is told what went wrong."""
        self._own = own
        self._ehr = ehr
        self._pause = pause
        self._seen = seen
        self._faults = faults
        self._pacer = Pacer()
        self._begun = time.monotonic()
        self._chance = random.Random(1)
        self._numbers = itertools.count()

    async def rooms(self, count: int) -> None:
        """Make so many providers."""
        for number in range(count):
            await self._ehr.provider(f"p{number}")

    async def one(self, room: int, number: int) -> None:
        """Play one visit; what goes wrong in it is a fault of the run, and the next one comes."""
        chance = random.Random(self._chance.random())
        try:
            booked = await self._ehr.book(f"a{number}", f"p{room}", [f"c{number}"])
            await Unruly(self._ehr, self._pacer, chance, self._pause, self._seen).play(booked)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self._faults.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._pause)  # or one that fails at once would be a thousand, and a flood

    async def run(self, visits: int, seconds: float) -> list[Sample]:
        """Let them come for so long, at least one in each room; return what was seen meanwhile."""
        self._begun = time.monotonic()
        end = self._begun + seconds

        async def day(room: int) -> None:
            while True:
                await self.one(room, next(self._numbers))
                if time.monotonic() >= end:
                    return

        samples: list[Sample] = []
        sending = asyncio.create_task(self._pacer.run(FOR_EVER), name="pacer")
        days = [asyncio.create_task(day(room), name=f"room {room}") for room in range(visits)]
        line = min(60.0, max(4.0, seconds / 4))
        told = 0.0
        try:
            while not all(each.done() for each in days):
                await asyncio.wait(days, timeout=line / 12)
                samples.append(await self.look())
                if seconds and samples[-1].at >= told + line:
                    told = samples[-1].at
                    print(f"{told / 60:5.1f} min: {_told(samples[-1])}, {self._seen['visits']} visits", flush=True)
        finally:  # told to end, nobody comes any more: the service would be asked in vain, over and over
            for each in (sending, *days):
                each.cancel()
            await asyncio.gather(sending, *days, return_exceptions=True)
        return samples

    async def look(self) -> Sample:
        """Look once."""
        figures: dict[str, float] | None = None
        while figures is None:
            # A connection that was idle may be closed while we ask.
            with suppress(httpx.ReadError, httpx.RemoteProtocolError):
                figures = await self._ehr.metrics()
        found = {name: figures[metric] for name, metric in FIGURES.items()}
        return Sample(time.monotonic() - self._begun, found.pop("memory") / 2**20, **found)

    async def at_rest(self, base: Sample | None) -> Sample:
        """Return what is held once nobody is there: as soon as it is no more than at the base, or changes no more."""
        end = time.monotonic() + REST_WITHIN
        before = await self.look()
        while time.monotonic() < end:
            await asyncio.sleep(1.0)
            now = await self.look()
            still = not now.peers and not now.sockets and now[2:] == before[2:]
            if still and (base is None or given_back(base, now)):
                return now
            before = now
        return before


def given_back(base: Sample, rest: Sample) -> bool:
    """Tell whether nothing is held that was not at the base."""
    return all(getattr(rest, name) <= getattr(base, name) + POOLED.get(name, 0) for name in GIVEN_BACK)


def verdicts(base: Sample, samples: Sequence[Sample], rest: Sample, faults: Sequence[str], log: str) -> list[Verdict]:
    """Judge."""
    wrong = f"{len(faults)} visits went wrong" + "".join(
        f"; {text} ({n})" for text, n in Counter(faults).most_common(5)
    )
    found = [Verdict(wrong, not faults), Verdict("no traceback in the service's log", "Traceback" not in log)]
    late = [sample for sample in samples if sample.at >= WARM * samples[-1].at]
    if len(late) > 2:
        slope = linear_regression([s.at for s in late], [s.memory for s in late]).slope
        grown, level = slope * (late[-1].at - late[0].at), median(s.memory for s in late)
        what = f"memory grew by {grown:+.1f} MiB, {3600 * slope:+.1f} an hour, at {level:.0f} MiB after the warm-up"
        found.append(Verdict(f"{what} (at most {GROWTH:.0%})", grown <= GROWTH * level))
    for name in GIVEN_BACK:
        had, has = getattr(base, name), getattr(rest, name)
        found.append(Verdict(f"{name}: {had:.0f} before, {has:.0f} after", has <= had + POOLED.get(name, 0)))
    return found


def _told(sample: Sample) -> str:
    numbers = ", ".join(f"{getattr(sample, name):.0f} {name}" for name in GIVEN_BACK)
    return f"{sample.memory:.1f} MiB, {numbers}"


if __name__ == "__main__":
    sys.exit(main())
