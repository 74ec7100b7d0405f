"""A running service for all stories, and a practice of its own for each."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from loadtests.ehr import Booked, Ehr
from loadtests.participants import Participant
from tests.stories.service import Service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    running = Service(tmp_path_factory.mktemp("service") / "var")
    await running.start()
    yield running
    log = running.log()
    await running.stop()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


@dataclass
class Day:
    """A practice's day: one provider, appointments, and people who connect."""

    ehr: Ehr
    provider: str
    people: list[Participant]

    async def book(self, *clients: str, group: bool = False, **changes: object) -> Booked:
        return await self.ehr.book(f"apt-{secrets.token_hex(4)}", self.provider, list(clients), group=group, **changes)

    async def provider_in(self, device: str = "laptop", **options: bool) -> Participant:
        person = Participant(self.ehr.url, device=device, **options)
        self.people.append(person)
        await person.join(await self.ehr.provider_ticket(self.provider))
        return person

    async def client_in(
        self, booked: Booked, client: str | None = None, device: str = "phone", *, takeover: bool = False
    ) -> Participant:
        token = booked.tokens[client] if client else next(iter(booked.tokens.values()))
        person = Participant(self.ehr.url, device=device)
        self.people.append(person)
        await person.join(await self.ehr.client_ticket(token), takeover=takeover)
        return person

    def person(self, device: str) -> Participant:
        person = Participant(self.ehr.url, device=device)
        self.people.append(person)
        return person

    async def walk_in(self, name: str) -> Participant:
        person = Participant(self.ehr.url, device="phone")
        self.people.append(person)
        await person.join(await self.ehr.knock(self.provider, name))
        return person

    async def records(self) -> list[dict[str, object]]:
        answer = await self.ehr.call("GET", "/v1/records?after=0")
        return list(answer["records"])


async def day_at(service: Service) -> AsyncIterator[Day]:
    async with Ehr(service.url, service.operator_key, f"practice-{secrets.token_hex(4)}") as ehr:
        day = Day(ehr, await ehr.provider("dr-rivera", "Dr. Rivera"), [])
        try:
            yield day
        finally:
            for person in day.people:
                await person.close()


@pytest_asyncio.fixture
async def day(service: Service) -> AsyncIterator[Day]:
    async for made in day_at(service):
        yield made
