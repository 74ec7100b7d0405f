"""Whatever node a browser is connected to: its visit's media are found, in one place, and moved as a whole."""

from __future__ import annotations

import asyncio

import pytest

from server.media.contract import MediaFact
from server.nodes.placement import home
from server.ports import StoreAway
from signaling.errors import BadSdp, Refused, Unavailable
from signaling.messages import MediaAnswer, MediaModeTold, MediaReplace
from signaling.requests import Chat, End, MediaCandidates, MediaMode, MediaOffer, Remove
from signaling.state import Interval
from tests.server.nodes.stage import City, Place, settled
from tests.server.rooms import ROOM
from tests.signaling.people import ANN, BOB, HOST
from tests.signaling.play import comes, goes

OFFER = MediaOffer(peer="p1", round=1, sdp="v=0", audio_only=False)
HOSTS = MediaOffer(peer="p2", round=1, sdp="v=0 host", audio_only=False)


@pytest.fixture
async def city() -> City:
    return await City().opened()


def offers(place: Place) -> list[tuple[str, str]]:
    """Whose offers, of which peers, reached the media of a node."""
    return [(did[2], did[3]) for did in place.media.did if did[0] == "offer"]


async def test_offers_of_both_nodes_meet_at_the_rooms_home(city: City) -> None:
    assert home(ROOM, city.one.many.leases.loads()) == home(ROOM, city.two.many.leases.loads()) == "one"

    await city.two.handle(HOST, HOSTS)
    await city.one.handle(ANN, OFFER)

    assert offers(city.one) == [("dr_host", "p2"), ("par_ann", "p1")]
    assert offers(city.two) == []
    [answer] = city.two.messages(MediaAnswer)
    assert (answer.peer, answer.sdp) == ("p2", "answer")
    assert answer.tracks == ({"mid": "0", "participant": "dr_host", "kind": "audio", "source": "camera"},)
    assert city.two.told[-1][2] == "con_dr_host"  # to the connection that asked, and to no other


async def test_offers_at_the_same_time_meet_too(city: City) -> None:
    await asyncio.gather(city.one.handle(ANN, OFFER), city.two.handle(HOST, HOSTS))

    assert sorted([len(offers(city.one)), len(offers(city.two))]) == [0, 2]


async def test_where_the_home_drains_another_node_begins_to_carry(city: City) -> None:
    city.one.many.places.draining = True
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, HOSTS)

    assert offers(city.two) == [("par_ann", "p1"), ("dr_host", "p2")]
    assert city.one.many.leases.loads()["one"].draining


async def test_a_home_that_drains_unheard_takes_nothing_and_the_next_does(city: City) -> None:
    city.one.many.places.draining = True
    assert not city.two.many.leases.loads()["one"].draining

    await city.two.handle(HOST, HOSTS)

    assert offers(city.two) == [("dr_host", "p2")]


async def test_a_home_that_does_not_answer_is_gone_round(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    await city.one.bus.close()
    monkeypatch.setattr(city.two.many.errands, "_patience", 0.001)

    await city.two.handle(HOST, HOSTS)

    assert offers(city.two) == [("dr_host", "p2")]


async def test_who_carries_a_visit_keeps_it_though_another_node_is_home(city: City) -> None:
    city.one.many.places.draining = True
    await city.two.handle(HOST, HOSTS)
    city.one.many.places.draining = False

    await city.one.handle(ANN, OFFER)

    assert offers(city.one) == []
    assert offers(city.two) == [("dr_host", "p2"), ("par_ann", "p1")]


async def test_candidates_find_the_carrier(city: City) -> None:
    await city.one.handle(ANN, OFFER)

    await city.two.handle(HOST, MediaCandidates(peer="p2", round=1, candidates=({"candidate": "x"},)))

    assert city.one.media.did[-1] == ("candidates", "vis_ann", "dr_host", "p2", 1, 1)


async def test_a_refusal_at_the_carrier_keeps_its_code(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    city.one.media.refuses = BadSdp()

    with pytest.raises(BadSdp):
        await city.two.handle(HOST, HOSTS)
    assert city.two.messages(MediaAnswer) == []


async def test_the_carrier_looks_itself_who_is_in(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    from server.nodes.errands import Offered  # a forged one, past the gate of the other node

    for by in (BOB, ANN):
        with pytest.raises(Refused):
            forged = Offered(ROOM, 0, 0, by, "vis_bob" if by is ANN else "vis_ann", "px", 1, "v=0", audio_only=False)
            await city.two.many.errands.ask("one", forged)

    assert offers(city.one) == [("par_ann", "p1")]


@pytest.mark.parametrize("over", [End(visit="vis_ann"), Remove(participant="par_ann")])
async def test_a_visit_that_ends_while_the_answer_is_made_elsewhere_leaves_no_peer(
    city: City, over: End | Remove
) -> None:
    await city.one.handle(HOST, HOSTS)
    city.one.media.while_answering = lambda: city.one.node.ask(HOST, over)

    with pytest.raises(Refused):
        await city.two.handle(ANN, OFFER)

    assert ("vis_ann", "par_ann") in city.one.stops() or ("vis_ann", None) in city.one.stops()
    assert city.two.messages(MediaAnswer) == []


async def test_the_flag_of_an_offer_is_told_to_the_other_node(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, MediaOffer(peer="p2", round=1, sdp="v=0", audio_only=True))
    await settled()

    assert [told.mode for told in city.one.messages(MediaModeTold)] == ["audio"]
    await city.one.node.ask(ANN, MediaMode(mode="audio", reason="bandwidth"))
    await settled()
    assert [told.participant for told in city.two.messages(MediaModeTold)] == ["dr_host", "par_ann"]


async def test_an_offer_finds_a_visit_that_went_elsewhere_meanwhile(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, HOSTS)
    city.one.many.leases.drop("vis_ann")
    await city.one.many.leases.release("vis_ann")  # and nobody told the second node

    await city.two.handle(HOST, MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False))

    assert offers(city.one)[-1] == ("dr_host", "p3")  # asked, it carries it again


async def test_an_offer_for_a_dead_node_is_answered_by_who_took_the_visit_over(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, HOSTS)
    await city.one.bus.close()
    await city.pass_time(2500, without=city.one)

    await city.two.handle(HOST, MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False))

    assert offers(city.two) == [("dr_host", "p3")]


async def test_an_offer_for_a_carrier_that_was_buried_meanwhile_is_answered_here(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, HOSTS)
    await city.one.bus.close()
    await city.house.store.nodes.forget("one")
    monkeypatch.setattr(city.two.many.errands, "_patience", 0.001)

    await city.two.handle(HOST, MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False))

    assert offers(city.two) == [("dr_host", "p3")]


