"""Peers with the server alone, from whatever node they are asked for: at one place, and only as long as they may be."""

from __future__ import annotations

import pytest

from server.nodes.errands import OfferedAlone
from server.nodes.placement import home
from server.ports import StoreAway
from signaling.errors import BadSdp, NotFound, Refused
from signaling.events import NodeGone
from signaling.messages import MediaAnswer
from signaling.requests import End, Leave, MediaCandidates, MediaOffer, Rejoin, Remove, Request, Start, StepAway
from tests.server.nodes.stage import City, Place, settled
from tests.server.rooms import ROOM, START
from tests.signaling.people import ANN, BOB, CHECK_IN, HOST
from tests.signaling.play import comes, goes

WARM = MediaOffer(peer="p1", round=1, sdp="v=0", purpose="warm")
HOSTS = MediaOffer(peer="p2", round=1, sdp="v=0", purpose="warm")
CHECK = MediaOffer(peer="c1", round=1, sdp="v=0", purpose="check")
VISIT = MediaOffer(peer="p1", round=2, sdp="v=0")
HOSTS_VISIT = MediaOffer(peer="p2", round=2, sdp="v=0")


@pytest.fixture
async def city() -> City:
    """Ann waits, connected at the first node, her host at the second."""
    return await City().waiting()


def at_home(city: City) -> tuple[Place, Place]:
    """Return (the home of the room's media, the other node)."""
    there = home(ROOM, city.one.many.leases.loads())
    return (city.one, city.two) if there == "one" else (city.two, city.one)


def peers(place: Place) -> set[tuple[str, str]]:
    """Whose peers, by which names, are alone with a node."""
    return {(participant, peer) for _, participant, peer in place.media.alone.here}


async def test_everybodys_warm_peers_are_at_the_home_of_their_room(city: City) -> None:
    there, other = at_home(city)

    await city.one.handle(ANN, WARM)
    await city.two.handle(HOST, HOSTS)

    assert (peers(there), peers(other)) == ({("par_ann", "p1"), ("dr_host", "p2")}, set())
    for place, who, peer in ((city.one, "par_ann", "p1"), (city.two, "dr_host", "p2")):
        [(to, answer, connection)] = place.told
        assert (to, connection) == ((who,), f"con_{who}")
        assert answer == MediaAnswer(peer=peer, round=1, sdp="answer to a warm", tracks=())


async def test_a_visit_begins_where_both_are_warm(city: City) -> None:
    there, other = at_home(city)
    await city.one.handle(ANN, WARM)
    await city.two.handle(HOST, HOSTS)
    await city.two.node.ask(HOST, START)
    await settled()
    assert peers(there) == {("par_ann", "p1"), ("dr_host", "p2")}, "Start closes none of them"

    await there.handle(ANN, VISIT)
    await there.handle(HOST, HOSTS_VISIT)

    assert peers(there) == set()
    assert [did[2:4] for did in there.media.did if did[0] == "offer"] == [("par_ann", "p1"), ("dr_host", "p2")]
    assert [did for did in other.media.did if did[0] == "offer"] == []
    await settled()
    assert there.many.alone.rooms() == set()


async def test_who_is_warm_where_the_visit_is_not_learns_it_at_once(city: City) -> None:
    there, other = at_home(city)
    await city.one.handle(ANN, WARM)
    await city.two.node.ask(HOST, START)
    await settled()
    await other.many.leases.where("vis_ann", ROOM)  # it begins elsewhere

    with pytest.raises(NotFound):
        await city.one.handle(ANN, VISIT)

    await city.one.handle(ANN, MediaOffer(peer="p3", round=1, sdp="v=0"))
    assert [did[2:4] for did in other.media.did if did[0] == "offer"] == [("par_ann", "p3")]
    assert there.media.did.count(("warm", "par_ann", "p1", 1)) == 1


@pytest.mark.parametrize("request_", [Leave(), Remove(participant="par_ann")], ids=["leave", "remove"])
async def test_a_client_who_is_out_keeps_no_peer(city: City, request_: Request) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)
    who, place = (ANN, city.one) if isinstance(request_, Leave) else (HOST, city.two)

    await place.node.ask(who, request_)  # type: ignore[arg-type]
    await settled()

    assert peers(there) == set()
    assert there.many.alone.rooms() == set()


async def test_who_drops_keeps_none_and_who_steps_away_keeps_it(city: City) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)
    await city.one.node.ask(ANN, StepAway())
    await settled()
    assert peers(there) == {("par_ann", "p1")}

    await city.one.node.door.fact(ROOM, goes(ANN))
    await settled()

    assert peers(there) == set()


async def test_with_their_node_the_peers_of_its_people_go(city: City) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)
    [at] = {c.node for c in (await city.house.saved()).connections.values() if c.who == ANN}

    await city.two.node.door.fact(ROOM, NodeGone(at, city.house.now))
    await settled()

    assert peers(there) == set()


async def test_a_device_that_another_displaced_keeps_none(city: City) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)

    await city.two.node.door.fact(ROOM, comes(ANN, device="laptop", connection="con_laptop", takeover=True))
    await settled()

    assert peers(there) == set()


async def test_without_anybody_who_waits_the_provider_keeps_none(city: City) -> None:
    there, _ = at_home(city)
    await city.two.handle(HOST, HOSTS)

    await city.one.node.ask(ANN, Leave())
    await settled()

    assert peers(there) == set()
    with pytest.raises(Refused):
        await city.two.handle(HOST, MediaOffer(peer="p4", round=1, sdp="v=0", purpose="warm"))


