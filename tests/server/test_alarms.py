"""Time's knocks: what is due happens, what fails is tried again, and the dead are buried, but not the living."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from server import alarms
from server.alarms import NODE_GONE_AFTER, TRY_AGAIN, Alarms
from server.clock import StoreClock
from server.ports import StoreAway
from signaling.errors import NotFound
from signaling.events import DeadlinePassed, Fact, NodeGone
from signaling.requests import End
from tests.server.rooms import ROOM, House
from tests.signaling.people import HOST, POLICY

APPOINTMENT = "open:pr_1:room_1:apt_1"


@dataclass
class Told:
    """Rooms that write down what they are told, or fail at it."""

    facts: list[tuple[str, Fact]] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)

    async def fact(self, room: str, fact: Fact) -> None:
        if room in self.failing:
            raise self.failing[room]
        self.facts.append((room, fact))


class Scene:
    """Alarms over a house, with agenda items written down."""

    def __init__(self, *, rooms: Told | None = None, node: str = "node_1", house: House | None = None) -> None:
        self.house = house or House()
        self.nodes = self.house.store.nodes
        self.opened: list[str] = []
        self.refuse: Exception | None = None
        self.rechecks = 0
        self.buried = 0
        self.alarms = Alarms(
            node=node,
            clock=StoreClock(self._time, lambda: self.house.now / 1000),
            store=self.house.store.rooms,
            documents=self.house.store.documents,
            nodes=self.nodes,
            rooms=rooms or self.house.node.door,  # type: ignore[arg-type]  # facts are all that they are told
            open_due=self._open,
            recheck=self._recheck,
            buried=self._buried,
        )

    async def _time(self) -> int:
        return self.house.now

    async def _open(self, item: str) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.opened.append(item)

    async def _recheck(self) -> None:
        self.rechecks += 1

    def _buried(self) -> None:
        self.buried += 1

    async def beats(self, seconds: int) -> None:
        """Beat every second for a while."""
        for _ in range(seconds):
            await self.alarms.beat()
            self.house.now += 1000


async def overdue(rooms: Told, *names: str) -> Scene:
    scene = Scene(rooms=rooms)
    scene.house.store.rooms._deadlines.update(dict.fromkeys(names, scene.house.now))
    return scene


# --- Rooms and appointments


async def test_a_room_whose_deadline_passed_moves_on_by_itself() -> None:
    house = House()
    await house.started()
    await house.node.ask(HOST, End(visit="vis_ann"))
    scene = Scene(house=house)
    house.now += POLICY.rejoin_window

    await scene.alarms.sweep()

    assert "vis_ann" not in (await house.saved()).visits
    records = [item.data["visit"] for item in await house.owed() if item.kind == "record"]
    assert records.count("vis_ann") == 1
    assert await house.store.rooms.due(house.now) == []


async def test_nothing_is_done_before_its_time() -> None:
    rooms = Told()
    scene = await overdue(rooms, "room_a")
    await scene.house.store.documents.schedule(ROOM, APPOINTMENT, scene.house.now + 1)
    scene.house.now -= 1

    await scene.alarms.sweep()

    assert (rooms.facts, scene.opened) == ([], [])


async def test_a_new_deadline_is_not_put_off() -> None:
    house = House()
    await house.started()
    await house.node.ask(HOST, End(visit="vis_ann"))
    scene = Scene(house=house)
    house.now += POLICY.rejoin_window - 1
    house.store.rooms._deadlines[ROOM] = house.now

    await scene.alarms.sweep()
    house.now += 1
    await scene.alarms.sweep()

    assert "vis_ann" not in (await house.saved()).visits


@pytest.mark.parametrize("failure", [NotFound(), ValueError("a mistake of ours")])
async def test_a_room_whose_alarm_fails_is_put_off_and_keeps_nobody_waiting(failure: Exception) -> None:
    rooms = Told(failing={"room_a": failure})
    scene = await overdue(rooms, "room_a", "room_b")

    await scene.alarms.sweep()

    assert ("room_b", DeadlinePassed()) in rooms.facts
    assert "room_a" not in await scene.house.store.rooms.due(scene.house.now + TRY_AGAIN - 1)
    rooms.failing.clear()
    scene.house.now += TRY_AGAIN
    await scene.alarms.sweep()
    assert ("room_a", DeadlinePassed()) in rooms.facts


async def test_appointments_are_opened_when_their_day_comes() -> None:
    scene = Scene()
    await scene.house.store.documents.schedule(ROOM, APPOINTMENT, scene.house.now)

    await scene.alarms.sweep()

    assert scene.opened == [APPOINTMENT]


async def test_an_appointment_that_cannot_be_opened_is_told_without_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.refuse = ValueError(APPOINTMENT)
    await scene.house.store.documents.schedule(ROOM, APPOINTMENT, scene.house.now)

    await scene.alarms.sweep()

    assert "ValueError" in caplog.text
    assert "apt_1" not in caplog.text


async def test_what_was_left_in_doubt_is_looked_at_first() -> None:
    scene = Scene()

    await scene.alarms.sweep()

    assert scene.rechecks == 1


# --- Nodes


async def test_a_beat_is_written_down() -> None:
    scene = Scene()

    await scene.alarms.beat()

    assert await scene.nodes.all() == {"node_1": scene.house.now}


async def test_a_silent_node_is_buried_and_its_rooms_are_told_until_when_it_lived() -> None:
    rooms = Told()
    scene = Scene(rooms=rooms)
    last = scene.house.now
    await scene.nodes.beat("node_2", last)
    await scene.nodes.enter("node_2", "room_a")
    await scene.nodes.enter("node_2", "room_b")

    await scene.beats(NODE_GONE_AFTER // 1000 + 2)

    assert rooms.facts == [(room, NodeGone("node_2", last)) for room in ("room_a", "room_b")]
    assert set(await scene.nodes.all()) == {"node_1"}
    assert await scene.nodes.rooms("node_2") == []


async def test_a_node_that_beats_is_left_alone() -> None:
    rooms = Told()
    scene, other = Scene(rooms=rooms), None
    other = Scene(rooms=rooms, node="node_2", house=scene.house)
    await scene.nodes.enter("node_2", "room_a")

    for _ in range(30):
        await scene.alarms.beat()
        await other.alarms.beat()
        scene.house.now += 1000

    assert rooms.facts == []
    assert set(await scene.nodes.all()) == {"node_1", "node_2"}


async def test_after_the_store_was_away_nobody_is_dead_for_not_having_beaten() -> None:
    rooms = Told()
    scene = Scene(rooms=rooms)
    await scene.nodes.enter("node_2", "room_a")
    await scene.beats(20)
    await scene.nodes.beat("node_2", scene.house.now)
    scene.house.now += 5 * 60_000

    await scene.alarms.beat()

    assert rooms.facts == []


async def test_one_room_that_cannot_be_told_does_not_keep_a_node_from_its_grave() -> None:
    rooms = Told(failing={"room_a": NotFound()})
    scene = Scene(rooms=rooms)
    await scene.nodes.beat("node_2", 5)
    await scene.nodes.enter("node_2", "room_a")
    await scene.nodes.enter("node_2", "room_b")

    await scene.alarms.bury("node_2", 5)

    assert rooms.facts == [("room_b", NodeGone("node_2", 5))]
    assert "node_2" not in await scene.nodes.all()


async def test_a_burial_that_the_store_interrupts_is_done_again() -> None:
    rooms = Told(failing={"room_b": StoreAway()})
    scene = Scene(rooms=rooms)
    await scene.nodes.beat("node_2", 5)
    await scene.nodes.enter("node_2", "room_b")

    with pytest.raises(StoreAway):
        await scene.alarms.bury("node_2", 5)

    assert "node_2" in await scene.nodes.all()
    assert await scene.nodes.rooms("node_2") == ["room_b"]


async def test_a_node_that_was_buried_alive_is_told_once() -> None:
    scene = Scene()
    await scene.alarms.beat()
    assert scene.buried == 0
    await scene.nodes.forget("node_1")

    await scene.alarms.beat()
    await scene.alarms.beat()

    assert scene.buried == 1
    assert "node_1" in await scene.nodes.all()


# --- The task


async def test_nothing_that_fails_ends_the_knocking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "SWEEP_SECONDS", 0.001)
    scene = Scene()
    failures = iter([StoreAway(), ValueError("a mistake of ours"), StoreAway()])
    knocked = asyncio.Event()

    async def recheck() -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        knocked.set()

    scene.alarms._recheck = recheck
    running = asyncio.create_task(scene.alarms.run())

    await asyncio.wait_for(knocked.wait(), 5)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await scene.nodes.all() == {"node_1": scene.house.now}
