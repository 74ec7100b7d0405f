"""Outages of the whole service: noticed by whoever is back first, known to all, and told to rooms before time is."""

from __future__ import annotations

import asyncio

import pytest

from server import outages
from server.outages import OLD, OUTAGE, Outages
from server.ports import StoreAway
from server.ports.documents import Document
from signaling.events import DeadlinePassed, Opened
from signaling.policy import MINUTE
from signaling.state import Interval, Phase
from tests.server.rooms import ROOM, House, Node
from tests.signaling.people import ANNS, HOST, POLICY
from tests.signaling.people import START as BEGIN
from tests.signaling.play import comes


class Scene(House):
    """A house whose nodes know of outages; while it is `away` the store tells none of them anything."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.reads = 0
        documents = self.store.documents
        self._get = documents.get
        documents.get = self._answer  # type: ignore[method-assign]
        self.first, self.second = self.knowing("a"), self.knowing("b")

    async def _answer(self, place: str, kind: str, id: str) -> Document | None:
        if self.away:
            raise StoreAway
        self.reads += 1
        return await self._get(place, kind, id)

    def knowing(self, name: str) -> tuple[Outages, Node]:
        """Another node, as it begins to run."""
        node, known = self.another(name), Outages(self.store.documents, lambda: self.now)
        node.door._outages = known.known
        return known, node

    async def beats(self, until: int, *of: Outages) -> None:
        """Let time pass, beat by beat."""
        while self.now < until:
            self.now += 2000
            for one in of:
                await one.beat()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_while_somebody_is_there_there_is_no_outage(scene: Scene) -> None:
    (first, _), (second, _) = scene.first, scene.second
    await first.beat()
    await scene.beats(scene.now + MINUTE, first)

    await scene.beats(scene.now + MINUTE, second)

    assert await first.known() == ()
    assert await second.known() == ()


async def test_who_is_back_first_notices_and_all_the_others_know(scene: Scene) -> None:
    (first, _), (second, _) = scene.first, scene.second
    await first.beat()
    last = scene.now
    scene.now += 20 * MINUTE

    await second.beat()

    assert await second.known() == (Interval(last, scene.now),)
    assert await first.known() == (Interval(last, scene.now),)
    late, _ = scene.knowing("c")
    assert await late.known() == (Interval(last, scene.now),)


async def test_two_who_are_back_at_once_notice_one_outage(scene: Scene) -> None:
    (first, _), (second, _) = scene.first, scene.second
    await first.beat()
    scene.now += 20 * MINUTE

    await asyncio.gather(first.beat(), second.beat())

    assert len(await first.known()) == 1
    assert await first.known() == await second.known()


async def test_a_restart_is_no_outage(scene: Scene) -> None:
    first, _ = scene.first
    await first.beat()
    scene.now += OUTAGE

    await scene.second[0].beat()

    assert await scene.second[0].known() == ()


async def test_who_looked_a_moment_ago_does_not_look_again_and_who_did_not_does(scene: Scene) -> None:
    first, _ = scene.first
    await first.beat()
    reads = scene.reads

    await first.known()
    assert scene.reads == reads
    scene.now += OLD + 1
    await first.known()
    assert scene.reads == reads + 1


async def test_old_outages_are_forgotten_and_they_never_become_many(scene: Scene) -> None:
    first, _ = scene.first
    await first.beat()
    for _ in range(outages.KEPT + 3):
        scene.now += MINUTE
        await first.beat()
    assert len(await first.known()) == outages.KEPT

    scene.now += outages.KEPT_FOR + MINUTE
    await first.beat()

    assert len(await first.known()) == 1


async def test_a_store_that_was_set_back_tells_of_no_outage(scene: Scene) -> None:
    first, _ = scene.first
    await first.beat()
    scene.now -= 60 * MINUTE
    await first.beat()
    scene.now += MINUTE

    await first.beat()

    assert len(await first.known()) == 1, "the mark follows the store's time, whichever way it goes"


@pytest.mark.parametrize("returns", ["alarm", "person"])
async def test_an_outage_over_the_no_show_time_makes_nobody_a_no_show(scene: Scene, returns: str) -> None:
    known, node = scene.first
    await known.beat()
    await node.door.fact(ROOM, Opened(ANNS, POLICY))
    await scene.beats(BEGIN + MINUTE, known)
    scene.now = BEGIN + 40 * MINUTE

    # Whichever comes first, and on whichever node.
    await scene.second[1].door.fact(ROOM, DeadlinePassed() if returns == "alarm" else comes(HOST))

    visit = (await scene.saved()).visits["vis_ann"]
    assert visit.phase is Phase.SCHEDULED
    assert visit.faults == ("outage",)
    assert await scene.store.rooms.due(scene.now) == []
    assert list(await scene.store.rooms.due(scene.now + POLICY.no_show_after)) == [ROOM]


async def test_a_store_that_was_away_is_an_outage_for_those_who_are_back_with_it(scene: Scene) -> None:
    known, node = scene.first
    await known.beat()
    await node.door.fact(ROOM, Opened(ANNS, POLICY))
    await scene.beats(BEGIN + MINUTE, known)
    scene.away = True
    scene.now = BEGIN + 40 * MINUTE
    with pytest.raises(StoreAway):
        await known.beat()
    scene.away = False

    await node.door.fact(ROOM, DeadlinePassed())

    assert (await scene.saved()).visits["vis_ann"].faults == ("outage",)


async def test_nothing_is_decided_while_nobody_can_say_whether_there_was_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, node = scene.first
    await known.beat()
    await node.door.fact(ROOM, Opened(ANNS, POLICY))
    scene.away = True
    scene.now = BEGIN + 40 * MINUTE
    monkeypatch.setattr("server.dispatch.FACT_PATIENCE", 0.01)

    with pytest.raises(StoreAway):
        await node.door.fact(ROOM, DeadlinePassed())

    assert "vis_ann" in (await scene.saved()).visits


async def test_the_mark_is_kept_fresh_by_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "BEAT_SECONDS", 0.001)
    again = asyncio.Event()

    def clock() -> int:
        scene.now += 10
        if scene.reads > 3:
            again.set()
        return scene.now

    async with Outages(scene.store.documents, clock), asyncio.timeout(5):
        scene.away = True
        await asyncio.sleep(0.01)
        scene.away = False
        await again.wait()
