"""Who carries a visit: found by everybody, taken over from the dead, and from nobody who was merely unheard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from server.nodes.leases import Leases
from server.ports import StoreAway
from server.ports.nodes import IDLE, Carried, Load
from server.store.memory import MemoryStore
from signaling.errors import Refused
from tests.server.nodes.stage import settled


class Ring:
    """Nodes over one store, and time for all of them."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.store = MemoryStore(lambda: self.now)
        self.taken: list[tuple[str, str, Carried]] = []
        self.lost: list[tuple[str, str]] = []
        self.refuses = False
        self.people = {"n1", "n2", "n3"}
        """Nodes with people of the room."""
        self.loads = dict.fromkeys(("n1", "n2", "n3"), IDLE)
        self.nodes = {name: self.node(name) for name in ("n1", "n2", "n3")}

    def node(self, name: str) -> Leases:
        async def taken(visit: str, room: str, lease: Carried) -> None:
            await asyncio.sleep(0)
            if self.refuses:
                raise Refused("the visit has ended")
            self.taken.append((name, visit, lease))

        return Leases(
            self.store.nodes,
            node=name,
            taken=taken,
            lost=lambda visit: self.lost.append((name, visit)),
            here=lambda room: name in self.people,
            load=lambda: self.loads.get(name, IDLE),
            steady=lambda: self.now / 1000,
        )

    async def live(self, ms: int, *who: str, step: int = 500) -> None:
        """Let time pass, while these nodes pulse."""
        for _ in range(ms // step):
            self.now += step
            for name in who:
                await self.store.nodes.beat(name, self.now)
                await self.nodes[name].tick()
            await settled()

    async def where(self, node: str, visit: str = "v1", **more: int) -> Carried:
        return await self.nodes[node].where(visit, "r1", **more)


@pytest.fixture
async def ring() -> Ring:
    """Three nodes that have known one another for a while."""
    ring = Ring()
    await ring.live(6000, "n1", "n2", "n3")
    return ring


async def test_the_first_who_asks_carries_and_all_others_find_it(ring: Ring) -> None:
    assert await ring.where("n1") == Carried("n1", 1)
    assert await ring.where("n2") == await ring.where("n3") == await ring.where("n1") == Carried("n1", 1)

    assert ring.taken == [("n1", "v1", Carried("n1", 1))]
    assert ring.nodes["n1"].fence("v1") == 1
    assert ring.nodes["n2"].fence("v1") is None


async def test_of_many_who_ask_at_once_one_carries(ring: Ring) -> None:
    found = await asyncio.gather(*(ring.where(node) for node in ("n1", "n2", "n3") for _ in range(3)))

    assert len(set(map(str, found))) == 1
    assert len(ring.taken) == 1


async def test_a_fence_is_above_what_the_room_has_seen(ring: Ring) -> None:
    assert await ring.where("n1", floor=41) == Carried("n1", 42)


async def test_a_dead_nodes_visit_is_taken_over_by_one_within_three_seconds(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n2")
    await ring.where("n3")
    last = ring.now

    await ring.live(2000, "n2", "n3")
    assert len(ring.taken) == 1
    await ring.live(500, "n2", "n3")

    assert [lease.fence for _, _, lease in ring.taken] == [1, 2]
    assert ring.taken[-1][0] in {"n2", "n3"}
    assert ring.nodes["n2"].alive_until("n1") == last
    assert await ring.where("n2") == await ring.where("n3") == ring.taken[-1][2]


async def test_who_has_nobody_of_the_room_takes_nothing_over_until_somebody_asks(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n2")
    ring.people = set()

    await ring.live(5000, "n2", "n3")
    assert len(ring.taken) == 1

    assert await ring.where("n3") == Carried("n3", 2)


async def test_a_frozen_node_that_is_back_lets_go_of_what_others_took_and_keeps_the_rest(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n1", "v2")
    await ring.where("n2")
    await ring.live(3000, "n2", "n3")

    await ring.live(500, "n1", "n2", "n3")

    assert ring.lost == [("n1", "v1")]
    assert ring.nodes["n1"].fence("v1") is None
    assert ring.nodes["n1"].fence("v2") == 1
    assert (await ring.where("n1")).node == "n2"


async def test_a_frozen_node_lets_go_also_of_what_is_taken_before_others_hear_that_it_is_back(ring: Ring) -> None:
    ring.people = set()  # nobody takes it over by themselves
    await ring.where("n1")
    await ring.where("n2")
    await ring.live(3000, "n2", "n3")

    await ring.nodes["n1"].tick()  # back, and it still has the visit
    assert await ring.where("n2") == Carried("n2", 2)
    await ring.live(500, "n1", "n2", "n3")

    assert ring.lost == [("n1", "v1")]


async def test_who_has_not_heard_of_others_for_a_while_takes_nobody_for_dead(ring: Ring) -> None:
    ring.people = set()
    await ring.where("n1")
    await ring.where("n2")
    await ring.live(3000, "n2", "n3")

    ring.now += 1500  # meanwhile the first is back, and the second is late with its own pulse

    assert await ring.where("n2") == Carried("n1", 1)


async def test_after_the_store_was_away_nobody_takes_anything_over_for_five_seconds(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n2")
    ring.now += 10_000  # nobody could pulse

    await ring.live(4500, "n2", "n3")
    assert len(ring.taken) == 1
    await ring.live(1000, "n2", "n3")

    assert len(ring.taken) == 2


async def test_a_node_knows_for_how_long_the_store_has_not_answered_it(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases, pulse = ring.nodes["n1"], ring.store.nodes.pulse

    async def none(node: str, load: Load = IDLE) -> None:
        raise StoreAway

    ring.now += 60_000  # frozen, and so it asked nobody
    assert leases.away_for() == 0
    monkeypatch.setattr(ring.store.nodes, "pulse", none)
    for _ in range(3):
        with pytest.raises(StoreAway):
            await leases.tick()
        ring.now += 1000
    assert leases.away_for() == 3

    monkeypatch.setattr(ring.store.nodes, "pulse", pulse)
    await leases.tick()

    assert leases.away_for() == 0


async def test_a_short_outage_makes_nobody_dead(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n2")
    ring.now += 3000

    await ring.live(500, "n2")
    await ring.live(6000, "n1", "n2", "n3")

    assert len(ring.taken) == 1
    assert ring.lost == []


async def test_a_new_node_is_not_dead_because_its_pulse_was_not_heard_yet(ring: Ring) -> None:
    newcomer = ring.node("n4")
    await ring.store.nodes.beat("n4", ring.now)
    await newcomer.where("v1", "r1")  # before its first pulse

    await ring.where("n1")
    await ring.live(2000, "n1")
    assert await ring.where("n1") == Carried("n4", 1)

    await ring.live(1000, "n1")
    assert await ring.where("n1") == Carried("n1", 2)


async def test_a_node_that_is_certainly_gone_is_not_waited_for(ring: Ring) -> None:
    await ring.where("n1")
    again = ring.node("n1-again")

    again.bury("n1")

    assert await again.where("v1", "r1") == Carried("n1-again", 2)


async def test_a_node_that_was_buried_is_not_waited_for_by_one_that_has_just_come(ring: Ring) -> None:
    await ring.where("n1")
    await ring.store.nodes.forget("n1")
    newcomer = ring.node("n4")

    assert await newcomer.where("v1", "r1") == Carried("n4", 2)


async def test_a_store_that_lost_its_memory_is_told_anew_with_a_higher_fence(ring: Ring) -> None:
    await ring.where("n1", floor=4)
    ring.store.nodes._carried.clear()
    ring.now += 1500

    await ring.live(500, "n1", "n2")

    assert ring.nodes["n1"].fence("v1") == 6
    assert await ring.where("n2") == Carried("n1", 6)
    assert ring.lost == []


async def test_a_visit_that_is_over_is_nobodys(ring: Ring) -> None:
    ring.refuses = True

    with pytest.raises(Refused):
        await ring.where("n1")
    assert ring.nodes["n1"].fence("v1") is None
    assert await ring.store.nodes.carriers(["v1"]) == {}


async def test_what_cannot_be_taken_over_because_it_ended_is_watched_no_more(
    ring: Ring, caplog: pytest.LogCaptureFixture
) -> None:
    await ring.where("n1")
    await ring.where("n2")
    ring.refuses = True

    await ring.live(6000, "n2", "n3")

    assert len([r for r in caplog.records if "fell silent" in r.message]) == 1
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
    assert await ring.store.nodes.carriers(["v1"]) == {}
    assert ring.nodes["n2"].fence("v1") is None


async def test_a_take_over_of_a_visit_that_ended_is_given_up_and_the_next_who_starts_it_carries_it(ring: Ring) -> None:
    await ring.where("n1")
    await ring.where("n2")
    ring.refuses = True
    await ring.live(6000, "n2", "n3")

    ring.refuses = False
    await ring.live(6000, "n2", "n3")

    assert await ring.store.nodes.carriers(["v1"]) == {}, "nobody tries on by themselves"
    assert (await ring.where("n2")).node == "n2"
    assert ring.nodes["n2"].fence("v1") is not None


async def test_a_released_visit_is_the_next_ones(ring: Ring) -> None:
    await ring.where("n1")
    assert ring.nodes["n1"].drop("v1")
    await ring.nodes["n1"].release("v1")

    assert await ring.where("n2") == Carried("n2", 2)


async def test_a_visit_that_comes_back_while_it_is_let_go_stays(ring: Ring) -> None:
    await ring.where("n1")
    ring.nodes["n1"].drop("v1")
    assert ring.nodes["n1"].fence("v1") is None

    await asyncio.gather(ring.where("n1"), ring.nodes["n1"].release("v1"))

    assert ring.nodes["n1"].fence("v1") == 1
    assert await ring.where("n2") == Carried("n1", 1)
    assert not ring.nodes["n2"].drop("v1")


async def test_a_visit_is_handed_over_while_its_node_lives(ring: Ring) -> None:
    lease = await ring.where("n1")

    assert await ring.nodes["n2"].take("v1", "r1", lease) == Carried("n2", 2)
    assert await ring.nodes["n3"].take("v1", "r1", lease) == Carried("n2", 2)


async def test_others_are_those_who_pulse(ring: Ring) -> None:
    await ring.live(3000, "n1", "n2")

    assert ring.nodes["n1"].others() == ["n2"]


async def test_no_more_is_watched_than_fits(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.nodes.leases.MOST_ELSEWHERE", 3)

    for number in range(10):
        ring.nodes["n1"].watch(f"v{number}", "r1", Carried("n2", 1))

    assert len(ring.nodes["n1"]._elsewhere) == 3


async def test_all_hear_what_the_others_that_live_have_to_do(ring: Ring) -> None:
    ring.loads["n2"] = Load(visits=3, free=1)
    await ring.live(1000, "n1", "n2", "n3")
    assert ring.nodes["n1"].loads() == {"n1": IDLE, "n2": Load(visits=3, free=1), "n3": IDLE}
    ring.loads["n1"] = Load(visits=1, free=9)
    assert ring.nodes["n1"].loads()["n1"] == Load(visits=1, free=9)  # its own at once

    await ring.live(2500, "n1", "n3")

    assert set(ring.nodes["n1"].loads()) == {"n1", "n3"}


async def test_it_pulses_until_its_end_also_over_errors_and_lets_go_of_everything(
    ring: Ring, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.nodes.leases.EVERY", 0.001)
    errors: list[Exception] = [StoreAway(), ZeroDivisionError()]
    pulse: Callable[[str], object] = ring.store.nodes.pulse
    beaten = asyncio.Event()

    async def shaky(node: str, load: Load) -> object:
        if errors:
            raise errors.pop(0)
        beaten.set()
        return await pulse(node, load)  # type: ignore[misc]

    async with ring.nodes["n1"] as leases:
        await leases.where("v1", "r1")
        monkeypatch.setattr(ring.store.nodes, "pulse", shaky)
        await beaten.wait()

    assert await ring.store.nodes.carriers(["v1"]) == {}
    assert ["ZeroDivisionError" in record.message for record in caplog.records] == [True]
