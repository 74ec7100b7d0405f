"""How long one decision of the heart takes, with fifty clients waiting: `python -m loadtests.bench_core`.

No network, no store. Each request is decided over and over on the same room: *decide* is `handle` alone, *tell* what
the commit adds when it reads what was decided, for only then are the messages and the record made. The budget is for
the first; the second is there so that nothing hides in it. In turn with them the same process does a fixed piece of
work, the yardstick: what a decision takes is told in relation to it, so that a slow or a busy machine does not change
the figure. Of each the least mean of several rounds counts, for whatever else the machine does only adds to it, and
what is counted is the time of this thread alone. *Here* is what a decision took on this very machine. Ends with 1 if a
budget is exceeded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from signaling.events import Appointment, Asked, Connected, DeadlinePassed, Disconnected, Fact, MediaChanged, Opened
from signaling.fields import ConsentGiven, Devices, Place
from signaling.policy import HOUR, MINUTE, Policy
from signaling.requests import (
    Acknowledge,
    Admit,
    CheckIn,
    ComeBack,
    End,
    Finish,
    Leave,
    MediaMode,
    MediaState,
    Rejoin,
    Remove,
    ReturnToWaiting,
    RoomRequest,
    SetStatus,
    Start,
    StepAway,
    Withdraw,
)
from signaling.room import handle, new_room
from signaling.state import Person, Role, Room, Seat, Who

WAITING: Final = 50
TIMES: Final = 50
"""Decisions of one round."""
BUDGET: Final = 15.0
"""Microseconds in which a request is decided."""
GROUP: Final = 24.0
"""Of one about a group of twelve, that looks at each of them."""
ELEVEN: Final = 48.0
"""Of the click that lets eleven in, each out of their place in line."""
HOST: Final = Who(Role.PROVIDER, "dr_host", name="Dr. Host")
NOW: Final = HOUR
CHECK_IN: Final = CheckIn(
    place=Place("CO", "home"), consent=ConsentGiven("1"), privacy=True, devices=Devices(True, True), media="video"
)


class Case(Struct, frozen=True):
    """One event, the room it is decided on, and what it may cost."""

    name: str
    room: Room
    event: Asked | Fact
    budget: float = BUDGET
    """Microseconds to decide it."""


def client(n: int, visit: str) -> Who:
    """The client of one seat."""
    return Who(Role.CLIENT, f"par_{visit}_{n}", visit, f"Client {n}")


def asked(who: Who, request: RoomRequest) -> Asked:
    """`who` asks, by the connection they have."""
    return Asked(who, f"con_{who.participant}", request, "fresh")


def played(room: Room, *events: Asked | Fact, at: int = NOW) -> Room:
    """Return the room after `events`."""
    for number, event in enumerate(events):
        if isinstance(event, Asked):
            event = Asked(event.by, event.connection, event.request, f"{room.version}_{number}")  # noqa: PLW2901
        room = handle(room, event, now=at).room
    return room


def appointment(name: str, clients: int) -> Appointment:
    """An hour from `NOW`, for so many."""
    visit = f"vis_{name}"
    seats = tuple(Seat(client(n, visit).participant, f"Client {n}", client=f"c-{name}-{n}") for n in range(clients))
    return Appointment(f"apt_{name}", visit, (Person("dr_host", "Dr. Host"),), seats, NOW, NOW + HOUR, clients > 1)


def busy_room(policy: Policy = Policy()) -> Room:  # noqa: B008 - a frozen value
    """Fifty appointments whose clients wait, one of nobody yet, and a group of twelve of whom eleven wait."""
    room = new_room("room", "practice", Person("dr_host", "Dr. Host"), "epoch", policy)
    there: list[Asked | Fact] = [Connected(HOST, "con_dr_host", "laptop", "node")]
    for name, seats in [*((str(n), 1) for n in range(WAITING)), ("free", 1), ("group", 12)]:
        there.append(Opened(appointment(name, seats), policy))
        people = [client(n, f"vis_{name}") for n in range(seats)]
        there += [Connected(who, f"con_{who.participant}", "phone", "node") for who in people]
        # Of the group nobody waits yet: fifty do.
        there += [asked(who, CHECK_IN) for who in people if name not in ("free", "group")]
    return played(room, *there)


def cases() -> list[Case]:
    """Return every request there is, on a room where it is granted."""
    room = busy_room()
    some, free = client(0, "vis_25"), client(0, "vis_free")
    entry = next(e.id for e in room.entries.values() if e.participant == some.participant)
    flowing = [
        MediaChanged("vis_25", who.participant, kind, NOW, "node")
        for who in (HOST, some)
        for kind in ("media_up", "video_up")
    ]
    live = played(room, asked(HOST, Start(appointment="apt_25")), *flowing)
    ended = played(live, asked(some, End(visit="vis_25")), at=NOW + MINUTE // 2)
    agreed = played(ended, asked(HOST, Rejoin(visit="vis_25")))
    members = [client(n, "vis_group") for n in range(12)]
    group = played(
        room,
        *(asked(who, CHECK_IN) for who in members[:11]),
        asked(HOST, Start(appointment="apt_group")),
        asked(members[11], CHECK_IN),
    )
    late = next(e.id for e in group.entries.values() if e.participant == members[11].participant)
    eleven = played(room, *(asked(who, CHECK_IN) for who in members[:11]))
    over = played(group, asked(HOST, End(visit="vis_group")))
    again = played(over, *(asked(who, Rejoin(visit="vis_group")) for who in members[:11]))
    counted = busy_room(Policy(show_position=True))
    first = client(0, "vis_0")
    return [
        Case("check_in", room, asked(free, CHECK_IN)),
        Case("check_in again", room, asked(some, CHECK_IN)),
        Case("step_away", room, asked(some, StepAway())),
        Case("come_back", played(room, asked(some, StepAway())), asked(some, ComeBack())),
        Case("leave", room, asked(some, Leave())),
        Case("acknowledge", room, asked(HOST, Acknowledge(entry=entry))),
        Case("remove", room, asked(HOST, Remove(entry=entry))),
        Case("rejoin, first", ended, asked(HOST, Rejoin(visit="vis_25"))),
        Case("withdraw", agreed, asked(HOST, Withdraw(visit="vis_25"))),
        Case("finish", ended, asked(HOST, Finish(visit="vis_25"))),
        Case("admit", group, asked(HOST, Admit(entry=late)), GROUP),
        Case(
            "return_to_waiting, group",
            group,
            asked(HOST, ReturnToWaiting(participant=members[3].participant)),
            GROUP,
        ),
        Case("media.state", live, asked(some, MediaState(camera=False))),
        Case("media.mode", live, asked(some, MediaMode(mode="audio", reason="bandwidth"))),
        Case("media comes or goes", live, MediaChanged("vis_25", some.participant, "media_down", NOW, "node")),
        Case("a connection drops", room, Disconnected(f"con_{some.participant}")),
        Case("an alarm with nothing due", room, DeadlinePassed()),
        Case("start", room, asked(HOST, Start(appointment="apt_25"))),
        Case("end", live, asked(HOST, End(visit="vis_25"))),
        Case("rejoin, second", agreed, asked(some, Rejoin(visit="vis_25"))),
        Case("start, group of 11", eleven, asked(HOST, Start(appointment="apt_group")), ELEVEN),
        Case("end, group of 11", group, asked(HOST, End(visit="vis_group")), GROUP),
        Case("rejoin, group of 11", again, asked(HOST, Rejoin(visit="vis_group")), GROUP),
        Case("leave, group of 11", group, asked(members[3], Leave())),
        Case("check_in, places shown", counted, asked(free, CHECK_IN)),
        Case("first leaves, places shown", counted, asked(first, Leave())),
        Case("set_status, places shown", counted, asked(HOST, SetStatus(status="late", minutes=10))),
        Case(
            "a connection comes back",
            played(room, Disconnected(f"con_{some.participant}")),
            Connected(some, f"con_{some.participant}", "phone", "node"),
        ),
        Case("set_status", room, asked(HOST, SetStatus(status="late", minutes=10))),
    ]


class _Mark(Struct, frozen=True):
    name: str
    at: int = 0
    ahead: int | None = None


_MARKS: Final = {f"par_{n}": _Mark(f"par_{n}", n) for n in range(WAITING)}
YARDSTICK: Final = 3.45
"""Microseconds that the yardstick takes on the machine of docs/benchmarks.md: the budgets are for that machine."""


def yardstick() -> None:
    """Do what decisions are made of: calls, attributes, a copied mapping, a replaced value, a list."""
    marks = dict(_MARKS)
    for at, who in enumerate(("par_3", "par_14", "par_15", "par_26", "par_35")):
        marks[who] = _moved(marks[who], at)
    told = [mark.name for mark in marks.values() if mark.ahead is None]
    sum(marks[who].at for who in told[:20])


def _moved(mark: _Mark, at: int) -> _Mark:
    return replace(mark, at=at) if mark.at != at else mark


def microseconds(case: Case, least: int, most: int) -> tuple[float, float, float]:
    """Return what one decision of `case` takes on the machine of the budgets: (to decide, to tell); and to decide here.

    Measures `least` rounds, and up to `most` while the budget seems exceeded: a busy machine needs longer until both
    the decision and the yardstick were left in peace for once.
    """
    now = NOW + MINUTE
    room, event, best, whole, measure = case.room, case.event, float("inf"), float("inf"), float("inf")
    took = 0.0
    for done in range(1, most + 1):
        began = time.thread_time()
        for _ in range(TIMES):
            yardstick()
        between = time.thread_time()
        for _ in range(TIMES):
            handle(room, event, now=now)
        decided = time.thread_time()
        for _ in range(TIMES):
            handle(room, event, now=now).entries  # noqa: B018 - reading them makes them
        whole = min(whole, time.thread_time() - decided)
        best = min(best, decided - between)
        measure = min(measure, between - began)
        took = best / measure * YARDSTICK
        if done >= least and took <= case.budget:
            break
    return took, max(0.0, whole - best) / measure * YARDSTICK, best / TIMES * 1e6


def main(arguments: Sequence[str], measured: Sequence[Case] | None = None) -> int:
    """Print a table of all cases, or of those `measured`; return 1 if a request takes longer than it may."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_core", description=__doc__)
    parser.add_argument("--least", type=int, default=40, help="rounds of each case")
    parser.add_argument("--most", type=int, default=400, help="rounds of a case that seems over its budget")
    parser.add_argument("--slack", type=float, default=0.0, help="by what part a budget may be exceeded")
    options = parser.parse_args(arguments)
    over = 0
    print(f"{f'µs, with {WAITING} waiting':<28} {'decide':>7} {'budget':>7} {'tell':>7} {'both':>7} {'here':>7}")
    for case in measured if measured is not None else cases():
        case = replace(case, budget=case.budget * (1 + options.slack))  # noqa: PLW2901 - the same case, judged mildly
        decide, tell, here = microseconds(case, options.least, options.most)
        over += decide > case.budget
        told = f"{case.name:<28} {decide:>7.1f} {case.budget:>7.0f} {tell:>7.1f} {decide + tell:>7.1f} {here:>7.1f}"
        print(told + ("" if decide <= case.budget else "  OVER"), flush=True)
    print("all within budget" if not over else f"{over} over budget")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
