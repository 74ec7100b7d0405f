"""Two nodes over one Redis: the client is at one, the provider at the other, and neither notices."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from loadtests.ehr import Ehr
from loadtests.participants import Participant
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.worlds import two_nodes


@dataclass
class Two:
    """Two nodes that serve a practice, of which the first carries every visit as long as it can."""

    first: Service
    second: Service


@pytest_asyncio.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Two]:
    async with two_nodes(tmp_path, embedded=True, public=None, capacities=(100, 0)) as world:
        yield Two(*world.nodes)


async def test_a_whole_visit_with_the_parties_on_different_nodes(nodes: Two) -> None:
    async with (
        Ehr(nodes.first.url, nodes.first.operator_key) as ehr,
        Participant(nodes.second.url, device="laptop") as provider,
        Participant(nodes.first.url, device="phone") as client,
    ):
        booked = await ehr.book("apt", await ehr.provider("dr"), ["ana"])
        await provider.join(await ehr.provider_ticket("dr"))
        await client.join(await ehr.client_ticket(booked.tokens["ana"]))

        await client.check_in()
        await provider.hear("client.ready")
        await provider.ask("start", appointment=booked.id)
        await client.hear("visit.started")
        await client.ask("end", visit=booked.visit)
        await provider.hear("visit.ended")
        await client.ask("rejoin", visit=booked.visit)
        await provider.hear("visit.rejoin_pending")
        await provider.ask("rejoin", visit=booked.visit)
        await client.hear("visit.resumed")
        await provider.ask("end", visit=booked.visit)
        await provider.ask("finish", visit=booked.visit)

        assert (await client.hear("visit.closed"))["outcome"] == "attended"
        assert await client.closing() == 4510
        records: list[dict[str, object]] = []
        while not records:
            records = (await ehr.call("GET", "/v1/records?after=0"))["records"]
            await asyncio.sleep(0.05)
        assert [record["visit"] for record in records] == [booked.visit]


async def test_a_connection_is_resumed_on_the_other_node_after_its_own_was_killed(nodes: Two) -> None:
    async with (
        Ehr(nodes.first.url, nodes.first.operator_key) as ehr,
        Participant(nodes.first.url, device="laptop") as provider,
        Participant(nodes.second.url, device="phone") as client,
        Participant(nodes.first.url, device="phone") as again,
    ):
        booked = await ehr.book("apt", await ehr.provider("dr"), ["ana"])
        await provider.join(await ehr.provider_ticket("dr"))
        await client.join(await ehr.client_ticket(booked.tokens["ana"]))
        await client.check_in()
        entered = (await provider.hear("queue.entered"))["entry"]
        await provider.hear("client.ready")

        await nodes.second.kill()
        await client.closing()
        welcome = await again.resume(client)

        assert welcome["recovered"] is True
        await provider.ask("start", appointment=booked.id)
        await again.hear("visit.started")
        assert not provider.heard("client.ready")
        assert (await provider.hear("queue.left"))["entry"] == entered["id"]


async def test_a_node_that_falls_silent_is_buried_by_the_other(nodes: Two) -> None:
    async with (
        Ehr(nodes.first.url, nodes.first.operator_key) as ehr,
        Participant(nodes.first.url, device="laptop", patience=30) as provider,
        Participant(nodes.second.url, device="phone") as client,
    ):
        booked = await ehr.book("apt", await ehr.provider("dr"), ["ana"])
        await provider.join(await ehr.provider_ticket("dr"))
        await client.join(await ehr.client_ticket(booked.tokens["ana"]))
        await client.check_in()
        await provider.hear("client.ready")

        await nodes.second.kill()

        gone = await provider.hear("queue.changed", lambda m: "dropped" in m["entry"]["flags"])
        assert gone["entry"]["client"]["id"] == "ana"


async def test_words_reach_the_other_node_and_nobody_who_is_not_meant(nodes: Two) -> None:
    async with (
        Ehr(nodes.first.url, nodes.first.operator_key) as ehr,
        Participant(nodes.second.url, device="laptop") as provider,
        Participant(nodes.first.url, device="phone") as ana,
        Participant(nodes.first.url, device="phone") as ben,
    ):
        dr = await ehr.provider("dr")
        first, second = await ehr.book("apt", dr, ["ana"]), await ehr.book("apt-2", dr, ["ben"])
        await provider.join(await ehr.provider_ticket("dr"))
        await ana.join(await ehr.client_ticket(first.tokens["ana"]))
        await ben.join(await ehr.client_ticket(second.tokens["ben"]))
        await ana.check_in()
        await ben.check_in()
        entry = await provider.hear("queue.entered", lambda m: m["entry"]["client"]["id"] == "ben")

        await provider.ask("start", appointment=first.id)
        await ana.hear("visit.started")
        await provider.ask("tell_waiting", entry=entry["entry"]["id"], text="ten minutes")
        assert (await ben.hear("waiting.changed", lambda m: "text" in m))["text"] == "ten minutes"
        await ana.ask("chat", text="can you hear me?")
        assert (await provider.hear("chat"))["text"] == "can you hear me?"
        await provider.ask("chat", text="yes")
        assert (await ana.hear("chat"))["text"] == "yes"
        await ana.ask("media.mode", mode="audio", reason="bandwidth")
        assert (await provider.hear("media.mode"))["mode"] == "audio"

        assert not ben.heard("chat")
        assert not ben.heard("media.mode")
        assert not [told for told in ana.heard("waiting.changed") if "text" in told]


# --- Media


@dataclass
class Session:
    """A visit in progress: its provider at the second node, its client at the first."""

    ehr: Ehr
    visit: str
    provider: Participant
    client: Participant
    again: Participant
    """The client's next connection, at the second node."""

    async def record(self) -> dict[str, Any]:
        """Return the visit's record as soon as there is one."""
        while not (records := (await self.ehr.call("GET", "/v1/records?after=0"))["records"]):
            await asyncio.sleep(0.05)
        return dict(records[0])


