"""`python3 run.py bench NAME`: the benchmarks by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from loadtests import bench_core, bench_media, bench_store

BENCHES: Final[dict[str, Callable[[list[str]], int]]] = {
    "core": bench_core.main,
    "media": bench_media.main,
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
