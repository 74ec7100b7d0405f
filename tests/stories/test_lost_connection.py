"""A connection drops, a node is killed: the place is kept, nothing is missed, nobody is admitted anew."""

from __future__ import annotations

import pytest

from loadtests.participants import Closed
from tests.stories.conftest import Day, day_at
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.test_end_and_rejoin import in_session


async def test_a_waiting_client_who_drops_resumes_in_place(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    entry = (await provider.hear("queue.entered"))["entry"]
    await provider.hear("client.ready")

    await client.drop()
    gone = await provider.hear("queue.changed", lambda m: m["entry"]["away"])
    again = day.elsewhere(client)
    welcome = await again.resume(client)

    assert gone["entry"]["id"] == entry["id"]
    assert welcome["recovered"] is True
    back = await provider.hear("queue.changed", lambda m: not m["entry"]["away"])
    assert back["entry"]["since"] == entry["since"]
    assert not provider.heard("client.ready")


async def test_what_happened_meanwhile_is_replayed_exactly(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await client.hear("waiting.changed")
    await client.drop()

    await provider.ask("set_status", status="late", minutes=5)
    await provider.ask("start", appointment=booked.id)
    await provider.ask("end", visit=booked.visit)
    again = day.elsewhere(client)
    welcome = await again.resume(client)
    await again.ask("ping")

    assert welcome["recovered"] is True
    missed = [message["type"] for message in again.heard()]
    assert missed == ["waiting.changed", "visit.started", "visit.ended"]
    assert not again.view


async def test_a_provider_who_drops_is_in_again_without_being_admitted(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await provider.drop()
    assert (await client.hear("participant.changed"))["participant"]["presence"] == "gone"

    again = await day.provider_in()

    (visit,) = again.view["visits"]
    assert (visit["id"], visit["phase"]) == (booked.visit, "in_progress")
    assert (await client.hear("participant.changed"))["participant"]["presence"] == "connected"
    await again.ask("end", visit=booked.visit)
    await client.hear("visit.ended")


async def test_an_old_secret_does_not_resume_again(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.drop()
    again = day.elsewhere(client)
    await again.resume(client)
    await again.ask("ping")
    await again.drop()

    thief = day.elsewhere(again)
    with pytest.raises(Closed):
        await thief.resume(client)


@pytest.fixture
async def own_service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(tmp_path_factory.mktemp("killed") / "var")


async def test_a_kill_and_restart_loses_nothing(own_service: Service) -> None:
    service = own_service
    await service.start()
    try:
        async for day in day_at(service):
            booked, provider, client = await in_session(day)
            await service.kill()
            assert await client.closing() and await provider.closing()

            await service.start()
            back, doctor = day.person("phone"), day.person("laptop")
            await back.resume(client)
            await doctor.resume(provider)

            view = back.view or {"phase": "in_progress"}
            assert view["phase"] == "in_progress"
            await doctor.ask("end", visit=booked.visit)
            await back.hear("visit.ended")
            await doctor.ask("finish", visit=booked.visit)
            assert (await back.hear("visit.closed"))["outcome"] == "attended"
    finally:
        await service.stop()


async def test_after_a_kill_each_side_is_told_which_peer_to_replace(own_service: Service) -> None:
    service = own_service
    await service.start()
    try:
        async for day in day_at(service):
            booked, provider, client = await in_session(day)
            async with MediaPeer(provider) as one, MediaPeer(client) as other:
                for peer in (one, other):
                    await peer.connect()
                await until(lambda: one.frames["audio"] > 20 and other.frames["audio"] > 20)
                await service.kill()
                assert await client.closing() and await provider.closing()
                await service.start()
                back, doctor = day.person("phone"), day.person("laptop")
                await back.resume(client)
                await doctor.resume(provider)

                for person, peer in ((back, other), (doctor, one)):
                    told = await person.hear("media.replace")
                    assert (told["peer"], told["reason"]) == (peer.name, "node_lost")
                    assert "seq" not in told
            async with MediaPeer(doctor) as one, MediaPeer(back) as other:
                for peer in (one, other):
                    await peer.connect()
                await until(lambda: one.frames["audio"] > 20 and other.frames["audio"] > 20)
            await doctor.ask("end", visit=booked.visit)
    finally:
        await service.stop()


async def test_a_restart_changes_nothing_of_the_demo_that_is_open(own_service: Service) -> None:
    service = own_service
    await service.start()
    before = service.told
    await service.stop()

    await service.start()
    after = service.told
    await service.stop()

    assert after == before