@pytest_asyncio.fixture
async def session(nodes: Two) -> AsyncIterator[Session]:
    async with (
        Ehr(nodes.second.url, nodes.second.operator_key) as ehr,
        Participant(nodes.second.url, device="laptop") as provider,
        Participant(nodes.first.url, device="phone") as client,
        Participant(nodes.second.url, device="phone") as again,
    ):
        booked = await ehr.book("apt", await ehr.provider("dr"), ["ana"])
        await provider.join(await ehr.provider_ticket("dr"))
        await client.join(await ehr.client_ticket(booked.tokens["ana"]))
        await client.check_in()
        await provider.hear("client.ready")
        await provider.ask("start", appointment=booked.id)
        await client.hear("visit.started")
        yield Session(ehr, booked.visit, provider, client, again)


def flows(*peers: MediaPeer) -> Callable[[], bool]:
    """Return whether each of them has seen and heard the other for a while longer."""
    goals = [(peer, {kind: peer.frames[kind] + 20 for kind in ("audio", "video")}) for peer in peers]
    return lambda: all(peer.frames[kind] >= goal for peer, kinds in goals for kind, goal in kinds.items())


async def test_parties_on_different_nodes_see_and_hear_one_another_until_one_ends(session: Session) -> None:
    async with MediaPeer(session.client) as client, MediaPeer(session.provider) as provider:
        await client.connect()
        await provider.connect()
        assert {track["kind"] for track in provider.answer["tracks"]} == {"audio", "video"}
        await until(flows(client, provider))

        await session.client.ask("media.mode", mode="audio", reason="bandwidth")
        await session.provider.hear("media.mode")
        await asyncio.sleep(0.3)  # what was under way arrives
        before = provider.frames["video"]
        await asyncio.sleep(1.0)
        assert provider.frames["video"] == before
        await session.client.ask("media.mode", mode="video")
        await until(flows(client, provider))

        await session.provider.ask("end", visit=session.visit)  # at the node that carries nothing
        await session.client.hear("visit.ended")
        await asyncio.sleep(1.0)
        before = client.frames.total(), provider.frames.total()
        await asyncio.sleep(1.0)
        assert (client.frames.total(), provider.frames.total()) == before


