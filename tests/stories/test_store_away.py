"""Redis freezes or dies during a visit: nobody is let in, nobody is cut off, and End works."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from loadtests.participants import Participant, Told
from tests.stories.conftest import Day, at_two_nodes, day_at
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.test_end_and_rejoin import in_session
from tests.stories.test_hand_off import record_of
from tests.stories.test_running import children
from tests.stories.worlds import World

LONG = 28
"""Seconds for which Redis is away: longer than any lease, heartbeat or silence that is waited for, and than a node lets
those wait whom it can do nothing for."""
MOMENT = 0.2
"""Seconds in which the other node reads a room whose visit began."""


@pytest.fixture
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    service = Service(tmp_path_factory.mktemp("away") / "var")
    await service.start()
    yield service
    await service.stop()
    assert "Traceback" not in service.log()


@pytest.fixture
async def own_day(own: Service) -> AsyncIterator[Day]:
    async for made in day_at(own):
        yield made


@contextmanager
def frozen(world: World) -> Iterator[None]:
    """Let the server keep every connection, and answer nothing."""
    redis = server_of(world)
    os.kill(redis, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis, signal.SIGCONT)


def server_of(world: World) -> int:
    """Return the process of the Redis that the nodes share, or that the only one has started."""
    if world.redis is not None:
        return world.redis.pid
    (node,) = world.nodes
    assert node.process is not None
    (redis,) = children(node.process.pid)
    return redis


async def kill_server(world: World) -> None:
    """End it as a power cut does, when every node has had a moment to see what was said last."""
    await asyncio.sleep(MOMENT)
    if world.redis is not None:
        world.redis.kill()
    else:
        os.kill(server_of(world), signal.SIGKILL)


def now() -> int:
    return int(time.time() * 1000)  # the service's Redis runs on this machine


@pytest.mark.parametrize("side", ["client", "provider"])
async def test_an_end_while_redis_is_frozen_is_told_at_once_and_recorded_as_measured(day: Day, side: str) -> None:
    booked, provider, client = await in_session(day)
    who = {"client": client, "provider": provider}[side]
    # Another node is told nothing while Redis is away, and hears of it with all others as soon as it is back.
    near = [person for person in (client, provider) if day.node_of(person) is day.node_of(who)]
    await asyncio.sleep(MOMENT)
    with frozen(day.world):
        begun, at = time.monotonic(), now()
        await who.ask("end", visit=booked.visit)
        told = [await person.hear("visit.ended") for person in near]
        seconds = time.monotonic() - begun
        await asyncio.sleep(2)  # a measured end differs from a saved one

    assert seconds < 1.0
    for message in told:
        assert (message["pending"], message["by"], message["reason"]) == (True, side, "ended")
        assert "seq" not in message
        assert "epoch" not in message
    for person in (client, provider):
        saved = await person.hear("visit.ended")
        assert "pending" not in saved
        assert saved["seq"] > 0
    await provider.ask("finish", visit=booked.visit)
    facts = (await record_of(day, booked.visit))["facts"]
    (segment,) = facts["segments"]
    assert abs(segment["ended_at"] - at) <= 1000
    assert segment["by"] == side
    assert [record["visit"] for record in await day.records()].count(booked.visit) == 1


async def test_an_end_outlives_the_service_and_its_redis(own_day: Day, own: Service) -> None:
    day = own_day
    booked, provider, client = await in_session(day)
    redis = server_of(day.world)
    os.kill(redis, signal.SIGSTOP)
    at = now()
    await client.ask("end", visit=booked.visit)
    assert (await provider.hear("visit.ended"))["pending"] is True
    assert (own.data_dir / "ended").stat().st_mode & 0o777 == 0o600
    os.kill(redis, signal.SIGKILL)
    await own.kill()
    await asyncio.sleep(1)
    await own.start()

    doctor = day.person("laptop")
    await doctor.join(await day.ehr.provider_ticket(day.provider))
    (visit,) = doctor.view["visits"]
    assert visit["phase"] == "ended"
    assert not (own.data_dir / "ended").exists()
    await doctor.ask("finish", visit=booked.visit)
    (segment,) = (await record_of(day, booked.visit))["facts"]["segments"]
    assert abs(segment["ended_at"] - at) <= 1000
    assert [record["visit"] for record in await day.records()].count(booked.visit) == 1


async def test_while_redis_is_frozen_nobody_is_let_in_and_the_visit_goes_on(own_day: Day, own: Service) -> None:
    day = own_day
    booked, provider, client = await in_session(day)
    other = await day.book("ben")
    ben = await day.client_in(other)
    ticket = await day.ehr.client_ticket(next(iter((await day.book("eva")).tokens.values())))
    async with MediaPeer(provider) as one, MediaPeer(client) as another:
        await one.connect()
        await another.connect()
        await until(lambda: one.frames["audio"] > 10 and another.frames["audio"] > 10)
        with frozen(day.world):
            begun = time.monotonic()
            for person, what in ((ben, "check_in"), (provider, "start")):
                with pytest.raises(Told) as refusal:
                    await (ben.check_in() if what == "check_in" else person.ask("start", appointment=other.id))
                assert (refusal.value.code, refusal.value.error["temporary"]) == ("unavailable", True)
            assert time.monotonic() - begun < 6
            eva = day.person("phone")
            await eva.open()
            await eva.send({"type": "hello", "protocol": 1, "ticket": ticket, "device": "phone"})
            assert await eva.closing() == 4002
            assert await own.ready() == 503
            heard = one.frames["audio"], another.frames["audio"]
            await until(lambda: one.frames["audio"] > heard[0] + 20 and another.frames["audio"] > heard[1] + 20)
            await provider.ask("chat", text="still here")
            assert (await client.hear("chat"))["text"] == "still here"

            await client.ask("end", visit=booked.visit)
            await provider.hear("visit.ended")
            heard = one.frames["audio"], another.frames["audio"]
            await asyncio.sleep(1)
            with pytest.raises(Told) as refusal:
                await client.ask("media.offer", peer="again", round=1, sdp="v=0", audio_only=False)
            assert refusal.value.code in ("refused", "bad_sdp")
            still = one.frames["audio"] - heard[0], another.frames["audio"] - heard[1]

    assert max(still) < 25, "half a second of what was under way"
    assert not provider.heard("visit.started")
    await provider.hear("visit.ended")
    begun = time.monotonic()
    while await own.ready() != 200:
        assert time.monotonic() - begun < 5
        await asyncio.sleep(0.1)


@at_two_nodes
@pytest.mark.timeout(180)
async def test_media_run_both_ways_for_as_long_as_redis_is_away_and_by_the_same_peers_after_it(day: Day) -> None:
    booked, provider, client = await in_session(day)
    async with MediaPeer(provider) as one, MediaPeer(client) as another:
        await one.connect()
        await another.connect()
        await until(lambda: one.frames["audio"] > 10 and another.frames["audio"] > 10)
        heard = one.frames["audio"], another.frames["audio"]
        with frozen(day.world):
            for _ in range(LONG):
                await asyncio.sleep(1)
                now_heard = one.frames["audio"], another.frames["audio"]
                each_second = [after - before for before, after in zip(heard, now_heard, strict=True)]
                assert min(each_second) > 0, "no second without sound, either way"
                heard = now_heard
        assert provider.closed_with is client.closed_with is None
        assert min(heard) > 0.8 * 50 * LONG, "fifty packets a second, by the clock of these machines"

        # It is back. Nobody takes anything over: everybody had been silent.
        for _ in range(8):
            await asyncio.sleep(1)
            now_heard = one.frames["audio"], another.frames["audio"]
            assert all(after > before for before, after in zip(heard, now_heard, strict=True))
            heard = now_heard
        assert not provider.heard("media.replace")
        assert not client.heard("media.replace")
        await client.ask("end", visit=booked.visit)
        for person in (provider, client):
            await person.hear("visit.ended")


async def test_redis_is_killed_and_all_go_on_when_it_is_back(day: Day) -> None:
    booked, provider, client = await in_session(day)

    await kill_server(day.world)
    await client.ask("end", visit=booked.visit)
    if day.world.redis is not None:
        day.world.redis.start()  # an operator's; the embedded one comes back by itself
    for person in (client, provider):
        await until(partial(knows_that_it_ended, person))
    for person in (client, provider):
        for _ in range(20):
            try:
                await person.ask("rejoin", visit=booked.visit)
                break
            except Told as told:
                assert told.error["temporary"]
                await asyncio.sleep(0.5)

    assert (await client.hear("visit.resumed"))["segment"] == 2


def knows_that_it_ended(person: Participant) -> bool:
    """Whether somebody heard that the end is saved, or was shown it: a view follows what they may have missed."""
    views = person.heard("view")
    shown = {one.get("phase") for view in views for one in (view, *view.get("visits", ()))}
    return "ended" in shown or any("pending" not in ended for ended in person.heard("visit.ended"))


async def test_a_redis_that_crashes_again_and_again_ends_the_service(own: Service) -> None:
    process = own.process
    assert process is not None
    while process.poll() is None:
        for redis in children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(redis, signal.SIGKILL)
        await asyncio.sleep(0.2)

    assert process.returncode == 1
    assert "crashed 5 times in a short time" in own.log()
