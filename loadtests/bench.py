"""`python3 run.py bench NAME`: the benchmarks by name; `bench goals` measures every goal of media in one run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from loadtests import bench_core, bench_media, bench_store

Bench = Callable[[list[str]], int]


def in_browsers(name: str) -> Bench:
    """Return one that measures with browsers; those belong to the tests."""
    return lambda arguments: int(import_module(f"tests.browser.{name}").main(arguments))


def goals(arguments: list[str]) -> int:
    """Measure every goal of media, one after the other; return how many of the benchmarks missed one."""
    if arguments:
        print("bench goals has no options", file=sys.stderr)
        return 2
    missed = 0
    for name, options in GOALS:
        print(f"\n--- bench {' '.join((name, *options))}", flush=True)
        missed += BENCHES[name](list(options)) != 0
    print("\nall goals hold" if not missed else f"\n{missed} of {len(GOALS)} missed a goal")
    return missed


BENCHES: Final[dict[str, Bench]] = {
    "core": bench_core.main,
    "media": bench_media.main,
    "store": bench_store.main,
    "start": in_browsers("bench_start"),
    "freezes": in_browsers("bench_freezes"),
    "failover": in_browsers("bench_failover"),
    "group": in_browsers("bench_group"),
    "goals": goals,
}

GOALS: Final = (
    ("media", ("--rounds", "5", "--seconds", "4")),
    ("start", ()),
    ("start", ("--rtt", "50")),
    ("freezes", ()),
    ("failover", ()),
)
"""In this order, with these options."""


def main() -> int:
    """Run the one that is named with the options that follow; return the exit code."""
    bench = BENCHES.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if bench is None:
        print(f"usage: python3 run.py bench {'|'.join(BENCHES)} [options]", file=sys.stderr)
        return 2
    return bench(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
