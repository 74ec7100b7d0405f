"""A service with no room for another visit's media: nothing more starts, and those who are in it notice nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from loadtests.ehr import Booked
from loadtests.participants import Participant, Told
from tests.stories.conftest import Day, day_at
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.worlds import alive


@pytest_asyncio.fixture
async def day(tmp_path: Path) -> AsyncIterator[Day]:
    """At one node that takes one visit's media."""
    service = Service(tmp_path / "var", environment={"CARELOBBY_MEDIA_CAPACITY": "1"})
    async with alive(service):
        async for made in day_at(service):
            yield made


async def waiting(day: Day, doctor: str) -> tuple[Booked, Participant, Participant]:
    """Return an appointment of a provider of its own, with both there and the client checked in."""
    booked = await day.ehr.book(f"apt-{doctor}", await day.ehr.provider(doctor), [f"client-of-{doctor}"])
    provider, client = day.person("laptop"), day.person("phone")
    await provider.join(await day.ehr.provider_ticket(doctor))
    await client.join(await day.ehr.client_ticket(booked.tokens[f"client-of-{doctor}"]))
    await client.check_in()
    await provider.hear("client.ready")
    return booked, provider, client


def flows(*peers: MediaPeer) -> Callable[[], bool]:
    """Return whether each of them sees more than until now."""
    goals = [(peer, peer.frames["video"] + 20) for peer in peers]
    return lambda: all(peer.frames["video"] >= goal for peer, goal in goals)


async def test_a_second_visit_starts_only_when_the_first_has_made_room(day: Day) -> None:
    first, doctor, ana = await waiting(day, "dr-a")
    second, surgeon, ben = await waiting(day, "dr-b")
    await doctor.ask("start", appointment=first.id)
    async with MediaPeer(doctor) as one, MediaPeer(ana) as other:
        await one.connect()
        await other.connect()
        await until(flows(one, other))

        for _ in range(2):
            with pytest.raises(Told) as refusal:
                await surgeon.ask("start", appointment=second.id, expect=1)
            told = refusal.value.error
            assert (told["code"], told["temporary"], told["retry_after"]) == ("too_many", True, 5.0)
        await until(flows(one, other))
    assert (await ben.ask("sync"))["phase"] == "waiting"
    assert not doctor.heard("media.replace") and not ana.heard("media.replace")
    assert not ana.heard("visit.ended")

    await doctor.ask("end", visit=first.visit)
    await surgeon.ask("start", appointment=second.id, expect=1)
    assert (await ben.hear("visit.started"))["visit"] == second.visit


async def test_a_visit_that_is_taken_up_again_is_not_refused(day: Day) -> None:
    first, doctor, ana = await waiting(day, "dr-a")
    second, surgeon, _ = await waiting(day, "dr-b")
    await doctor.ask("start", appointment=first.id)
    async with MediaPeer(doctor) as one:
        await one.connect()
    await doctor.ask("end", visit=first.visit)
    await surgeon.ask("start", appointment=second.id)

    await ana.ask("rejoin", visit=first.visit)
    await doctor.ask("rejoin", visit=first.visit)
    await ana.hear("visit.resumed")
    async with MediaPeer(doctor) as one, MediaPeer(ana) as other:
        await one.connect()
        await other.connect()
        await until(flows(one, other))


async def test_a_start_that_was_granted_is_told_again_though_there_is_no_room(day: Day) -> None:
    first, doctor, _ = await waiting(day, "dr-a")

    ok = await doctor.ask("start", appointment=first.id, key="k1")
    again = await doctor.ask("start", appointment=first.id, key="k1")

    assert (ok["visit"], again["visit"]) == (first.visit, first.visit)
