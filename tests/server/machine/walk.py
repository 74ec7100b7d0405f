"""Plays histories by seed: `python3 run.py prove --steps 1000000`, `--seed 17` to play one again.

A history is some hundred steps in a world of its own. Each step chooses by the seed and its own number, so a failed
history is made small by leaving steps out, and what is left is printed. `--sockets` plays at real ones instead.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.server.machine import meanwhile, upheaval  # noqa: F401 - add their moves
from tests.server.machine.choices import Dice
from tests.server.machine.moves import MOVES, Move, people_come
from tests.server.machine.world import World

LENGTH = 250
"""Steps of one history."""
PATIENCE = 60
"""Every so many seconds a long walk says how far it is."""
_BAG: Sequence[Move] = tuple(one for weight, one in MOVES for _ in range(weight))


@dataclass
class Played:
    """What became of one history."""

    steps: int
    frames: int
    said: list[str]
    error: BaseException | None = None


def play(seed: int, steps: Iterable[int] = range(LENGTH)) -> Played:
    """Play those steps of a history, and its end; return how far it came."""
    said: list[str] = []
    world: World | None = None
    try:
        world = World()
        people_come(world, Dice(seed))
        for step in steps:
            choose = Dice(seed, step + 1)
            said.append(f"{step} ?")
            one = choose.pick(_BAG)
            said[-1] = f"{step} {one.__name__}"
            said[-1] = f"{step}: {one(world, choose)}"
            world.spells()
        world.end()
    except (AssertionError, LookupError) as error:
        if world is not None:
            world.loop.settle()  # what was begun comes to its end, whatever that is
        return Played(len(said), world.watch.frames if world is not None else 0, said, error)
    return Played(len(said), world.watch.frames, said)


def smaller(seed: int, error: BaseException) -> list[int]:
    """Return as few steps as still fail in the same way."""
    left = list(range(len(play(seed).said)))
    chunk = len(left) // 2
    while chunk:
        at = 0
        while at < len(left):
            without = left[:at] + left[at + chunk :]
            again = play(seed, without).error
            if again is not None and str(again)[:20] == str(error)[:20]:
                left = without
            else:
                at += chunk
        chunk //= 2
    return left


def main(arguments: list[str]) -> int:
    """Play, and tell how much; return 1 if a promise was broken."""
    if "--sockets" in arguments:
        from tests.server.sockets import play as sockets  # brings half the service with it

        return sockets.main([one for one in arguments if one != "--sockets"])
    parser = argparse.ArgumentParser(prog="python3 run.py prove", description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000, help="how many to play")
    parser.add_argument("--seed", type=int, default=1, help="where to begin; a failed history names its own")
    parser.add_argument("--plainly", action="store_true", help="tell of a failure as it was found, not made small")
    parser.add_argument("--on", action="store_true", help="go on after a failure, and name all seeds that fail")
    parser.add_argument("--tell", action="store_true", help="print what happens")
    chosen = parser.parse_args(arguments)
    began = told = time.monotonic()
    steps, frames, seed = 0, 0, chosen.seed
    broken: list[int] = []
    while steps < chosen.steps and (chosen.on or not broken):
        played = play(seed)
        steps, frames = steps + played.steps, frames + played.frames
        if chosen.tell:
            print("\n".join(played.said))
        if played.error is not None:
            print(f"seed {seed}: a promise broken after {steps} steps: {played.error}", flush=True)
            broken.append(seed)
            if not chosen.plainly:
                tell(seed, played.error)
        seed += 1
        if time.monotonic() - told > PATIENCE:
            told = time.monotonic()
            print(f"{steps} steps, {told - began:.0f} s; next is --seed {seed}", file=sys.stderr, flush=True)
    took = time.monotonic() - began
    kept = f"broken by the seeds {broken}" if broken else "every promise was kept"
    print(f"{steps} steps in {seed - chosen.seed} histories from {chosen.seed}, {frames} frames, {took:.0f} s: {kept}")
    return 1 if broken else 0


def again(seed: int) -> str:
    """Return how to play a history again, made small."""
    return f"Again: python3 run.py prove --seed {seed} --steps 1"


def tell(seed: int, error: BaseException) -> None:
    """Print a failed history, made small."""
    traceback.print_exception(error)
    left = smaller(seed, error)
    print(f"seed {seed}, {len(left)} steps:", *play(seed, left).said, sep="\n  ")
    print(again(seed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
