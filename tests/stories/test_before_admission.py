"""Before admission a client gets nothing of a visit and is heard by nobody: counted on the socket and beside it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx
import pytest

from loadtests.participants import Participant, Told
from tests.stories.conftest import Day
from tests.stories.media_peer import MediaPeer, until


async def figures(day: Day) -> Counter[str]:
    """The figures of media, of all nodes together."""
    sums: Counter[str] = Counter()
    for node in day.world.nodes:
        async with httpx.AsyncClient(base_url=node.url) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        for line in lines:
            name, _, value = line.partition(" ")
            if name.startswith("carelobby_media_") and "{" not in name and not name.endswith("_created"):
                sums[name.removeprefix("carelobby_media_").removesuffix("_total")] += int(float(value))
    return sums


async def become(day: Day, **wanted: int) -> None:
    """Wait until the figures are these: a peer of the story before may be the last to know that it is over."""
    async with asyncio.timeout(45):
        while {name: (await figures(day))[name] for name in wanted} != wanted:
            await asyncio.sleep(0.2)


def said(person: Participant) -> Counter[str]:
    """What somebody was told and did not take yet, by type."""
    return Counter(message["type"] for message in person.heard())


async def test_who_waits_warm_beside_a_live_visit_gets_no_byte_of_it_and_is_heard_by_nobody(day: Day) -> None:
    first, second = await day.book("ana"), await day.book("ben")
    doctor, ana, ben = await day.provider_in(), await day.client_in(first), await day.client_in(second)
    for client in (ana, ben):
        await client.check_in()
    await doctor.ask("start", appointment=first.id)
    before = await figures(day)
    async with MediaPeer(ana) as anas, MediaPeer(doctor) as doctors, MediaPeer(ben) as bens:
        await bens.connect("warm")  # it sends at once, which pages do not
        for peer in (anas, doctors):
            await peer.connect()
        await until(lambda: bens.connection.connectionState == "connected")
        await until(lambda: min(anas.frames["video"], doctors.frames["video"]) > 10)

        async def held() -> int:
            return (await figures(day) - before)["packets_held"]

        while await held() < 100:
            await asyncio.sleep(0.1)
        with pytest.raises(Told, match="refused"):
            await ben.ask("media.prepare", purpose="visit")
        with pytest.raises(Told, match="refused"):
            await ben.ask("media.offer", peer=doctors.name, round=9, sdp=bens.connection.localDescription.sdp)
        with pytest.raises(Told, match="refused"):
            await ben.ask("media.candidates", peer=doctors.name, round=1, candidates=[{"candidate": "x"}])

        assert sum(bens.frames.values()) == 0
        await become(day, peers=2, warm=1)
        reports = await bens.connection.getStats()
        assert [r.packetsReceived for r in reports.values() if r.type == "inbound-rtp" and r.packetsReceived] == []
        assert set(said(ben)) <= {"waiting.changed"}
        told = json.dumps([bens.answer, *ben.heard()])
        assert bens.answer["tracks"] == []
        for name in (first.id, first.visit, "ana", anas.name, doctors.name, anas.answer["sdp"], doctors.answer["sdp"]):
            assert name not in told


async def test_both_wait_warm_and_start_is_all_that_it_takes(day: Day) -> None:
    booked = await day.book("ana")
    doctor, ana = await day.provider_in(), await day.client_in(booked)
    await ana.check_in()
    await doctor.hear("client.ready")
    async with MediaPeer(ana) as anas, MediaPeer(doctor) as doctors:
        for peer in (anas, doctors):
            await peer.participant.ask("media.prepare", purpose="warm")
            await peer.connect("warm")
        await until(lambda: all(p.connection.connectionState == "connected" for p in (anas, doctors)))
        assert sum(anas.frames.values()) + sum(doctors.frames.values()) == 0

        await doctor.ask("start", appointment=booked.id)
        await ana.hear("visit.started")
        for peer in (anas, doctors):
            await peer.negotiate()

        await until(lambda: min(anas.frames["video"], doctors.frames["video"]) > 10)
        assert {track["kind"] for track in anas.answer["tracks"]} == {"audio", "video"}
        await become(day, peers=2, connected=2, warm=0)


@pytest.mark.parametrize("how", ["remove", "leave", "bye", "drop"])
async def test_who_is_out_is_connected_to_nothing_any_more(day: Day, how: str) -> None:
    booked = await day.book("ana")
    doctor, ana = await day.provider_in(), await day.client_in(booked)
    await ana.check_in()
    entry = (await doctor.hear("client.ready"))["entry"]
    async with MediaPeer(ana) as peer:
        await peer.connect("warm")
        await until(lambda: peer.connection.connectionState == "connected")
        assert (await figures(day))["warm"] == 1

        match how:
            case "remove":
                await doctor.ask("remove", entry=entry)
            case "leave":
                await ana.ask("leave")
            case "bye":
                await ana.ask("bye")
            case _:
                await ana.drop()

        await until(lambda: peer.connection.connectionState in {"closed", "failed"})
        assert (await figures(day))["warm"] == 0


async def test_a_check_of_the_devices_is_an_echo_and_is_not_noticed_by_the_provider(day: Day) -> None:
    booked = await day.book("ana")
    doctor, ana = await day.provider_in(), await day.client_in(booked)
    already = said(doctor)

    async with MediaPeer(ana) as peer:
        assert (await ana.ask("media.prepare", purpose="check"))["ice_servers"] == []
        await peer.connect("check")
        await until(lambda: peer.frames["video"] > 10 and peer.frames["audio"] > 10)
        with pytest.raises(Told, match="refused"):
            await ana.ask("media.prepare", purpose="warm")

        assert said(doctor) == already
        assert peer.answer["tracks"] == []
