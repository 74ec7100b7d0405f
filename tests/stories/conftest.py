"""The worlds that every story takes place in, and a practice of its own for each."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from loadtests.ehr import Booked, Ehr
from loadtests.participants import Participant
from tests.stories.service import Service
from tests.stories.worlds import Balancer, World, one_node, two_nodes, two_workers

WORLDS = {"one_node": one_node, "two_nodes": two_nodes, "two_workers": two_workers}
at_workers_too = pytest.mark.parametrize("world", list(WORLDS), indirect=True)
"""For stories that are worth a third world."""
at_two_nodes = pytest.mark.parametrize("world", ["two_nodes"], indirect=True)
"""For stories that need another node to go to."""


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["one_node", "two_nodes"])
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


@dataclass
class Day:
    """A practice's day: one provider, appointments, and people who connect, each at the next node."""

    world: World
    ehr: Ehr
    provider: str
    places: dict[Participant, int] = field(default_factory=dict)
    """Everybody who connected, with the number of their node."""
    turns: itertools.count[int] = field(default_factory=itertools.count)

    async def book(self, *clients: str, group: bool = False, **changes: object) -> Booked:
        return await self.ehr.book(f"apt-{secrets.token_hex(4)}", self.provider, list(clients), group=group, **changes)

    async def provider_in(self, device: str = "laptop", **options: Any) -> Participant:
        person = self.person(device, **options)
        await person.join(await self.ehr.provider_ticket(self.provider))
        return person

    async def client_in(
        self, booked: Booked, client: str | None = None, device: str = "phone", *, takeover: bool = False
    ) -> Participant:
        token = booked.tokens[client] if client else next(iter(booked.tokens.values()))
        person = self.person(device)
        await person.join(await self.ehr.client_ticket(token), takeover=takeover)
        return person

    async def walk_in(self, name: str) -> Participant:
        person = self.person("phone")
        await person.join(await self.ehr.knock(self.provider, name))
        return person

    def person(self, device: str, *, node: int | None = None, **options: Any) -> Participant:
        """Somebody who is about to connect: at that node, else at whichever has its turn."""
        number = next(self.turns) if node is None else node
        return self._at(number % len(self.world.nodes), device, **options)

    def elsewhere(self, before: Participant, device: str = "phone", **options: Any) -> Participant:
        """Somebody who is about to come back: at another node than before, where there is one."""
        return self._at((self.places[before] + 1) % len(self.world.nodes), device, **options)

    def node_of(self, person: Participant) -> Service:
        return self.world.nodes[self.places[person]]

    def _at(self, number: int, device: str, **options: Any) -> Participant:
        url = self.world.nodes[number].url
        person = Participant(url, origin=self.world.public, device=device, **options)
        self.places[person] = number
        return person

    async def records(self) -> list[dict[str, object]]:
        answer = await self.ehr.call("GET", "/v1/records?after=0")
        return list(answer["records"])


async def day_in(world: World) -> AsyncIterator[Day]:
    practice = f"practice-{secrets.token_hex(4)}"
    async with Ehr(world.public, world.operator_key, practice, transport=Balancer(world.nodes)) as ehr:
        day = Day(world, ehr, await ehr.provider("dr-rivera", "Dr. Rivera"))
        try:
            yield day
        finally:
            await world.start()  # whatever the story has ended, for the day's end and for the next story
            for person in day.places:
                await person.close()


async def day_at(service: Service) -> AsyncIterator[Day]:
    """The day of a story that starts and ends its own service."""
    async for day in day_in(World((service,), service.url)):
        yield day


@pytest_asyncio.fixture
async def day(world: World) -> AsyncIterator[Day]:
    async for made in day_in(world):
        yield made
