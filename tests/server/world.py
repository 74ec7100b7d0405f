"""A registry over stores of a few lines, with rooms that the heart itself decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette

from server.ports import StoreAway
from server.ports.documents import Changed, Document
from server.ports.outbox import Owed
from server.registry import Registry
from server.registry.appointments import Plan
from server.registry.documents import Member, Provider
from server.web.problems import HANDLERS
from server.web.routes import routes
from server.web.services import Services
from signaling.effects import AppointmentClosed, HandOff
from signaling.errors import NotFound
from signaling.events import Configured, Fact, Opened, Rescheduled
from signaling.policy import HOUR, MINUTE, Policy, PracticeInfo
from signaling.room import handle, new_room
from signaling.state import Room

NOW = 1_800_000_000_000
OPERATOR_KEY = "op_for-tests"
URL = "http://localhost:8000"
DAY = 24 * HOUR


@dataclass
class World:
    """Time, stores, rooms, and the registry over them."""

    now: int = NOW
    away: bool = False
    """The store does not answer."""
    answers: int | None = None
    """After so many answers more it goes away."""
    documents: dict[tuple[str, str], dict[str, Document]] = field(default_factory=dict)
    outbox: list[Owed] = field(default_factory=list)
    agenda: dict[str, int] = field(default_factory=dict)
    secrets: dict[tuple[str, str], tuple[bytes, int | None]] = field(default_factory=dict)
    counts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    facts: list[tuple[str, Fact]] = field(default_factory=list)
    closed_rooms: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    static: Path = Path("static")

    def __post_init__(self) -> None:
        self.rooms_door = Rooms(self)
        self.registry = Registry.over(
            documents=Documents(self),
            secrets=Secrets(self),
            rooms=self.rooms_door,
            room_store=Store(self),  # type: ignore[arg-type]  # deleting is all that the registry does with it
            clock=lambda: self.now,
            close_room=self.close_room,
        )

    def close_room(self, room: str) -> None:
        self.closed_rooms.append(room)

    def answer(self) -> None:
        if self.answers is not None:
            self.away = self.answers <= 0
            self.answers -= 1
        if self.away:
            raise StoreAway

    def trail(self) -> list[tuple[str, str]]:
        """Who did what, so far."""
        return [(one.data["by"], one.data["action"]) for one in self.outbox]

    async def practice(self, id: str = "elm", **policy: Any) -> str:
        """Make a practice and return its API key."""
        info = PracticeInfo(id=id, name=f"Practice {id}", help="Call 1")
        key = await self.registry.practices.put(Policy(practice=info, **policy), by="operator")
        assert key is not None
        return key

    async def provider(self, id: str = "amy", practice: str = "elm") -> Provider:
        provider = Provider(id=id, name=f"Dr. {id}", licences=("CO",))
        await self.registry.providers.put(practice, provider, by="key")
        return provider

    async def asked(
        self,
        method: str,
        path: str,
        *,
        client: str = "127.0.0.1",
        cookies: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Ask the API as a program at `client` would."""
        app = Starlette(routes=routes(self.services()), exception_handlers=HANDLERS)
        transport = httpx.ASGITransport(app=app, client=(client, 40000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=URL, cookies=dict(cookies or {})) as browser:
            return await browser.request(method, path, **options)

    def services(self, **changes: Any) -> Services:
        given: dict[str, Any] = {
            "registry": self.registry,
            "rooms": self.rooms_door,
            "ledger": Ledger(self),
            "clock": lambda: self.now,
            "public_url": URL,
            "origins": frozenset({URL}),
            "operator_key": OPERATOR_KEY,
            "static": self.static,
            "ready": ready,
            "metrics": metrics,
        }
        return Services(**(given | changes))


def plan(*clients: str, provider: str = "amy", start: int = NOW, minutes: int = 50) -> Plan:
    """What the EHR says of an appointment."""
    return Plan(
        providers=(provider,),
        clients=tuple(Member(id=id, name=f"Client {id}") for id in clients or ("ann",)),
        start=start,
        end=start + minutes * MINUTE,
        group=len(clients) > 1,
    )


@dataclass
class Documents:
    world: World

    async def get(self, place: str, kind: str, id: str) -> Document | None:
        self.world.answer()
        return self.world.documents.get((place, kind), {}).get(id)

    async def put(
        self,
        place: str,
        kind: str,
        id: str,
        value: bytes,
        *,
        expected: int | None = None,
        outbox: Sequence[bytes] = (),
    ) -> int:
        self.world.answer()
        shelf = self.world.documents.setdefault((place, kind), {})
        version = shelf[id].version if id in shelf else 0
        if expected is not None and expected != version:
            raise Changed
        shelf[id] = Document(version=version + 1, value=value)
        self.world.outbox += [msgspec.msgpack.decode(one, type=Owed) for one in outbox]
        return version + 1

    async def delete(self, place: str, kind: str, id: str, *, outbox: Sequence[bytes] = ()) -> bool:
        self.world.answer()
        self.world.outbox += [msgspec.msgpack.decode(one, type=Owed) for one in outbox]
        return self.world.documents.get((place, kind), {}).pop(id, None) is not None

    async def all(self, place: str, kind: str) -> Mapping[str, Document]:
        self.world.answer()
        return dict(self.world.documents.get((place, kind), {}))

    async def schedule(self, place: str, what: str, at: int | None) -> None:
        self.world.answer()
        if at is None:
            self.world.agenda.pop(what, None)
        else:
            self.world.agenda[what] = at

    async def scheduled(self, now: int, limit: int = 100) -> Sequence[str]:
        self.world.answer()
        return [what for what, at in self.world.agenda.items() if at <= now][:limit]


@dataclass
class Secrets:
    world: World

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        self.world.answer()
        self.world.secrets[kind, hash] = (value, None if ttl is None else self.world.now + ttl)

    async def get(self, kind: str, hash: str) -> bytes | None:
        self.world.answer()
        value, until = self.world.secrets.get((kind, hash), (None, None))
        return None if until is not None and until <= self.world.now else value

    async def take(self, kind: str, hash: str) -> bytes | None:
        value = await self.get(kind, hash)
        await self.delete(kind, hash)
        return value

    async def delete(self, kind: str, hash: str) -> None:
        self.world.answer()
        self.world.secrets.pop((kind, hash), None)

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        self.world.answer()
        value = await self.get(kind, hash)
        if value is None:
            return False
        await self.put(kind, hash, value, ttl)
        return True

    async def count(self, kind: str, hash: str, window: int) -> int:
        self.world.answer()
        count, until = self.world.counts.get((kind, hash), (0, 0))
        if until <= self.world.now:
            count, until = 0, self.world.now + window
        self.world.counts[kind, hash] = (count + 1, until)
        return count + 1


@dataclass
class Rooms:
    """The door into rooms, without races: decide, keep."""

    world: World

    async def fact(self, room: str, fact: Fact) -> None:
        self.world.answer()
        self.world.facts.append((room, fact))
        now = self.world.rooms.get(room)
        if now is None:
            match fact:
                case Configured(host, policy):
                    now = new_room(room, policy.practice.id, host, "ep", policy)
                case Opened(appointment, policy) | Rescheduled(appointment, policy):
                    now = new_room(room, policy.practice.id, appointment.providers[0], "ep", policy)
                case _:
                    raise NotFound
        step = handle(now, fact, now=self.world.now)
        self.world.rooms[room] = step.room
        for entry in step.entries:
            match entry:
                case AppointmentClosed(appointment, outcome):
                    value = msgspec.msgpack.encode({"outcome": outcome, "at": self.world.now})
                    self.world.documents.setdefault((room, "closed"), {})[appointment] = Document(1, value)
                case HandOff(record):
                    self.world.records.append(msgspec.to_builtins(record))

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        self.world.answer()
        return self.world.rooms.get(room)

    async def ask(self, room: str, by: Any, connection: str, request: Any) -> Any:
        raise AssertionError("the registry asks no room for anything")


@dataclass
class Store:
    world: World

    async def delete(self, room: str) -> None:
        self.world.answer()
        self.world.rooms.pop(room, None)


@dataclass
class Ledger:
    world: World

    async def records_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        page = self.world.records[cursor : cursor + limit]
        return page, cursor + len(page)

    async def record(self, practice: str, visit: str) -> dict[str, Any] | None:
        return next((one for one in reversed(self.world.records) if one["visit"] == visit), None)

    async def audit_after(self, practice: str, cursor: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        page = [one.data for one in self.world.outbox[cursor : cursor + limit]]
        return page, cursor + len(page)

    async def deliveries(self, practice: str, webhook: str, limit: int) -> list[dict[str, Any]]:
        return [{"id": "dlv_1", "webhook": webhook}][:limit]

    async def redeliver(self, practice: str, webhook: str, delivery_id: str) -> bool:
        return delivery_id == "dlv_1"


async def ready() -> str | None:
    return None


async def metrics() -> bytes:
    return b"# metrics\n"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
