"""`python3 run.py bench media`: what forwarding costs, against floors and others that are measured in the same run.

Forwarders run in processes of their own; the generator, here, is in another. What counts is the CPU time of the
forwarder's process. The systems take turns in rounds, and the median of the rounds is told. `--quick` sees that
everything runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import uvloop

from loadtests.media import forwarding, lives
from loadtests.media.result import BUDGETS, QUICK, Row, Size, line, shown

Part = Callable[[Size, str], Coroutine[Any, Any, list[Row]]]
"""Measures with an SRTP profile."""

PARTS: Final[dict[str, Part]] = {
    "visits": forwarding.one_to_one,
    "audio": forwarding.sound,
    "group": forwarding.twelve,
    "relay": forwarding.relay,
    "negotiation": lives.negotiation,
    "leaks": lives.leaks,
}


def main(arguments: list[str]) -> int:
    """Read the options, measure, print; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="run.py bench media", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    parser.add_argument("--rounds", type=int, help="of each system, in turn (default 5)")
    parser.add_argument("--seconds", type=float, help="of each round (default 8)")
    parser.add_argument("--profile", choices=("sha1", "gcm"), default="sha1", help="SRTP's; browsers choose sha1")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="parts to measure")
    parser.add_argument("--json", type=Path, help="write everything there, too")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else Size()
    given = {name: getattr(options, name) for name in ("rounds", "seconds") if getattr(options, name) is not None}
    size = Size(**(asdict(size) | given))
    rows: list[Row] = []
    print(line("", "figure", "floor", "ratio", "goal", ""))
    for part in options.only:
        gc.collect()
        gc.freeze()  # a long pause of ours would be taken for one of theirs
        found = uvloop.run(PARTS[part](size, options.profile))
        rows += found
        print(*map(shown, found), sep="\n", flush=True)
    if options.json:
        told = [asdict(row) | {"goal": BUDGETS.get(row.goal), "holds": row.holds} for row in rows]
        text = {"profile": options.profile, "size": asdict(size), "rows": told}
        options.json.write_text(json.dumps(text, indent=1) + "\n")
    missed = sum(row.holds is False for row in rows)
    if options.quick:
        print("it runs; the figures of a quick run mean nothing")
        return 0
    print("all goals hold" if not missed else f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
