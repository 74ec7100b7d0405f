"""The demo practice: two providers and a day's appointments, made by the same functions that serve an EHR.

What was made up at random (passwords, the API key, appointments' ids) is agreed upon in the store, so that all
nodes show the same, and kept in the data directory, so that a restart does too, even over an empty store.
"""

from __future__ import annotations

import asyncio
import os
import secrets as chance
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server.ports.documents import Changed
from server.registry import Registry
from server.registry.appointments import Found, Plan
from server.registry.documents import Member, Provider
from server.registry.keys import SCOPES
from signaling.policy import HOUR, MINUTE, Consent, Policy, PracticeInfo
from signaling.proposals import NO_FEE
from signaling.state import Phase, Stand

PRACTICE: Final = "demo"
BY: Final = "demo"
FILE: Final = "demo.json"
LASTS: Final = 60 * MINUTE

CONSENT: Final = """\
Telehealth means that you meet your provider by video, or by audio alone, over the internet. It is voluntary: you may \
stop at any time and ask for a visit in person instead, and that will not affect your care.

Your visit is encrypted and is not recorded. No technology is without risk: the connection may fail, and somebody near \
you may overhear. Please be in a private place, and tell your provider if somebody else is with you.

Your provider is licensed in certain states, so please say truthfully where you are. Telehealth is not for \
emergencies: in an emergency call 911, or 988 for the Suicide and Crisis Lifeline.

By going on you agree to be treated by telehealth."""

POLICY: Final = Policy(
    practice=PracticeInfo(
        id=PRACTICE,
        name="Cedar Hill Counseling (demo)",
        help="Call the front desk: (303) 555-0142",
        backup="Telephone visit: (303) 555-0143",
        time_zone="America/Denver",
        consent=Consent(version="1", text=CONSENT),
    ),
    # Whoever tries this out comes and goes; nothing is to be a no-show before the day is over.
    no_show_after=12 * HOUR,
    waiting_limit=12 * HOUR,
)

PROVIDERS: Final = (
    Provider(id="avery", name="Dr. Avery Quinn", licences=("CO", "NM", "WY")),
    Provider(id="jordan", name="Jordan Blake, LCSW", licences=("CO", "UT")),
)


class Slot(Struct, frozen=True):
    """An appointment that the demo always has."""

    provider: str
    clients: tuple[Member, ...]
    group: bool = False


SLOTS: Final = (
    Slot("avery", (Member(id="c-riley", name="Riley Morgan", payer="Medicare", service_code="90834"),)),
    Slot("avery", (Member(id="c-sam", name="Sam Okafor", payer="Aetna", service_code="90837"),)),
    Slot("jordan", (Member(id="c-dana", name="Dana Whitfield", payer="Cigna", service_code="90834"),)),
    Slot("jordan", (Member(id="c-lee", name="Lee Nakamura", payer="Medicaid", service_code="90832"),)),
    Slot(
        "avery",
        (
            Member(id="c-ana", name="Ana Ruiz", payer="Aetna", service_code="90853"),
            Member(id="c-ben", name="Ben Carter", payer="Medicare", service_code="90853"),
            Member(id="c-chloe", name="Chloe Dubois", payer=None, service_code=NO_FEE),
        ),
        group=True,
    ),
)


class Booked(Struct, frozen=True):
    """Which appointment fills a slot now."""

    id: str
    start: int


class Memo(Struct, frozen=True):
    """What was made up at random."""

    kind: ClassVar[str] = "demo"
    api_key: str
    passwords: dict[str, str]
    """By provider."""
    booked: tuple[Booked | None, ...] = (None,) * len(SLOTS)
    """By slot."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo as it stands, to be printed."""

    memo: Memo
    operator_key: str
    appointments: tuple[Found, ...]

    def as_json(self, url: str) -> dict[str, Any]:
        """Return PROTOCOL.md's object for `--print-json`."""
        return {
            "url": url,
            "api_key": self.memo.api_key,
            "operator_key": self.operator_key,
            "practice": PRACTICE,
            "providers": [
                {
                    "id": provider.id,
                    "name": provider.name,
                    "sign_in": {"username": username(provider.id), "password": self.memo.passwords[provider.id]},
                }
                for provider in PROVIDERS
            ],
            "appointments": [
                {
                    "id": found.appointment.id,
                    "provider": found.appointment.providers[0],
                    "clients": [
                        {"id": client.id, "name": client.name, "join_url": f"{url}/join#{client.token}"}
                        for client in found.appointment.clients
                    ],
                    "group": found.appointment.group,
                }
                for found in self.appointments
            ],
        }

    def as_text(self, url: str) -> str:
        """Return what a person at the terminal needs."""
        lines = [f"{POLICY.practice.name}", "", f"Provider's page: {url}/provider"]
        for provider in PROVIDERS:
            login = f"{username(provider.id)}  {self.memo.passwords[provider.id]}"
            lines.append(f"  {provider.name:<20} {login}")
        lines += ["", "Clients' links:"]
        names = {provider.id: provider.name for provider in PROVIDERS}
        for found in self.appointments:
            with_whom = names[found.appointment.providers[0]] + (", group" if found.appointment.group else "")
            for client in found.appointment.clients:
                lines.append(f"  {client.name:<16} (with {with_whom})")
                lines.append(f"    {url}/join#{client.token}")
        lines += ["", "Without a link:", f"  {url}/p/{PRACTICE}/telehealth"]
        lines += ["", "API key:", f"  {self.memo.api_key}", ""]
        return "\n".join(lines)