async def test_a_carrier_that_does_not_answer_is_temporary(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    await city.one.handle(ANN, OFFER)
    await city.one.bus.close()
    monkeypatch.setattr(city.two.many.errands, "_patience", 0.001)

    with pytest.raises(Unavailable):
        await city.two.handle(HOST, HOSTS)


async def test_a_device_that_was_displaced_at_another_node_is_no_longer_forwarded(city: City) -> None:
    await city.one.handle(HOST, HOSTS)
    await city.two.handle(ANN, OFFER)
    laptop = comes(ANN, connection="con_laptop", device="laptop", takeover=True)

    await city.two.node.door.fact(ROOM, laptop)
    await settled()

    assert city.one.stops() == [("vis_ann", "par_ann")]
    offer = MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False)
    await city.two.handle(ANN, offer, connection="con_laptop", device="laptop")
    await settled()
    assert city.one.stops() == [("vis_ann", "par_ann")]


async def test_the_older_devices_media_stop_before_the_newers_begin(city: City) -> None:
    await city.one.handle(HOST, HOSTS)
    await city.two.handle(ANN, OFFER)
    city.house.store.rooms._publish = lambda room, events: None  # the news of it is lost
    laptop = comes(ANN, connection="con_laptop", device="laptop", takeover=True)
    await city.two.node.door.fact(ROOM, laptop)

    offer = MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False)
    await city.two.handle(ANN, offer, connection="con_laptop", device="laptop")

    assert [did[0] for did in city.one.media.did if did[0] in {"offer", "stop"}] == ["offer", "offer", "stop", "offer"]


async def test_a_drop_stops_no_media(city: City) -> None:
    await city.two.handle(HOST, HOSTS)
    await city.one.handle(ANN, OFFER)

    await city.one.node.door.fact(ROOM, goes(ANN))
    await city.one.node.door.fact(ROOM, comes(ANN, connection="con_again", resumed=True))
    await settled()

    assert city.two.stops() == []


async def test_chat_goes_on_whatever_becomes_of_the_media(city: City) -> None:
    await city.one.handle(ANN, Chat(text="hello"))
    await settled()

    assert [who for who, _, _ in city.two.told] == [("dr_host",)]


# --- A draining node


async def test_a_draining_node_hands_its_visits_over_and_forwards_until_its_browsers_have_gone(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.two.handle(HOST, HOSTS)
    for who in ("par_ann", "dr_host"):
        city.one.many.carrier.media_fact(MediaFact("vis_ann", who, "media_up", city.house.now))
    await settled()
    begun = city.house.now
    city.house.now += 60_000

    assert await city.one.many.media.hand_over() == 1
    await settled()

    visit = (await city.house.saved()).visits["vis_ann"]
    assert (visit.media_node, visit.media_fence, visit.faults) == ("two", 2, ())
    assert visit.media["par_ann"].up == (Interval(begun, city.house.now),)
    assert {(m.peer, m.reason) for m in city.one.messages(MediaReplace)} == {("p1", "moved"), ("p2", "moved")}
    assert city.two.messages(MediaReplace) == city.one.messages(MediaReplace)
    assert city.one.stops() == []
    await city.one.handle(ANN, MediaOffer(peer="p3", round=1, sdp="v=0", audio_only=False))
    assert offers(city.two) == [("par_ann", "p3")]


async def test_a_visit_that_was_handed_over_still_ends_at_the_old_node(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.one.many.media.hand_over()
    await settled()

    await city.two.node.ask(HOST, End(visit="vis_ann"))
    await settled()

    assert ("vis_ann", None) in city.one.stops()
    assert await city.house.store.nodes.carriers(["vis_ann"]) == {}


async def test_alone_a_draining_node_keeps_what_it_carries(city: City) -> None:
    await city.one.handle(ANN, OFFER)
    await city.pass_time(2500, without=city.two)

    assert await city.one.many.media.hand_over() == 0
    assert city.one.many.leases.fence("vis_ann") == 1


async def test_of_two_nodes_that_drain_at_once_neither_takes_what_the_other_has(city: City) -> None:
    await city.one.handle(ANN, OFFER)

    assert await city.two.many.media.hand_over() == 0
    assert await city.one.many.media.hand_over() == 0

    assert city.one.many.leases.fence("vis_ann") == 1


async def test_what_cannot_be_handed_over_stays(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    await city.one.handle(ANN, OFFER)

    async def away(node: str, letter: bytes) -> None:
        raise StoreAway

    monkeypatch.setattr(city.one.bus, "post", away)
    assert await city.one.many.media.hand_over() == 0
    monkeypatch.undo()
    await city.two.bus.close()
    monkeypatch.setattr(city.one.many.errands, "_patience", 0.001)
    assert await city.one.many.media.hand_over() == 0

    assert city.one.many.leases.fence("vis_ann") == 1
