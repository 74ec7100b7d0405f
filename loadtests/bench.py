"""`python3 run.py bench NAME`: the benchmarks by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from loadtests import bench_core, bench_media, bench_store


def start(arguments: list[str]) -> int:
    """Measure with browsers; those belong to the tests."""
    return int(import_module("tests.browser.bench_start").main(arguments))


BENCHES: Final[dict[str, Callable[[list[str]], int]]] = {
    "core": bench_core.main,
    "media": bench_media.main,
    "start": start,
    "store": bench_store.main,
}


def main() -> int:
    """Run the one that is named with the options that follow; return the exit code."""
    bench = BENCHES.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if bench is None:
        print(f"usage: python3 run.py bench {'|'.join(BENCHES)} [options]", file=sys.stderr)
        return 2
    return bench(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
