"""The node of a visit's media loses Redis, and it alone: another takes the visit, and nobody gets their media twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from loadtests.ehr import Booked
from loadtests.participants import Participant
from tests.stories.conftest import Day, day_in
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.worlds import World, two_nodes

PATIENCE = 60.0
"""Seconds that somebody waits to be sent away."""
ROOMS = 16
"""So many are tried until one's media are at home where nobody is connected."""


class Link:
    """One node's way to Redis, which can be cut: nothing comes through, and no connection is closed."""

    def __init__(self, redis: Path, path: Path) -> None:
        self._redis = redis
        self._path = path
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._lead, self._path)

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(self._redis)
        for ends in ((reader, to_redis), (from_redis, writer)):
            task = asyncio.create_task(self._pour(*ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with two_nodes(tmp_path) as made:
        yield made


@pytest.fixture
async def link(world: World) -> AsyncIterator[Link]:
    """The first node's."""
    assert world.redis is not None
    link = Link(world.redis.path, world.redis.directory / "link")
    await link.open()
    first = world.nodes[0]
    first.environment = {**first.environment, "CARELOBBY_REDIS_URL": link.url}
    await first.stop()
    await first.start()
    yield link
    link.mend()
    await first.stop()
    await link.close()


@pytest.fixture
async def day(world: World, link: Link) -> AsyncIterator[Day]:
    async for made in day_in(world):
        yield made
        link.mend()  # whatever the story has come to, its practice is deleted at whichever node


async def session_carried_by_the_first(day: Day, *, client_at: int) -> tuple[str, list[Participant], list[MediaPeer]]:
    """Return a visit whose media are at the first node; its provider is connected at the second."""
    for number in range(ROOMS):
        day.provider = await day.ehr.provider(f"dr-{number}", "Dr. Rivera")
        booked = await day.book("ana")
        provider = day.person("laptop", node=1)
        await provider.join(await day.ehr.provider_ticket(day.provider))
        client = await client_in(day, booked, node=client_at)
        await client.check_in()
        await provider.ask("start", appointment=booked.id)
        await client.hear("visit.started")
        peers = [MediaPeer(provider), MediaPeer(client)]
        for peer in peers:
            await peer.connect()
        if await day.world.nodes[0].figure("media_peers") == 2:
            await until(lambda peers=peers: all(peer.frames["audio"] > 10 for peer in peers))  # type: ignore[misc]
            return booked.visit, [provider, client], peers
        for peer in peers:
            await peer.close()
        await provider.ask("end", visit=booked.visit)
    raise AssertionError("sixteen rooms are all at home at the same one of two nodes")


async def client_in(day: Day, booked: Booked, *, node: int) -> Participant:
    person = day.person("phone", node=node, patience=PATIENCE)
    await person.join(await day.ehr.client_ticket(next(iter(booked.tokens.values()))))
    return person


@pytest.mark.timeout(180)
async def test_a_node_that_loses_redis_alone_forwards_until_each_has_switched_and_nothing_after(
    day: Day, link: Link
) -> None:
    first, second = day.world.nodes
    visit, people, old = await session_carried_by_the_first(day, client_at=1)

    # The node is cut off. Nobody who takes part notices anything until they are told of another one.
    link.cut()
    before = [peer.frames["audio"] for peer in old]
    for person, peer in zip(people, old, strict=True):
        told = await person.hear("media.replace")
        assert (told["peer"], told["reason"]) == (peer.name, "node_lost")
    assert all(peer.frames["audio"] > frames + 20 for peer, frames in zip(old, before, strict=True))

    # Each makes a new peer beside the old one, and lets that go: the pages' way.
    new = [MediaPeer(person) for person in people]
    for peer in new:
        await peer.connect()
    await until(lambda: all(peer.frames["audio"] > 10 for peer in new))
    for peer in old:
        await peer.close()
    await until_still(first, "media_packets_forwarded_total")
    assert await second.figure("media_peers") == 2
    assert await second.figure("media_packets_forwarded_total") > 0

    # Redis is back for it: it has let go, and the visit is where it was.
    link.mend()
    heard = [peer.frames["audio"] for peer in new]
    await until(lambda: all(peer.frames["audio"] > frames + 100 for peer, frames in zip(new, heard, strict=True)))
    assert await first.figure("media_peers") == 0
    assert await second.figure("media_peers") == 2
    assert not any(person.heard("media.replace") for person in people)
    await people[0].ask("end", visit=visit)
    await people[1].hear("visit.ended")
    for peer in new:
        await peer.close()


@pytest.mark.timeout(180)
async def test_nobody_waits_in_vain_at_a_node_that_has_lost_redis_alone(day: Day, link: Link) -> None:
    visit, (provider, ana), (hers, his) = await session_carried_by_the_first(day, client_at=0)
    waiting = await day.book("ben")
    ben = await client_in(day, waiting, node=0)
    await ben.check_in()

    first, _ = day.world.nodes
    # The other node takes the session over; its provider, who is there, goes to it at once. The client hears nothing.
    link.cut()
    assert (await provider.hear("media.replace"))["peer"] == hers.name
    await hers.close()
    hers = MediaPeer(provider)
    await hers.connect()

    # Who has nobody to talk to any more is sent to come again, and so is who waits: at the other node all is well.
    assert await ana.closing() == await ben.closing() == 4002
    ana_again, ben_again = day.elsewhere(ana), day.elsewhere(ben)
    await ana_again.resume(ana)
    await ben_again.resume(ben)
    assert (await ana_again.hear("media.replace"))["peer"] == his.name
    await his.close()
    his = MediaPeer(ana_again)
    await his.connect()
    await until(lambda: all(peer.frames["audio"] > 10 for peer in (hers, his)))

    # And nobody has lost their place.
    for peer in (hers, his):
        await peer.close()
    await provider.ask("end", visit=visit)
    await provider.ask("finish", visit=visit)
    await provider.ask("start", appointment=waiting.id)
    await ben_again.hear("visit.started")

    # Redis is back for it: what it has to say of those who left it is old, and changes nothing.
    told = len(provider.heard("participant.changed"))
    link.mend()
    async with asyncio.timeout(PATIENCE):
        while await first.ready() != 200:
            await asyncio.sleep(0.1)
    await until_still(first, "rooms_commits_total")
    assert len(provider.heard("participant.changed")) == told
    assert ben_again.closed_with is provider.closed_with is None
    await provider.ask("end", visit=waiting.visit)
    await ben_again.hear("visit.ended")


async def until_still(node: Service, name: str) -> None:
    """Return when a figure has stood still for a second."""
    figures = [await node.figure(name)]
    async with asyncio.timeout(10):
        while len(figures) < 2 or figures[-1] != figures[-2]:
            await asyncio.sleep(1)
            figures.append(await node.figure(name))
