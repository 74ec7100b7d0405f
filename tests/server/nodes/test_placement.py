"""Rooms spread over the nodes, stay where they are, and go round those that are full."""

from __future__ import annotations

from collections import Counter

from server.nodes.placement import home, order, takes
from server.ports.nodes import IDLE, Load

ROOMS = [f"room_{number:016x}" for number in range(0, 40 * 7919, 7919)]
FOUR = dict.fromkeys(("node_a", "node_b", "node_c", "node_d"), IDLE)
FULL, DRAINING = Load(visits=9, free=0), Load(visits=0, free=9, draining=True)


def test_forty_rooms_spread_over_four_nodes() -> None:
    shares = Counter(home(room, FOUR) for room in ROOMS)

    assert len(ROOMS) == 40
    assert set(shares) == set(FOUR)
    assert max(shares.values()) <= 15  # ten each, give or take what chance gives
    assert min(shares.values()) >= 5


def test_many_rooms_spread_evenly_over_however_many_nodes() -> None:
    for number in (2, 3, 5, 8):
        nodes = dict.fromkeys((f"node_{node}" for node in range(number)), IDLE)
        shares = Counter(home(f"room_{room}", nodes) for room in range(2000))

        assert max(shares.values()) < 1.25 * 2000 / number
        assert min(shares.values()) > 0.75 * 2000 / number


def test_when_a_node_goes_or_comes_only_its_share_moves() -> None:
    three = {node: load for node, load in FOUR.items() if node != "node_c"}

    for room in ROOMS:
        before, after = home(room, FOUR), home(room, three)
        assert after == before or before == "node_c"
    assert {home(room, three) for room in ROOMS if home(room, FOUR) == "node_c"} == set(three)


def test_every_node_finds_the_same_home_in_whatever_order_it_heard_of_the_nodes() -> None:
    backwards = dict(reversed(FOUR.items()))

    assert [order(room, FOUR) for room in ROOMS] == [order(room, backwards) for room in ROOMS]


def test_a_full_node_is_gone_round_and_the_rest_of_the_order_stays() -> None:
    for room in ROOMS:
        liked = order(room, FOUR)

        assert order(room, FOUR | {liked[0]: FULL}) == [*liked[1:], liked[0]]
        assert order(room, FOUR | {liked[0]: DRAINING, liked[1]: FULL}) == [*liked[2:], liked[1], liked[0]]


def test_where_all_are_full_the_least_loaded_carries_what_must_be_carried() -> None:
    loads = {"node_a": Load(visits=12, free=0), "node_b": Load(visits=7, free=0), "node_c": DRAINING}

    assert {home(room, loads) for room in ROOMS} == {"node_b"}


def test_alone_a_draining_node_is_home_and_with_no_node_there_is_none() -> None:
    assert home("room_1", {"node_a": DRAINING}) == "node_a"
    assert home("room_1", {}) is None


def test_a_node_takes_a_visit_while_it_has_room_and_does_not_drain() -> None:
    assert takes(IDLE)
    assert not takes(FULL)
    assert not takes(DRAINING)