def username(provider: str) -> str:
    """Return a demo provider's username."""
    return f"{provider}@demo"


async def prepare(registry: Registry, data_dir: Path, *, operator_key: str) -> Demo:
    """Make what is missing of the demo practice, and replace appointments that are closed or past.

    Any number of nodes may do it at once: they agree on one memo and then make the same things of it.
    """
    file = data_dir / FILE
    memo = await _agree(registry, await asyncio.to_thread(_recall, file))
    await asyncio.to_thread(_remember, file, memo)

    if await registry.practices.get(PRACTICE) is None:
        # The key is the memo's, not one that is made for us.
        await registry.keys.add(PRACTICE, by=BY, token=memo.api_key)
        await registry.practices.put(POLICY, by=BY)
    elif (known := await registry.keys.find(memo.api_key)) is None or known.scopes != SCOPES:
        await registry.keys.add(PRACTICE, by=BY, token=memo.api_key)
    for provider in PROVIDERS:
        if await registry.providers.get(PRACTICE, provider.id) is None:
            await registry.providers.put(PRACTICE, provider, by=BY)
        # Set only if it is not right already: a new password would end the sign-ins from before the restart.
        name, password = username(provider.id), memo.passwords[provider.id]
        if await registry.accounts.check(name, password) is None:
            await registry.accounts.put(PRACTICE, provider.id, name, password, by=BY)

    appointments = []
    for slot, booked in zip(SLOTS, memo.booked, strict=True):
        assert booked is not None, "an agreed memo has an appointment for every slot"
        found = await registry.appointments.get(PRACTICE, booked.id)
        if found is None:
            plan = Plan((slot.provider,), slot.clients, booked.start, booked.start + LASTS, slot.group)
            found, _ = await registry.appointments.put(PRACTICE, booked.id, plan, by=BY)
        appointments.append(found)
    return Demo(memo, operator_key, tuple(appointments))


async def _agree(registry: Registry, proposed: Memo) -> Memo:
    """Return the memo that all nodes hold to, with an appointment for every slot."""
    while True:
        kept, version = await registry.shelf.versioned(PRACTICE, Memo, PRACTICE)
        memo = kept or proposed
        now = registry.shelf.clock()
        booked = tuple([one if await _stands(registry, one) else _new(now) for one in memo.booked])
        memo = replace(memo, booked=booked)
        if memo == kept:
            return memo
        with suppress(Changed):
            await registry.shelf.put(PRACTICE, PRACTICE, memo, expected=version)
            return memo


def _new(now: int) -> Booked:
    return Booked(id=f"demo-{chance.token_hex(4)}", start=now)


async def _stands(registry: Registry, booked: Booked | None) -> bool:
    """Whether a slot's appointment is neither closed nor past. A past one that nobody uses is cancelled."""
    if booked is None:
        return False
    now = registry.shelf.clock()
    found = await registry.appointments.get(PRACTICE, booked.id)
    if found is None:
        return now < booked.start + LASTS
    if found.state != "open":
        return False
    if now < found.appointment.end or await _in_use(registry, found):
        return True
    await registry.appointments.cancel(PRACTICE, booked.id, by=BY)
    return False


async def _in_use(registry: Registry, found: Found) -> bool:
    room = await registry.appointments.rooms.present(found.room)
    visit = None if room is None else room.visits.get(found.appointment.visit)
    if visit is None:
        return False
    return visit.phase is not Phase.SCHEDULED or any(seat.stand is Stand.WAITING for seat in visit.seats.values())


def _recall(file: Path) -> Memo:
    """Return the memo of this data directory, or a fresh one."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        memo = msgspec.json.decode(file.read_bytes(), type=Memo)
        if set(memo.passwords) == {provider.id for provider in PROVIDERS} and len(memo.booked) == len(SLOTS):
            return memo
    return Memo(
        api_key=f"cl_{chance.token_urlsafe(32)}",
        passwords={provider.id: chance.token_urlsafe(12) for provider in PROVIDERS},
    )


def _remember(file: Path, memo: Memo) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{chance.token_hex(4)}")
    # Made readable by its owner alone before anything is in it; then put in place whole.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(memo))
    fresh.replace(file)
