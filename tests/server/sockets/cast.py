"""Three practices with two rooms each on a real service, made through its API: a canary in each thing anybody says.

`zq-3-gia-phone` is the telephone number of Gia, who comes to room 3; `zq-B-practice-help` belongs to the practice of
the rooms 3 and 4. A provider hosts one room and is co-provider of some appointments of the other one.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.stories.worlds import Balancer, World

ROOMS = (1, 2, 3, 4, 5, 6)
PRACTICE = {1: "A", 2: "A", 3: "B", 4: "B", 5: "C", 6: "C"}
NEIGHBOUR = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5}
GROUP = ("gia", "gus", "gwen")
VISITS = {"ann": ("ann",), "bob": ("bob",), "eva": ("eva",), "group": GROUP}
SHARED = ("eva", *GROUP)
"""Clients whose appointments are the co-provider's as well."""
VISIT_OF = {name: visit for visit, names in VISITS.items() for name in names}
WALK_INS = ("walt", "wilma")
NAMED = "B"
"""The practice whose groups see each other's names."""
COUNTED = "C"
"""The practice whose waiting clients are told their place in line."""


def canary(place: int | str, who: str, what: str) -> str:
    """Return the mark of what somebody of a room, or of a practice, says or is called."""
    return f"zq-{place}-{who}-{what}"


def host_id(room: int) -> str:
    """Return the id of the provider whose room it is."""
    return canary(room, "dr", "id")


@dataclass
class Booking:
    """An appointment, and who was let into its visit."""

    room: int
    visit: str
    """Which of `VISITS`."""
    id: str
    tokens: dict[str, str]
    """Of the join links, by name."""
    asked: set[str] = field(default_factory=set)
    """Who said `check_in`."""
    granted: set[str] = field(default_factory=set)
    """Who may have been let in: somebody of the provider's side asked for it while they waited, or themselves after."""
    starting: int = 0
    """Starts on their way."""
    over: bool = False

    def started(self) -> None:
        """Note that a Start was answered."""
        self.starting -= 1


class Office:
    """The EHR of a practice: it books, and gets tickets for people."""

    def __init__(self, world: World, practice: str) -> None:
        self.practice = practice
        self.id = canary(practice, "practice", "id")
        self._operator = {"Authorization": f"Bearer {world.operator_key}"}
        self._key: dict[str, str] = {}
        self._origin = {"Origin": world.public}
        self._addresses = itertools.count(1)
        self._numbers = itertools.count(1)
        self._http = httpx.AsyncClient(
            base_url=world.public, timeout=60.0, trust_env=False, transport=Balancer(world.nodes)
        )

    async def open(self) -> None:
        """Make the practice and its two providers."""
        policies = {"names_in_group": self.practice == NAMED, "show_position": self.practice == COUNTED}
        body = {
            "name": f"Practice {canary(self.practice, 'practice', 'name')}",
            "help": canary(self.practice, "practice", "help"),
            "backup": canary(self.practice, "practice", "backup"),
            "consent": {"version": "1", "text": canary(self.practice, "practice", "consent")},
            "policies": policies,
        }
        made = await self._http.put(f"/v1/practices/{self.id}", headers=self._operator, json=body)
        made.raise_for_status()
        self._key = {"Authorization": f"Bearer {made.json()['api_key']}"}
        for room in ROOMS:
            if PRACTICE[room] == self.practice:
                name = f"Dr. {canary(room, 'dr', 'name')}"
                await self._call("PUT", f"/v1/providers/{host_id(room)}", {"name": name, "licences": ["CO"]})

    async def close(self) -> None:
        await self._http.aclose()

    async def book(self, room: int, visit: str) -> Booking:
        """Make an appointment that begins now."""
        id, names = canary(room, visit, f"apt{next(self._numbers)}"), VISITS[visit]
        providers = [host_id(room)] + ([host_id(NEIGHBOUR[room])] if names[0] in SHARED else [])
        clients = [
            {
                "id": canary(room, name, "mrn"),
                "name": f"{name.title()} {canary(room, name, 'name')}",
                "payer": canary(room, name, "payer"),
            }
            for name in names
        ]
        body = {
            "providers": providers,
            "clients": clients,
            "start": int(time.time() * 1000),
            "duration_minutes": 50,
            "group": visit == "group",
        }
        made = await self._call("PUT", f"/v1/appointments/{id}", body)
        links = {client["id"]: client["join_url"].rpartition("#")[2] for client in made["clients"]}
        return Booking(room, visit, id, {name: links[canary(room, name, "mrn")] for name in names})

    async def cancel(self, booking: Booking) -> bool:
        """Cancel an appointment; tell whether it was not too late."""
        try:
            return bool((await self._call("POST", f"/v1/appointments/{booking.id}/cancel", {}))["state"] == "cancelled")
        except httpx.HTTPStatusError:
            return False

    # Of these, each returns None if there is no ticket now.

    async def client_ticket(self, token: str) -> str | None:
        return await self._ticket("/v1/join", {"token": token}, self._origin)

    async def knock(self, room: int, name: str) -> str | None:
        """Get a ticket for somebody without a link, of whom this browser knows nothing."""
        self._http.cookies.clear()
        body = {"practice": self.id, "provider": host_id(room), "display_name": named(room, name)}
        return await self._ticket("/v1/knock", body, self._origin)

    async def provider_ticket(self, provider: int, room: int) -> str | None:
        """Get a ticket for the provider of one room, to that or to another one of whatever practice."""
        return await self._ticket(f"/v1/providers/{host_id(provider)}/tickets", {"room": host_id(room)}, self._key)

    async def _ticket(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> str | None:
        # Each from an address of its own, or their number would make the service suspicious.
        number = next(self._addresses)
        forwarded = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        answer = await self._send("POST", path, body, headers | forwarded)
        # 503: where all share two processors the store may take long; then they come again.
        assert answer.status_code in (503, *range(500)), f"{path} answers with {answer.status_code}"
        return str(answer.json()["ticket"]) if answer.is_success else None

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = await self._send(method, path, body, self._key)
        answer.raise_for_status()
        return answer.json()

    async def _send(self, method: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._http.request(method, path, headers=headers, json=body)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # An idle connection was closed at that moment, which is lawful (RFC 9112, 9.5).
            return await self._http.request(method, path, headers=headers, json=body)


def named(room: int, name: str) -> str:
    """Return what somebody calls themselves; of it others of a group may read the first word."""
    return f"{name.title()}ny {canary(room, name, 'called')}"


def check_in(room: int, name: str, media: str) -> dict[str, Any]:
    """What a client says, with a canary in every free field."""
    return {
        "type": "check_in",
        "place": {"state": f"CO {canary(room, name, 'state')}", "kind": "home"},
        "consent": {"version": "1"},
        "privacy": True,
        "devices": {"camera": True, "microphone": True},
        "media": media,
        "display_name": named(room, name),
        "address": f"1 Street {canary(room, name, 'address')}",
        "phone": canary(room, name, "phone"),
    } | ({"audio_reason": "declined"} if media == "audio" else {})