async def test_after_the_end_nobody_is_warm_until_they_agree(city: City) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)
    await city.two.node.ask(HOST, START)
    await city.two.node.ask(HOST, End(visit="vis_ann"))
    await settled()
    assert peers(there) == set()
    again = MediaOffer(peer="p5", round=1, sdp="v=0", purpose="warm")
    with pytest.raises(Refused):
        await city.one.handle(ANN, again)

    await city.one.node.ask(ANN, Rejoin(visit="vis_ann"))
    await city.one.handle(ANN, again)
    with pytest.raises(Refused):
        await city.two.handle(HOST, MediaOffer(peer="p6", round=1, sdp="v=0", purpose="warm"))

    assert peers(there) == {("par_ann", "p5")}


async def test_an_echo_ends_with_the_start(city: City) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, CHECK)
    assert peers(there) == {("par_ann", "c1")}

    await city.two.node.ask(HOST, START)
    await settled()

    assert peers(there) == set()


async def test_an_echo_that_was_to_become_warm_in_vain_ends_with_the_start_all_the_same(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is, is what it was let in for: the store was away when the other offer came to its gate."""
    there, _ = at_home(city)
    await city.one.handle(ANN, CHECK)

    async def away(room: str) -> object:
        raise StoreAway

    with monkeypatch.context() as during:
        during.setattr(city.house.store.rooms, "load", away)
        warm = OfferedAlone(ROOM, ANN, "warm", "c1", 2, "v=0", device="phone")
        with pytest.raises(StoreAway):
            await there.many.alone.serve(warm)
    assert peers(there) == {("par_ann", "c1")}

    await city.two.node.ask(HOST, START)
    await settled()

    assert peers(there) == set()


async def test_who_goes_while_the_answer_is_made_gets_none(city: City) -> None:
    there, _ = at_home(city)
    there.media.alone.while_answering = lambda: there.node.ask(HOST, Remove(participant="par_ann"))

    with pytest.raises(Refused):
        await city.one.handle(ANN, WARM)

    assert peers(there) == set()
    assert city.one.messages(MediaAnswer) == []


async def test_a_start_while_the_answer_is_made_leaves_the_peer_to_the_visit(city: City) -> None:
    there, _ = at_home(city)
    there.media.alone.while_answering = lambda: city.two.node.ask(HOST, START)

    await city.one.handle(ANN, WARM)

    assert peers(there) == {("par_ann", "p1")}


async def test_the_home_looks_itself_who_may(city: City) -> None:
    there, other = at_home(city)

    await city.one.node.door.fact(ROOM, comes(BOB))

    for by, device in ((BOB, "phone"), (HOST, "nowhere")):
        forged = OfferedAlone(ROOM, by, "warm", "px", 1, "v=0", device=device)
        with pytest.raises(Refused):
            await other.many.errands.ask(there.name, forged)

    assert [did for did in there.media.did if did[0] in {"warm", "stop alone"}] == []
    await settled()
    assert there.many.alone.rooms() == set()


async def test_what_was_before_they_were_connected_says_nothing(city: City) -> None:
    there, _ = at_home(city)
    await city.one.node.door.fact(ROOM, goes(ANN))
    past = await city.house.saved()
    await city.one.node.door.fact(ROOM, comes(ANN))
    await city.one.handle(ANN, WARM)

    there.many.alone.saw(past)

    assert peers(there) == {("par_ann", "p1")}


async def test_a_refusal_at_the_home_keeps_its_code_and_leaves_nothing(city: City) -> None:
    there, _ = at_home(city)
    there.media.alone.refuses = BadSdp()

    with pytest.raises(BadSdp):
        await city.one.handle(ANN, WARM)
    await settled()

    assert (peers(there), there.many.alone.rooms()) == (set(), set())


async def test_candidates_find_the_home_and_those_of_no_peer_are_refused(city: City) -> None:
    there, _ = at_home(city)
    some = MediaCandidates(peer="p1", round=1, candidates=({"candidate": "x"},))
    with pytest.raises(Refused):
        await city.one.handle(ANN, some)

    await city.one.handle(ANN, WARM)
    await city.one.handle(ANN, some)

    assert there.media.did[-1] == ("candidates alone", "par_ann", "p1", 1)


async def test_a_home_that_is_not_connected_hears_of_the_room_all_the_same(city: City) -> None:
    there, _ = at_home(city)
    for place in (city.one, city.two):
        await place.many.listening.unsubscribe(ROOM)

    await city.one.handle(ANN, WARM)
    await city.two.node.ask(HOST, Remove(participant="par_ann"))
    await settled()

    assert peers(there) == set()


async def test_news_that_were_missed_are_looked_for(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    there, _ = at_home(city)
    await city.one.handle(ANN, WARM)
    monkeypatch.setattr("server.nodes.following.AGAIN", 0.0)
    city.house.store.rooms._publish = lambda room, events: None
    load, left = there.node.store.rooms.load, [3]

    async def shy(room: str) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreAway
        return await load(room)

    await city.two.node.ask(HOST, Remove(participant="par_ann"))
    monkeypatch.setattr(city.house.store.rooms, "load", shy)
    there.many.gap()
    await settled()

    assert peers(there) == set()


async def test_another_clients_start_leaves_who_waits_as_they_are(city: City) -> None:
    there, _ = at_home(city)
    await city.one.node.door.fact(ROOM, comes(BOB))
    await city.one.node.ask(BOB, CHECK_IN)
    await city.one.handle(BOB, MediaOffer(peer="pb", round=1, sdp="v=0", purpose="warm"))

    await city.two.node.ask(HOST, Start(appointment="apt_ann"))
    await settled()

    assert peers(there) == {("par_bob", "pb")}
