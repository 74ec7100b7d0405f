"""Two browsers without a server between them: their words go from one to the other, at any nodes, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from signaling.errors import BadSdp, Refused
from signaling.fields import SDP_LIMIT
from signaling.messages import MediaAnswer, MediaOffered, MediaTrickled, VisitPath
from signaling.path import path_of
from signaling.requests import End, MediaAnswered, MediaCandidates, MediaOffer
from tests.server.nodes.stage import City, Place, settled
from tests.server.rooms import START, House
from tests.signaling.people import ANN, BOB, CHECK_IN, HOST, POLICY
from tests.signaling.play import comes

DIRECT = replace(POLICY, media="direct")
OFFER = MediaOffer(peer="p1", round=1, sdp="v=0 the host's", direct=True)
ANSWER = MediaAnswered(peer="p1", round=1, sdp="v=0 ann's")
CANDIDATES = MediaCandidates(peer="p1", round=1, candidates=({"candidate": "x"},), done=True, direct=True)


@pytest.fixture
async def city() -> City:
    """Ann is connected at one node and her host at the other; their media need neither."""
    return await City(DIRECT).opened()


def told(place: Place, kind: type[Any]) -> list[tuple[tuple[str, ...], Any]]:
    return [(to, message) for to, message, _ in place.told if isinstance(message, kind)]


async def test_an_offer_reaches_the_other_browser_at_another_node_and_its_answer_comes_back(city: City) -> None:
    await city.two.handle(HOST, OFFER)
    await settled()
    assert told(city.one, MediaOffered) == [
        (("par_ann",), MediaOffered(participant="dr_host", peer="p1", round=1, sdp="v=0 the host's"))
    ]

    await city.one.handle(ANN, ANSWER)
    await city.one.handle(ANN, CANDIDATES)
    await settled()

    assert told(city.two, MediaAnswer) == [(("dr_host",), MediaAnswer(peer="p1", round=1, sdp="v=0 ann's", tracks=()))]
    assert told(city.two, MediaTrickled) == [
        (("dr_host",), MediaTrickled(peer="p1", round=1, candidates=({"candidate": "x"},), done=True))
    ]


async def test_no_node_has_any_media_of_it(city: City) -> None:
    for who, request in ((HOST, OFFER), (ANN, ANSWER), (ANN, CANDIDATES)):
        await (city.two if who is HOST else city.one).handle(who, request)
    await settled()

    assert (city.one.media.did, city.two.media.did) == ([], [])


async def test_what_was_said_before_an_end_is_not_passed_on_after_it(city: City) -> None:
    await city.two.handle(HOST, OFFER)
    await city.one.node.ask(ANN, End(visit="vis_ann"))
    await settled()

    assert told(city.one, MediaOffered) == []


@pytest.mark.parametrize("request_", [OFFER, ANSWER, CANDIDATES], ids=lambda request: type(request).__name__)
async def test_nobody_speaks_to_another_browser_before_admission_or_from_outside(request_: Any) -> None:
    house = House(DIRECT)
    await house.everybody_comes()
    city = City(DIRECT)
    place = Place(house, city.air, "node_1", node=house.node)
    for who in (ANN, HOST):
        with pytest.raises(Refused):
            await place.handle(who, request_)
    await house.node.ask(HOST, START)
    await house.node.door.fact("room_1", comes(BOB))
    await house.node.ask(BOB, CHECK_IN)

    with pytest.raises(Refused):
        await place.handle(BOB, request_)

    assert place.told == []


async def test_where_media_go_through_the_server_there_is_nobody_to_speak_to() -> None:
    city = await City().opened()

    for who, request in ((HOST, OFFER), (ANN, ANSWER)):
        with pytest.raises(Refused):
            await (city.two if who is HOST else city.one).handle(who, request)


async def test_a_description_that_is_none_is_refused_for_its_length(city: City) -> None:
    for who, request in ((HOST, OFFER), (ANN, ANSWER)):
        with pytest.raises(BadSdp):
            await (city.two if who is HOST else city.one).handle(who, replace(request, sdp="é" * SDP_LIMIT))


async def test_a_program_that_knows_of_no_other_way_has_the_server_for_both(city: City) -> None:
    await city.one.handle(ANN, MediaOffer(peer="p9", round=1, sdp="v=0"))
    await settled()

    assert path_of((await city.house.saved()).visits["vis_ann"]) == "relay"
    assert [type(message) for _, message in told(city.one, MediaAnswer)] == [MediaAnswer]
    assert [event["type"] for event in await city.house.told()][-1] == VisitPath.__struct_config__.tag
