"""Three practices with two rooms each, and who comes there. Every id and every free text tells whose it is.

`par_3_gia` belongs to room 3 and to Gia, and so does `Q3gia`, which is part of everything she writes. A provider of a
practice has a room of their own and shares some appointments of the other one: `dr_2` hosts room 2 and is a
co-provider in room 1.
"""

from __future__ import annotations

from functools import cache

from msgspec.structs import replace

from server.ports.rooms import Commit
from server.web.stored_event import encode
from signaling.effects import Told
from signaling.events import Appointment, Opened
from signaling.fields import ConsentGiven, Devices, Place
from signaling.policy import HOUR, MINUTE, Consent, Policy, PracticeInfo
from signaling.requests import CheckIn
from signaling.room import deadline, handle, new_room
from signaling.snapshot import pack
from signaling.state import Person, Role, Room, Seat, Who

BEGIN = 1_800_000_000_000
"""When every history begins, in ms."""
START = BEGIN + 2 * MINUTE
"""When every appointment is scheduled."""
NUMBERS = (1, 2, 3, 4, 5, 6)
PAIRS = (("A", 1, 2), ("B", 3, 4), ("C", 5, 6))
PRACTICE = {number: name for name, *both in PAIRS for number in both}
NEIGHBOUR = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5}
SHARED = ("eva", "gia", "gus", "gwen")
"""Clients whose appointments are the co-provider's as well."""
GROUP = ("gia", "gus", "gwen")
VISITS = {"ann": ("ann",), "bob": ("bob",), "eva": ("eva",), "group": GROUP}
OWN_VISIT = {name: visit for visit, names in VISITS.items() for name in names}
CLIENTS = ("ann", "bob", "eva", *GROUP, "walt", "wilma")


def policy_of(number: int) -> Policy:
    """Return the policy of a room's practice: A hides, B shows names in groups, C shows places and sends directly."""
    name = PRACTICE[number]
    consent = Consent("1", f"Practice {name} asks you to agree.")
    info = PracticeInfo(id=f"prc_{name}", name=f"Practice {name}", help=f"Call prc_{name}", consent=consent)
    patience = {"A": 2 * HOUR, "B": 15 * MINUTE, "C": 5 * HOUR}[name]
    return Policy(
        practice=info,
        no_show_after=patience,
        names_in_group=name == "B",
        show_position=name == "C",
        media="direct" if name == "C" else "relay",
    )


def room_of(number: int) -> str:
    return f"room_{number}"


def provider(number: int) -> Person:
    """Return whoever has that room."""
    return Person(f"dr_{number}", f"Dr. dr_{number}")


def host(number: int) -> Who:
    return Who(Role.PROVIDER, f"dr_{number}", name=provider(number).name)


def co_provider(number: int) -> Who:
    """Return the co-provider of room `number`: who has the room beside it."""
    other = provider(NEIGHBOUR[number])
    return Who(Role.CO_PROVIDER, other.id, name=other.name)


def client(number: int, name: str) -> Who:
    visit = OWN_VISIT.get(name)
    return Who(
        Role.CLIENT,
        f"par_{number}_{name}",
        f"vis_{number}_{visit}" if visit else None,
        f"{name.title()} Q{number}{name}",
    )


@cache
def everybody(number: int) -> tuple[Who, ...]:
    """Return whoever may be connected to a room."""
    return (host(number), co_provider(number), *(client(number, name) for name in CLIENTS))


def seat(number: int, name: str) -> Seat:
    return Seat(f"par_{number}_{name}", client(number, name).name, client=f"mrn_{number}_{name}")


def appointment(number: int, name: str) -> Appointment:
    clients = VISITS[name]
    shared = clients[0] in SHARED
    return Appointment(
        id=f"apt_{number}_{name}",
        visit=f"vis_{number}_{name}",
        providers=(provider(number), provider(NEIGHBOUR[number])) if shared else (provider(number),),
        seats=tuple(
            Seat(f"par_{number}_{one}", client(number, one).name, client=f"mrn_{number}_{one}") for one in clients
        ),
        start=START,
        end=START + HOUR,
        group=name == "group",
    )


def check_in(number: int, name: str, media: str = "video") -> CheckIn:
    """What a client says, with a mark in every free field."""
    mark = f"Q{number}{name}"
    return CheckIn(
        place=Place(f"CO {mark}", "home"),
        consent=ConsentGiven("1"),
        privacy=True,
        devices=Devices(True, True),
        media="audio" if media == "audio" else "video",
        display_name=f"{name.title()}ny {mark}",
        address=f"1 Street {mark}",
        phone=f"555 {mark}",
    )


@cache
def opened(number: int) -> tuple[Room, tuple[Commit, ...]]:
    """Return a room whose appointments were opened, and the commits that made it."""
    policy = policy_of(number)
    room = new_room(room_of(number), policy.practice.id, provider(number), f"ep_{number}", policy)
    commits = []
    for name in VISITS:
        before, step = room.version, handle(room, Opened(appointment(number, name), policy), now=BEGIN)
        room = step.room
        told = [entry for entry in step.entries if isinstance(entry, Told)]
        commits.append(
            Commit(
                request=f"opened {name}",
                body="",
                keep=1,
                expected=before,
                snapshot=pack(room),
                events=tuple((one.message.seq, encode(one)) for one in told),
                deadline=deadline(room),
            )
        )
    return room, tuple(commits)


def moved(plan: Appointment, **changes: object) -> Appointment:
    """Return an appointment that the EHR changed."""
    return replace(plan, **changes)
