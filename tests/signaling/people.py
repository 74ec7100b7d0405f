"""Who plays in the stories, and what their practice scheduled. Every name is a canary: it must not travel too far."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.events import Appointment
from signaling.fields import ConsentGiven, Devices, Place
from signaling.policy import HOUR, MINUTE, Consent, Policy, PracticeInfo
from signaling.requests import CheckIn
from signaling.state import Person, Role, Seat, Who

START = HOUR
"""When every appointment of the stories begins, in ms. They open at 0."""
CONSENT = Consent("2024-1", "You agree to be seen by video.")
POLICY = Policy(practice=PracticeInfo(id="pr_1", name="Harbour Clinic", help="+1 555 0100", consent=CONSENT))

HOST = Who(Role.PROVIDER, "dr_host", name="Dr. Hana Host")
CO = Who(Role.CO_PROVIDER, "dr_co", name="Dr. Cora Co")
ANN = Who(Role.CLIENT, "par_ann", "vis_ann", "Ann Canary-Ahlberg")
BOB = Who(Role.CLIENT, "par_bob", "vis_bob", "Bob Canary-Brecht")
EVA = Who(Role.CLIENT, "par_eva", "vis_eva", "Eva Canary-Eriksen")
"""Ann and Bob are seen by the host alone, each by appointment; Eva by host and co-provider."""
GIA = Who(Role.CLIENT, "par_gia", "vis_group", "Gia Canary-Grant")
GUS = Who(Role.CLIENT, "par_gus", "vis_group", "Gus Canary-Greene")
GWEN = Who(Role.CLIENT, "par_gwen", "vis_group", "Gwen Canary-Gould")
WALT = Who(Role.CLIENT, "par_walt", None, "Walt Canary-Woods")
WILMA = Who(Role.CLIENT, "par_wilma", None, "Wilma Canary-Wirth")
"""Walked in: a typed name, no appointment."""
GUEST = Who(Role.GUEST, "par_guest")

CLIENTS = (ANN, BOB, EVA, GIA, GUS, GWEN, WALT, WILMA)
EVERYBODY = (HOST, CO, *CLIENTS)

CHECK_IN = CheckIn(
    place=Place("CO", "home"),
    consent=ConsentGiven(CONSENT.version),
    privacy=True,
    devices=Devices(True, True),
    media="video",
)


def person(who: Who) -> Person:
    """A provider as an appointment names them."""
    return Person(who.participant, who.name)


def seat(who: Who, **fields: str) -> Seat:
    """A client's empty seat."""
    return replace(Seat(who.participant, who.name, client=f"mrn-{who.participant}"), **fields)


def appointment(name: str, *clients: Who, providers: tuple[Who, ...] = (HOST,), group: bool = False) -> Appointment:
    """What the EHR scheduled: an hour from `START`."""
    return Appointment(
        id=f"apt_{name}",
        visit=f"vis_{name}",
        providers=tuple(person(who) for who in providers),
        seats=tuple(seat(who) for who in clients),
        start=START,
        end=START + HOUR,
        group=group,
    )


ANNS = appointment("ann", ANN)
BOBS = appointment("bob", BOB)
EVAS = appointment("eva", EVA, providers=(HOST, CO))
GROUP = appointment("group", GIA, GUS, GWEN, providers=(HOST, CO), group=True)
APPOINTMENTS = (ANNS, BOBS, EVAS, GROUP)

SOON = START + MINUTE
"""A minute after the scheduled start."""
