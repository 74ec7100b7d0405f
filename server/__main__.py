"""`python -m server serve` and `python -m server audit verify`: options in, one sentence out if it cannot be."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from server.running import CannotStart
from server.settings import BadSettings, add_options, load
from server.workers.parent import Place, die_with_parent
from server.workers.service import serve_many


def main(arguments: list[str]) -> int:
    """Run a command and return the exit code: 0 done, 1 not sound, 2 could not start."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="run the service")
    serving.add_argument(
        "--print-json", action="store_true", help="print one line of JSON when ready, and nothing else"
    )
    serving.add_argument("--as-worker", help=argparse.SUPPRESS)
    add_options(serving)
    audit = commands.add_parser("audit", help="examine the audit trail")
    audit.add_argument("what", choices=["verify"])
    add_options(audit)
    options = vars(parser.parse_args(arguments))
    command, print_json = options.pop("command"), options.pop("print_json", False)
    place = options.pop("as_worker", None)
    options.pop("what", None)
    if place is not None:
        die_with_parent()
    try:
        settings = load(options)
        if command == "serve" and settings.workers > 1 and place is None:
            return _run(serve_many(settings, arguments, print_json=print_json))
        # Half of the time that a start takes; help and bad settings are answered without it.
        from server.app import serve, verify_audit  # noqa: PLC0415 - as it says

        if command == "audit":
            return _run(verify_audit(settings))
        return _run(serve(settings, print_json=print_json, place=Place.read(place) if place is not None else None))
    except BadSettings as problem:
        print("\n".join(problem.problems), file=sys.stderr)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
    return 2


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except (asyncio.CancelledError, KeyboardInterrupt):
            return 0  # told to stop before it was up


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
