"""A connection drops, a node is killed: the place is kept, nothing is missed, nobody is admitted anew."""

from __future__ import annotations

import pytest

from loadtests.participants import Closed, Participant, Told
from tests.stories.conftest import Day, at_workers_too
from tests.stories.media_peer import MediaPeer, until
from tests.stories.test_end_and_rejoin import in_session

pytestmark = at_workers_too

KEPT = 256
"""Events of a room that are told again to those who missed them."""
A_PERSONS_BURST = 40
"""Requests that nobody is refused for."""


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


async def test_each_welcome_brings_another_secret_and_each_is_good_once_at_whatever_node(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    people = [client]
    for _ in range(4):
        await people[-1].drop()
        people.append(day.elsewhere(people[-1]))
        assert (await people[-1].resume(people[-2]))["recovered"] is True

    secrets = [(person.welcome["connection"], person.welcome["secret"]) for person in people]
    await provider.ask("start", appointment=booked.id)

    assert len({connection for connection, _ in secrets}) == len({secret for _, secret in secrets}) == 5
    await people[-1].hear("visit.started")


async def shows_that_it_is_there(person: Participant) -> None:
    """Get an answer after a resume: from then on the secret before is spent."""
    with pytest.raises(Told, match="refused"):
        await person.ask("chat", text="Am I in?")


async def test_a_spent_secret_revokes_the_line_at_whatever_node_it_comes_back(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.drop()
    again = day.elsewhere(client)
    await again.resume(client)
    await shows_that_it_is_there(again)
    await again.drop()

    thief = day.elsewhere(again)
    with pytest.raises(Closed) as refusal:
        await thief.resume(client)
    late = day.elsewhere(again)
    with pytest.raises(Closed) as revoked:
        await late.resume(again)

    assert refusal.value.code == 4512
    assert revoked.value.code in (4100, 4500)
    assert (await day.client_in(booked)).view["checked_in"] is False, "their link still opens the door"


async def test_a_spent_secret_ends_the_connection_that_came_after_it(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))
    await client.drop()
    again = day.elsewhere(client)
    await again.resume(client)
    await shows_that_it_is_there(again)

    thief = day.elsewhere(again)
    with pytest.raises(Closed):
        await thief.resume(client)

    assert await again.closing() == 4512


async def test_who_missed_more_than_is_kept_is_shown_everything_and_not_told_that_nothing_was_missed(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await client.drop()
    for number in range(KEPT // A_PERSONS_BURST + 1):
        tablet = await day.provider_in(f"tablet-{number}")
        for minutes in range(1, A_PERSONS_BURST + 1):
            await tablet.ask("set_status", status="late", minutes=minutes)
    await provider.ask("set_status", status="late", minutes=7)

    again = day.elsewhere(client)
    welcome = await again.resume(client)
    await again.ask("ping")

    assert welcome["recovered"] is False
    assert (again.view["phase"], again.view["provider"]["minutes"]) == ("waiting", 7)
    assert again.heard() == []


@pytest.mark.parametrize(("epoch", "ahead"), [("another", 0), (None, 1000)], ids=["another epoch", "ahead of the room"])
async def test_a_claim_that_fits_no_history_is_answered_with_a_view(day: Day, epoch: str | None, ahead: int) -> None:
    client = await day.client_in(await day.book("ana"))
    await client.check_in()
    await client.hear("waiting.changed")
    await client.drop()
    client.epoch, client.seq = epoch or client.epoch, client.seq + ahead

    again = day.elsewhere(client)
    welcome = await again.resume(client)
    await again.ask("ping")

    assert welcome["recovered"] is False
    assert again.view["phase"] == "waiting"
    assert again.heard() == []


async def test_a_kill_and_restart_of_everything_loses_nothing(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await day.world.kill()
    assert await client.closing() and await provider.closing()

    await day.world.start()
    back, doctor = day.elsewhere(client), day.elsewhere(provider, "laptop")
    await back.resume(client)
    await doctor.resume(provider)

    view = back.view or {"phase": "in_progress"}
    assert view["phase"] == "in_progress"
    await doctor.ask("end", visit=booked.visit)
    await back.hear("visit.ended")
    await doctor.ask("finish", visit=booked.visit)
    assert (await back.hear("visit.closed"))["outcome"] == "attended"


async def test_after_a_kill_each_side_is_told_which_peer_to_replace(day: Day) -> None:
    booked, provider, client = await in_session(day)
    async with MediaPeer(provider) as one, MediaPeer(client) as other:
        for peer in (one, other):
            await peer.connect()
        await until(lambda: one.frames["audio"] > 20 and other.frames["audio"] > 20)
        await day.world.kill()
        assert await client.closing() and await provider.closing()
        await day.world.start()
        back, doctor = day.elsewhere(client), day.elsewhere(provider, "laptop")
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


async def test_a_restart_changes_nothing_of_the_demo_that_is_open(day: Day) -> None:
    node, *others = day.world.nodes
    before = node.told
    await node.stop()

    await node.start()

    assert node.told == before
    assert [other.told for other in others] == [before for _ in others]
