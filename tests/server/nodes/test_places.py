"""A visit starts where its media have a place, and has it from then on; where there is none it does not start."""

from __future__ import annotations

import pytest

from server.nodes.placement import home
from server.nodes.places import KEPT, Places
from server.ports import StoreAway
from server.ports.nodes import Carried, Load
from signaling.errors import Overloaded
from signaling.requests import End, MediaOffer
from tests.server.nodes.stage import City, Place, settled
from tests.server.rooms import ROOM
from tests.signaling.people import HOST


class Desk:
    """The places of a node that carries what a test says, two visits at most."""

    def __init__(self) -> None:
        self.carried: list[tuple[str, str]] = []
        self.now = 50.0
        self.places = Places(lambda: self.carried, free=lambda visits: max(0, 2 - visits), steady=lambda: self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_place_that_is_kept_is_taken_until_its_visit_has_come_or_is_long_overdue(desk: Desk) -> None:
    assert desk.places.keep("r1")
    assert desk.places.load() == Load(visits=1, free=1)

    desk.carried.append(("v1", "r1"))
    assert desk.places.load() == Load(visits=1, free=1)
    assert desk.places.keep("r2")
    assert not desk.places.keep("r3")
    desk.now += KEPT + 0.1
    assert desk.places.keep("r3")


def test_a_room_that_has_a_place_needs_no_other(desk: Desk) -> None:
    desk.carried.append(("v1", "r1"))

    assert desk.places.keep("r2")
    assert desk.places.keep("r2")
    assert desk.places.keep("r1")
    assert desk.places.load() == Load(visits=2, free=0)


def test_who_drains_keeps_no_place(desk: Desk) -> None:
    desk.places.draining = True

    assert not desk.places.keep("r1")
    assert desk.places.load() == Load(visits=0, free=2, draining=True)


# --- Of two nodes


@pytest.fixture
async def city() -> City:
    """Ann's visit has just started, and nobody carries it yet; its room's home is the first node."""
    city = await City().opened()
    assert home(ROOM, city.two.many.leases.loads()) == "one"
    return city


async def carrier(city: City) -> Carried | None:
    await settled()
    return (await city.house.store.nodes.carriers(["vis_ann"])).get("vis_ann")


async def fill(city: City, *places: Place, free: int = 0) -> None:
    """Let these nodes have so few places that are free, and all hear of it."""
    for place in places:
        place.free = free
    await city.pass_time(1000)


@pytest.mark.parametrize("at", ["one", "two"])
async def test_a_visit_is_carried_by_its_home_from_its_start_on(city: City, at: str) -> None:
    asked = {"one": city.one, "two": city.two}[at]

    (await asked.many.media.place(ROOM))("vis_ann", 4)

    assert await carrier(city) == Carried("one", 5)
    assert city.one.many.places.load().visits == 1
    await city.two.node.ask(HOST, End(visit="vis_ann"))
    await settled()
    assert city.one.many.places.load().visits == 0


async def test_a_home_with_few_places_is_asked_for_one_and_keeps_it(city: City) -> None:
    await fill(city, city.one, free=1)

    begun = await city.two.many.media.place(ROOM)

    assert city.one.many.places.load() == Load(visits=1, free=0)
    begun("vis_ann", 0)
    assert await carrier(city) == Carried("one", 1)


async def test_a_full_home_is_gone_round_also_when_nobody_has_heard_that_it_is(city: City) -> None:
    await fill(city, city.one, free=1)
    city.one.free = 0

    (await city.two.many.media.place(ROOM))("vis_ann", 0)

    assert await carrier(city) == Carried("two", 1)


async def test_a_home_that_does_not_answer_is_gone_round(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(city, city.one, free=1)
    await city.one.bus.close()
    monkeypatch.setattr(city.two.many.errands, "_patience", 0.001)

    (await city.two.many.media.place(ROOM))("vis_ann", 0)

    assert await carrier(city) == Carried("two", 1)


async def test_where_no_node_has_a_place_a_visit_does_not_start(city: City) -> None:
    await fill(city, city.one, city.two)

    with pytest.raises(Overloaded) as refusal:
        await city.two.many.media.place(ROOM)

    assert (refusal.value.code, refusal.value.temporary, refusal.value.retry_after) == ("too_many", True, 5.0)


async def test_a_visit_that_runs_is_carried_though_no_node_has_a_place(city: City) -> None:
    await fill(city, city.one, city.two)

    await city.two.handle(HOST, MediaOffer(peer="p1", round=1, sdp="v=0", audio_only=False))

    assert await carrier(city) is not None


async def test_a_visit_that_is_over_before_its_carrier_begins_is_nobodys(city: City) -> None:
    await fill(city, city.one, free=1)
    begun = await city.two.many.media.place(ROOM)
    await city.two.node.ask(HOST, End(visit="vis_ann"))

    begun("vis_ann", 0)

    assert await carrier(city) is None
    assert city.one.many.places.load() == Load(visits=0, free=1)


async def test_while_the_store_is_away_no_place_is_promised(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(city, city.one, free=1)

    async def away(node: str, letter: bytes) -> None:
        raise StoreAway

    monkeypatch.setattr(city.two.bus, "post", away)
    with pytest.raises(StoreAway):
        await city.two.many.media.place(ROOM)
