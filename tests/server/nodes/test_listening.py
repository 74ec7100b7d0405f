"""A node is noted at a room, and hears of it, as long as connections or media need it."""

from __future__ import annotations

import pytest

from server.nodes.listening import Listening
from server.ports import StoreAway


class Outside:
    """A bus and notes that write down what is asked of them, and may be away."""

    def __init__(self) -> None:
        self.noted: set[str] = set()
        self.heard: set[str] = set()
        self.away = False

    async def enter(self, node: str, room: str) -> None:
        self.noted.add(room)

    async def leave(self, node: str, room: str) -> None:
        if self.away:
            raise StoreAway
        self.noted.discard(room)

    async def subscribe(self, room: str) -> None:
        self.heard.add(room)

    async def unsubscribe(self, room: str) -> None:
        self.heard.discard(room)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def listening(outside: Outside) -> Listening:
    return Listening(outside, outside, node="n1")


async def come(listening: Listening) -> None:
    await listening.enter("n1", "r1")
    await listening.subscribe("r1")


async def go(listening: Listening) -> None:
    await listening.unsubscribe("r1")
    await listening.leave("n1", "r1")


async def test_connections_alone(listening: Listening, outside: Outside) -> None:
    await come(listening)
    assert (outside.noted, outside.heard, listening.has_people("r1")) == ({"r1"}, {"r1"}, True)

    await go(listening)
    assert (outside.noted, outside.heard, listening.has_people("r1")) == (set(), set(), False)


async def test_media_alone(listening: Listening, outside: Outside) -> None:
    await listening.begin("r1", "v1")
    await listening.begin("r1", "v2")
    assert (outside.noted, outside.heard, listening.has_people("r1")) == ({"r1"}, {"r1"}, False)

    await listening.end("r1", "v1")
    assert (outside.noted, outside.heard) == ({"r1"}, {"r1"})
    await listening.end("r1", "v2")
    assert (outside.noted, outside.heard) == (set(), set())


async def test_media_outlast_connections(listening: Listening, outside: Outside) -> None:
    await come(listening)
    await listening.begin("r1", "v1")

    await go(listening)
    assert (outside.noted, outside.heard, listening.has_people("r1")) == ({"r1"}, {"r1"}, False)
    await listening.end("r1", "v1")
    assert (outside.noted, outside.heard) == (set(), set())


async def test_connections_outlast_media(listening: Listening, outside: Outside) -> None:
    await listening.begin("r1", "v1")
    await listening.enter("n1", "r1")
    await listening.end("r1", "v1")
    assert outside.noted == {"r1"}

    await listening.subscribe("r1")
    assert outside.heard == {"r1"}
    await go(listening)
    assert (outside.noted, outside.heard) == (set(), set())


async def test_a_store_that_is_away_keeps_nobody_from_leaving(listening: Listening, outside: Outside) -> None:
    await listening.begin("r1", "v1")
    outside.away = True

    await listening.end("r1", "v1")
    await listening.end("r1", "v1")

    assert outside.heard == set()


async def test_rooms_with_people_are_noted_again_after_a_loss_and_those_that_were_left_are_not(
    listening: Listening, outside: Outside
) -> None:
    await come(listening)
    outside.noted.clear()

    await listening.note_again()
    assert outside.noted == {"r1"}

    await listening.leave("n1", "r1")
    await listening.note_again()
    assert outside.noted == set()


async def test_rooms_with_media_are_noted_again_after_a_loss(listening: Listening, outside: Outside) -> None:
    await listening.begin("r1", "v1")
    await come(listening)
    outside.noted.clear()

    await listening.note_again()

    assert outside.noted == {"r1"}