async def test_media_go_on_at_the_other_node_when_theirs_is_killed(nodes: Two, session: Session) -> None:
    async with MediaPeer(session.client) as client, MediaPeer(session.provider) as provider:
        await client.connect()
        await provider.connect()
        await until(flows(client, provider))
        await asyncio.sleep(5.5)  # until it is sure that the other's silence would be a death
        killed = time.time() * 1000
        await nodes.first.kill()
        await session.client.closing()
        await session.again.resume(session.client)

        for person, peer in ((session.provider, provider), (session.again, client)):
            told = await person.hear("media.replace")
            assert (told["peer"], told["reason"]) == (peer.name, "node_lost")
            assert "seq" not in told
        async with MediaPeer(session.again) as back, MediaPeer(session.provider) as doctor:
            await back.connect()
            await doctor.connect()
            await until(flows(back, doctor))
        assert not session.again.heard("visit.ended")
        assert not session.provider.heard("visit.ended")
        await session.provider.ask("end", visit=session.visit)
        await session.again.hear("visit.ended")
        await session.provider.ask("finish", visit=session.visit)
        facts = (await session.record())["facts"]
    assert facts["faults"] == ["media_node_lost"]
    assert len(facts["segments"]) == 1
    # The minutes of the node that died end with its last pulse, and those of the other begin with its first packets.
    intervals = facts["clients"][0]["intervals"]
    before = [one for one in intervals if one["from"] < killed][-1]
    after = next(one for one in intervals if one["from"] > killed)
    assert killed - 1000 < before["to"] <= killed + 100
    assert before["to"] + 1500 < after["from"]


async def test_media_move_to_the_other_node_when_theirs_is_stopped(nodes: Two, session: Session) -> None:
    async with MediaPeer(session.client) as client, MediaPeer(session.provider) as provider:
        await client.connect()
        await provider.connect()
        await until(flows(client, provider))

        stopping = asyncio.create_task(nodes.first.stop())
        for person, peer in ((session.provider, provider), (session.client, client)):
            told = await person.hear("media.replace")
            assert (told["peer"], told["reason"]) == (peer.name, "moved")
        async with MediaPeer(session.client) as back, MediaPeer(session.provider) as doctor:
            await doctor.connect()
            await back.connect()  # through the node that goes
            await until(flows(back, doctor))
            await client.connection.close()
            await provider.connection.close()
            assert await session.client.closing() == 4001
            await stopping
            await until(flows(back, doctor))
            await session.again.resume(session.client)
            await session.again.ask("end", visit=session.visit)
            ended = await session.provider.hear("visit.ended")
        await session.provider.ask("finish", visit=session.visit)
        facts = (await session.record())["facts"]
    assert ended["by"] == "client"
    assert facts["faults"] == []


async def test_a_node_that_was_frozen_forwards_nothing_when_it_is_back(nodes: Two, session: Session) -> None:
    async with MediaPeer(session.client) as client, MediaPeer(session.provider) as provider:
        await client.connect()
        await provider.connect()
        await until(flows(client, provider))
        await asyncio.sleep(5.5)  # until it is sure that the other's silence would be a death
        frozen = nodes.first.process
        assert frozen is not None
        frozen.send_signal(signal.SIGSTOP)
        try:
            assert (await session.provider.hear("media.replace"))["reason"] == "node_lost"
            async with MediaPeer(session.provider) as doctor:
                await doctor.connect()
                assert doctor.connection.connectionState != "failed"
        finally:
            frozen.send_signal(signal.SIGCONT)
        assert (await session.client.hear("media.replace"))["peer"] == client.name
        await asyncio.sleep(1.0)
        before = provider.frames.total(), client.frames.total()
        await asyncio.sleep(1.0)
        assert (provider.frames.total(), client.frames.total()) == before
        async with MediaPeer(session.client) as back, MediaPeer(session.provider) as doctor:
            await back.connect()  # through the node that was frozen
            await doctor.connect()
            await until(flows(back, doctor))
