"""A node is told to stop, for a new version or a smaller night: its people go to another node, and no visit notices."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from loadtests.ehr import Booked
from loadtests.participants import Participant
from tests.stories.conftest import Day, at_two_nodes, day_in
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.test_end_and_rejoin import in_session
from tests.stories.test_hand_off import record_of
from tests.stories.worlds import two_nodes

VISITS = 20
FINITE = 15.0
"""Seconds within which a node that was told to stop has ended."""


def drain(node: Service) -> None:
    """Tell a node to stop, and do not wait for it."""
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)


async def gone(node: Service) -> float:
    """Wait until a draining node has ended, in order; return how many seconds that took."""
    begun, process = time.monotonic(), node.process
    assert process is not None
    assert await asyncio.to_thread(process.wait, FINITE) == 0
    await node.stop()
    return time.monotonic() - begun


async def goes_on(day: Day, person: Participant, device: str, when: float = 0.5) -> Participant:
    """Do as a page does when its node drains: go elsewhere in the time that it asks for, `when` (0 to 1) of it."""
    goaway = await person.hear("goaway")
    assert 0 < goaway["after"] <= 1000
    assert goaway["jitter"] > 0
    await asyncio.sleep((goaway["after"] + when * goaway["jitter"]) / 1000)  # real nodes drain in real time
    await person.close()
    again = day.elsewhere(person, device)
    assert (await again.resume(person))["recovered"] is True
    return again


@dataclass
class Going:
    """A visit that is under way, and who is in it at present."""

    booked: Booked
    provider: Participant
    client: Participant

    async def move(self, day: Day, draining: Service, when: float) -> None:
        """Let whoever is at the draining node go to the other."""
        if day.node_of(self.provider) is draining:
            self.provider = await goes_on(day, self.provider, "laptop", when)
        if day.node_of(self.client) is draining:
            self.client = await goes_on(day, self.client, "phone", when)

    async def close(self, day: Day) -> dict[str, Any]:
        """End and finish it; return its record's facts."""
        assert not self.client.heard("visit.ended")
        await self.client.ask("end", visit=self.booked.visit)
        await self.provider.hear("visit.ended")
        await self.provider.ask("finish", visit=self.booked.visit)
        return dict((await record_of(day, self.booked.visit))["facts"])


async def going(day: Day, number: int) -> Going:
    """Bring a client of one of many providers into a session; every second provider is at the other node."""
    doctor = await day.ehr.provider(f"dr-{number}")
    booked = await day.ehr.book(f"apt-{number}", doctor, [f"client-{number}"])
    provider, client = day.person("laptop", node=number), day.person("phone", node=number + 1)
    await provider.join(await day.ehr.provider_ticket(doctor))
    await client.join(await day.ehr.client_ticket(booked.tokens[f"client-{number}"]))
    await client.check_in()
    await provider.ask("start", appointment=booked.id)
    await client.hear("visit.started")
    return Going(booked, provider, client)


async def test_a_draining_node_says_goodbye_and_takes_nobody_in(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))
    node = day.node_of(client)
    ticket = await day.ehr.client_ticket(next(iter((await day.book("ben")).tokens.values())))

    drain(node)
    goaway = await client.hear("goaway")
    async with httpx.AsyncClient(base_url=node.url) as balancer:
        ready, alive = await balancer.get("/readyz"), await balancer.get("/healthz")
    with pytest.raises(InvalidStatus) as refusal:
        await day.person("phone", node=day.places[client]).join(ticket)

    assert (ready.status_code, ready.json()["reason"], alive.status_code) == (503, "draining", 200)
    assert refusal.value.response.status_code == 503
    assert 0 < goaway["after"] <= 1000 and goaway["jitter"] > 0
    assert await client.closing() == 4001
    assert await gone(node) < FINITE


@at_two_nodes
@pytest.mark.parametrize("side", ["client", "provider"])
async def test_a_visit_goes_on_while_one_of_its_people_is_sent_to_the_other_node(day: Day, side: str) -> None:
    booked, provider, client = await in_session(day)
    leaving, device, staying = {"client": (client, "phone", provider), "provider": (provider, "laptop", client)}[side]
    node = day.node_of(leaving)

    drain(node)
    again = await goes_on(day, leaving, device)
    assert await gone(node) < FINITE
    seen = (await staying.ask("sync"))["participants" if side == "provider" else "visits"]

    people = seen if side == "provider" else seen[0]["participants"]
    assert [one["presence"] for one in people] == ["connected", "connected"]
    assert not staying.heard("goaway")
    assert not staying.heard("visit.ended")
    await again.ask("end", visit=booked.visit)
    assert (await staying.hear("visit.ended"))["by"] == side


@pytest_asyncio.fixture
async def carried(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Day]:
    """A day at two nodes of which the provider's, who comes first, carries the media, or the client's."""
    async with two_nodes(
        tmp_path, capacities=(100, 0) if request.getfixturevalue("side") == "provider" else (0, 100)
    ) as world:
        async for day in day_in(world):
            yield day


@pytest.mark.parametrize("side", ["client", "provider"])
async def test_picture_and_sound_go_on_at_the_other_node(carried: Day, side: str) -> None:
    day = carried
    booked, provider, client = await in_session(day)
    async with MediaPeer(provider) as one, MediaPeer(client) as other:
        for peer in (one, other):
            await peer.connect()
        await until(lambda: one.frames["video"] > 5 and other.frames["video"] > 5)
        leaving, device = (provider, "laptop") if side == "provider" else (client, "phone")
        node = day.node_of(leaving)

        drain(node)
        again = await goes_on(day, leaving, device)
        assert await gone(node) < FINITE
        doctor, ana = (again, client) if side == "provider" else (provider, again)
        for person, peer in ((doctor, one), (ana, other)):
            assert (await person.hear("media.replace"))["peer"] == peer.name
    async with MediaPeer(doctor) as one, MediaPeer(ana) as other:
        for peer in (one, other):
            await peer.connect()
        await until(lambda: one.frames["video"] > 5 and other.frames["video"] > 5)

    assert not doctor.heard("visit.ended")
    assert not ana.heard("visit.ended")
    await ana.ask("end", visit=booked.visit)
    await doctor.hear("visit.ended")


@at_two_nodes
async def test_a_waiting_client_keeps_the_place_and_the_provider_is_not_told_again(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    entry = (await provider.hear("queue.entered"))["entry"]
    await provider.hear("client.ready")
    node = day.node_of(client)

    drain(node)
    again = await goes_on(day, client, "phone")
    assert await gone(node) < FINITE
    (shown,) = (await provider.ask("sync"))["waiting"]

    assert (shown["id"], shown["since"], shown["away"]) == (entry["id"], entry["since"], False)
    assert not provider.heard("client.ready")
    await provider.ask("start", appointment=booked.id)
    await again.hear("visit.started")


@at_two_nodes
async def test_a_rolling_restart_loses_no_visit_and_doubles_none(day: Day) -> None:
    visits = await asyncio.gather(*(going(day, number) for number in range(VISITS)))

    for node in day.world.nodes:
        drain(node)
        await asyncio.gather(*(one.move(day, node, number / VISITS) for number, one in enumerate(visits)))
        assert await gone(node) < FINITE
        await node.start()
    facts = await asyncio.gather(*(one.close(day) for one in visits))

    assert [len(each["segments"]) for each in facts] == [1] * VISITS
    assert {client["outcome"] for each in facts for client in each["clients"]} == {"attended"}
    assert sorted(record["visit"] for record in await day.records()) == sorted(one.booked.visit for one in visits)
