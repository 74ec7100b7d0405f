"""What a node that carries a visit does: it tells the room, follows it, and lets go when the visit is another's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from server.bus.memory import Air
from server.media.contract import MediaFact, Renegotiate
from server.nodes.carrier import Carrier
from server.ports import StoreAway
from signaling.errors import NotFound, Refused
from signaling.events import MediaChanged, NodeGone
from signaling.messages import MediaRenegotiate, MediaReplace
from signaling.requests import End, MediaMode, MediaOffer, Rejoin
from signaling.state import Interval, Visit
from tests.server.nodes.stage import City, Place, settled
from tests.server.rooms import ROOM, House
from tests.signaling.people import ANN, HOST

OFFER = MediaOffer(peer="p1", round=1, sdp="v=0", audio_only=False)
END = End(visit="vis_ann")


@dataclass
class Stage:
    """The one node of a house, in Ann's visit."""

    house: House
    place: Place

    @property
    def carrier(self) -> Carrier:
        return self.place.many.carrier


@pytest.fixture
async def stage() -> Stage:
    house = House()
    await house.started()
    stage = Stage(house, Place(house, Air(), "node_1", node=house.node))
    await stage.place.handle(ANN, OFFER)
    return stage


@pytest.fixture
async def city() -> City:
    """Both parties' media are at the first node."""
    city = await City().opened()
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, MediaOffer(peer="p2", round=1, sdp="v=0", audio_only=False))
    for who in ("par_ann", "dr_host"):
        city.one.many.carrier.media_fact(MediaFact("vis_ann", who, "media_up", city.house.now))
    await settled()
    return city


async def visit(house: House) -> Visit:
    return (await house.saved()).visits["vis_ann"]


async def test_the_media_node_hears_since_when_somebody_is_in(stage: Stage) -> None:
    """Nothing that was sent before counts; the segment may have begun long before a client of a group was let in."""
    seat = (await visit(stage.house)).seats["par_ann"]
    assert stage.place.media.since == seat.attended[-1].start

    await stage.place.handle(HOST, OFFER)

    assert stage.place.media.since == (await visit(stage.house)).segments[-1].started_at


async def test_it_serves_whoever_has_somebody_to_talk_to_here_and_knows_nothing_of_visits_elsewhere(
    city: City,
) -> None:
    one, two = city.one.many.carrier, city.two.many.carrier
    city.one.media.up = {"par_ann", "dr_host"}
    assert one.serves("vis_ann", "par_ann") is True
    assert two.serves("vis_ann", "dr_host") is None

    city.one.media.up = {"par_ann"}

    assert one.serves("vis_ann", "par_ann") is False


# --- News of media


def up(kind: Any = "media_up", at: int = 0) -> MediaFact:
    return MediaFact("vis_ann", "par_ann", kind, at)


async def test_what_the_media_node_sees_is_told_to_the_room(stage: Stage) -> None:
    now = stage.house.now

    stage.carrier.media_fact(up(at=now))
    stage.carrier.media_fact(up("video_up", now))
    stage.house.now += 5000
    stage.carrier.media_fact(up("video_down", now + 4000))
    await stage.carrier.told(ROOM)

    there = await visit(stage.house)
    assert (there.media_node, there.media_fence, there.peers["par_ann"]) == ("node_1", 1, "p1")
    assert there.media["par_ann"].video == (Interval(now, now + 4000),)


async def test_news_of_a_visit_without_media_here_are_nobodys(stage: Stage) -> None:
    await stage.house.node.ask(HOST, END)
    told = list(stage.place.told)
    before = await stage.house.saved()

    stage.carrier.media_fact(up())
    stage.carrier.renegotiate(Renegotiate("vis_ann", "par_ann", "p1", 1, 1, "screen"))
    await stage.carrier.told(ROOM)

    assert await stage.house.saved() == before
    assert stage.place.told == told


