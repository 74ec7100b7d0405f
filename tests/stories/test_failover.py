"""A primary is killed during a visit, under sentinels and in a cluster: the visit goes on, and so does the node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from loadtests.participants import Participant, Told
from server.redis_link.keys import room_keys
from server.registry.names import room_id
from tests.server.store.six import Six
from tests.server.store.trio import Trio
from tests.stories.conftest import Day, day_at
from tests.stories.service import Service
from tests.stories.test_end_and_rejoin import in_session
from tests.stories.test_hand_off import record_of
from tests.stories.worlds import alive

READY = 20.0
"""Seconds after which a node must be ready again (SAFETY.md R2)."""


@pytest.fixture(params=[Trio, Six])
def servers(request: pytest.FixtureRequest) -> Iterator[Trio | Six]:
    servers: Trio | Six = request.param()
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
async def own(servers: Trio | Six, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("failover")
    service = Service(folder / "var", environment={"CARELOBBY_REDIS_URL": servers.url})
    async with alive(service):
        yield service


@pytest.fixture
async def day(own: Service) -> AsyncIterator[Day]:
    async for made in day_at(own):
        yield made


async def insists(person: Participant, what: str, **fields: object) -> None:
    """Ask until it is done: what comes while nobody is the primary may be refused, for a while."""
    async with asyncio.timeout(READY):
        while True:
            try:
                await person.ask(what, **fields)
            except Told as told:
                assert told.error["temporary"], told.code
                await asyncio.sleep(0.2)
            else:
                return


async def test_a_visit_goes_on_over_a_failover_and_is_recorded_once(
    servers: Trio | Six, own: Service, day: Day
) -> None:
    booked, provider, client = await in_session(day)
    process = own.process
    assert process is not None
    room = room_id(day.ehr.practice, day.provider)

    servers.at(room_keys(room).room).kill()
    begun = time.monotonic()
    await client.ask("end", visit=booked.visit)
    for person in (client, provider):
        ended = await person.hear("visit.ended")
        assert ended["by"] == "client"
        if "pending" in ended:
            assert "pending" not in await person.hear("visit.ended")
    assert time.monotonic() - begun < READY
    while await own.ready() != 200:
        assert time.monotonic() - begun < READY
        await asyncio.sleep(0.1)

    for person in (client, provider):
        await insists(person, "rejoin", visit=booked.visit)
    assert (await client.hear("visit.resumed"))["segment"] == 2
    await insists(provider, "end", visit=booked.visit)
    await insists(provider, "finish", visit=booked.visit)
    facts = (await record_of(day, booked.visit))["facts"]
    assert [segment["by"] for segment in facts["segments"]] == ["client", "provider"]
    assert [record["visit"] for record in await day.records()].count(booked.visit) == 1
    assert process.poll() is None