class Slow:
    """Rooms whose store is away for the first tries."""

    def __init__(self, inner: Any, tries: int) -> None:
        self.inner = inner
        self.tries = tries
        self.facts: list[MediaChanged] = []

    async def fact(self, room: str, fact: MediaChanged) -> None:
        await asyncio.sleep(0)
        if self.tries:
            self.tries -= 1
            raise StoreAway
        if fact.kind == "video_down":
            raise NotFound
        self.facts.append(fact)


async def test_minutes_survive_a_store_that_is_away_in_their_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.nodes.carrier.AGAIN", 0.0)
    slow = Slow(stage.house.node.door, tries=3)
    stage.carrier._rooms = slow  # type: ignore[assignment]

    for kind in ("media_up", "video_up", "video_down", "media_down"):
        stage.carrier.media_fact(up(kind))
    await stage.carrier.told(ROOM)

    assert [fact.kind for fact in slow.facts] == ["media_up", "video_up", "media_down"]


async def test_a_stopping_node_waits_for_what_it_has_to_tell_but_not_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.nodes.carrier.FAREWELL", 0.02)
    stage.carrier.media_fact(up(at=stage.house.now))
    await stage.carrier.close()
    assert (await visit(stage.house)).media["par_ann"].up

    stage.carrier._rooms = Slow(stage.house.node.door, tries=10**9)  # type: ignore[assignment]
    stage.carrier.media_fact(up("media_down"))
    await stage.carrier.close()

    assert stage.carrier._telling == {}


async def test_a_wish_for_another_offer_reaches_its_browser_at_whatever_node(city: City) -> None:
    city.one.many.carrier.renegotiate(Renegotiate("vis_ann", "dr_host", "p2", 2, 1, "screen"))
    await settled()

    [told] = city.two.messages(MediaRenegotiate)
    assert (told.peer, told.receive, told.reason) == ("p2", {"audio": 2, "video": 1}, "screen")


async def test_who_is_not_heard_of_is_told_to_make_another_peer_at_whatever_node(city: City) -> None:
    city.one.many.carrier.media_fact(MediaFact("vis_ann", "dr_host", "media_silent", city.house.now))
    await settled()

    assert city.two.messages(MediaReplace) == [MediaReplace(peer="p2", reason="ice_failed")]


# --- The room is followed


async def test_an_end_at_another_node_stops_the_media_at_once(city: City) -> None:
    await city.two.node.ask(HOST, END)
    await settled()

    assert city.one.stops() == [("vis_ann", None)]
    assert await city.house.store.nodes.carriers(["vis_ann"]) == {}


async def test_the_room_is_listened_to_as_long_as_media_are_here(city: City) -> None:
    await city.one.many.listening.unsubscribe(ROOM)  # the last connection goes
    await city.one.many.listening.leave("one", ROOM)
    assert await city.house.store.nodes.rooms("one") == [ROOM]

    await city.two.node.ask(HOST, END)
    await settled()

    assert city.one.stops() == [("vis_ann", None)]
    assert await city.house.store.nodes.rooms("one") == []


async def test_an_end_whose_news_was_lost_stops_the_media_after_the_gap(city: City) -> None:
    city.house.store.rooms._publish = lambda room, events: None
    await city.two.node.ask(HOST, END)
    await settled()
    assert city.one.stops() == []

    city.air.lose()
    await settled()

    assert city.one.stops() == [("vis_ann", None)]


async def test_an_end_that_cannot_be_read_yet_is_read_when_the_store_is_back(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.nodes.following.AGAIN", 0.0)
    load, left = city.one.node.store.rooms.load, [3]

    async def shy(room: str) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreAway
        return await load(room)

    await city.two.node.ask(HOST, END)
    monkeypatch.setattr(city.house.store.rooms, "load", shy)
    await settled()

    assert left[0] == -1
    assert city.one.stops() == [("vis_ann", None)]


async def test_a_mode_that_was_set_at_another_node_is_followed(city: City) -> None:
    await city.two.node.ask(HOST, MediaMode(mode="audio", reason="bandwidth"))
    await settled()

    assert ("mode", "vis_ann", "dr_host", True) in city.one.media.did


# --- The node that carried the visit dies


async def test_who_has_people_of_a_visit_takes_it_over_and_tells_them_to_make_new_peers(city: City) -> None:
    dead = city.house.now

    await city.pass_time(2500, without=city.one)

    there = await visit(city.house)
    assert (there.media_node, there.media_fence, there.faults) == ("two", 2, ("media_node_lost",))
    assert [there.media[who].up[-1].end for who in ("par_ann", "dr_host")] == [dead, dead]
    assert there.phase == "in_progress"
    told = {who[0]: message for who, message, _ in city.two.told if isinstance(message, MediaReplace)}
    assert told == {
        "par_ann": MediaReplace(peer="p1", reason="node_lost"),
        "dr_host": MediaReplace(peer="p2", reason="node_lost"),
    }


async def test_a_frozen_node_that_is_back_stops_forwarding_and_its_facts_change_nothing(city: City) -> None:
    await city.pass_time(3000, without=city.one)
    taken = await city.house.saved()
    assert city.one.stops() == []
    late = MediaChanged("vis_ann", "par_ann", "media_up", city.house.now, "one", "p1", 1)
    await city.one.node.door.fact(ROOM, late)

    city.one.many.carrier.media_fact(up(at=city.house.now))
    await city.pass_time(500)

    assert city.one.stops() == [("vis_ann", None)]
    assert (await visit(city.house)).media == taken.visits["vis_ann"].media
    assert MediaReplace(peer="p1", reason="node_lost") in city.one.messages(MediaReplace)
    city.one.many.carrier.media_fact(up(at=city.house.now))
    await settled()
    assert (await visit(city.house)).media == taken.visits["vis_ann"].media


async def test_a_node_that_reads_of_a_higher_fence_stops_forwarding(city: City) -> None:
    await city.pass_time(3000, without=city.one)

    await city.one.node.door.present(ROOM)

    assert city.one.stops() == [("vis_ann", None)]


async def test_new_offers_go_to_the_new_carrier_and_its_facts_count(city: City) -> None:
    await city.pass_time(3000, without=city.one)

    await city.two.handle(HOST, MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False))
    city.two.many.carrier.media_fact(MediaFact("vis_ann", "dr_host", "media_up", city.house.now))
    await settled()

    there = await visit(city.house)
    assert there.media["dr_host"].up[-1] == Interval(city.house.now)
    assert there.lost_peers == {"par_ann": "p1"}


async def test_nobody_takes_over_what_has_ended(city: City) -> None:
    await city.two.node.ask(HOST, END)
    await settled()
    before = await city.house.saved()

    with pytest.raises(Refused):
        await city.two.many.leases.where("vis_ann", ROOM)
    await city.pass_time(3000, without=city.one)

    assert await city.house.saved() == before
    assert await city.house.store.nodes.carriers(["vis_ann"]) == {}


async def test_a_death_that_the_room_heard_of_before_is_told_too(city: City) -> None:
    await city.two.node.door.fact(ROOM, NodeGone("one", city.house.now))

    await city.pass_time(2500, without=city.one)

    assert {m.peer for m in city.two.messages(MediaReplace)} == {"p1", "p2"}
    assert (await visit(city.house)).faults.count("media_node_lost") == 1


async def test_another_segment_may_be_carried_by_another_node(city: City) -> None:
    await city.two.node.ask(HOST, END)
    await settled()
    for who in (ANN, HOST):
        await city.two.node.ask(who, Rejoin(visit="vis_ann"))
    await settled()
    city.one.many.places.draining = True

    await city.two.handle(HOST, OFFER)
    await city.one.handle(ANN, OFFER)

    assert [did[2] for did in city.two.media.did if did[0] == "offer"] == ["dr_host", "par_ann"]
    assert await city.house.store.nodes.carriers(["vis_ann"]) != {}
