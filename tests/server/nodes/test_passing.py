"""Passing messages reach people at whatever node they are, in order, and nobody who has no right to them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from server.bus.memory import Air, MemoryBus
from server.nodes.passing import Passing, everybody_in
from server.ports import StoreAway
from signaling.messages import ChatLine, MediaReplace, Message, WaitingText
from signaling.requests import Leave, Remove
from tests.server.rooms import ROOM, START, House, Node
from tests.signaling.people import ANN, HOST

LINE = ChatLine(participant="dr_host", text="hello", at=1)


class Place:
    """A node of a house: what its people were told."""

    def __init__(self, house: House, air: Air, name: str) -> None:
        self.node: Node = house.another(name)
        self.told: list[tuple[tuple[str, ...], Message]] = []
        self.bus = MemoryBus(air, lambda room, events: None, lambda: None, node=name, called=self._called)
        self.passing = Passing(self.bus, node=name, rooms=self.node.door, here=self._here, seen=self._seen)

    def _called(self, room: str, letter: bytes) -> None:
        self.passing.called(room, letter)

    def _here(self, room: str, who: Collection[str], message: Message, connection: str | None) -> None:
        assert (room, connection) == (ROOM, None)
        self.told.append((tuple(who), message))

    def _seen(self, room: str) -> int:
        known = self.node.door.known(room)
        return known.seq if known is not None else 0


class Pair:
    """Two nodes of one house, both with people of the room."""

    def __init__(self) -> None:
        self.house = House()
        self.air = Air()
        self.one, self.two = (Place(self.house, self.air, name) for name in ("one", "two"))

    async def listen(self) -> Pair:
        for place in (self.one, self.two):
            await place.bus.subscribe(ROOM)
        return self

    async def settled(self) -> None:
        """Return when all that was said has arrived."""
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def visiting() -> Pair:
    pair = Pair()
    await pair.house.started()
    return await pair.listen()


@pytest.fixture
async def waiting() -> Pair:
    pair = Pair()
    await pair.house.everybody_comes()
    return await pair.listen()


async def test_words_are_told_here_at_once_and_at_the_other_node_soon_and_once_each(visiting: Pair) -> None:
    visiting.one.passing.tell(ROOM, ("par_ann",), LINE, visit="vis_ann")
    assert visiting.one.told == [(("par_ann",), LINE)]

    await visiting.settled()

    assert visiting.one.told == visiting.two.told == [(("par_ann",), LINE)]


async def test_words_of_a_room_arrive_in_the_order_in_which_they_were_said(visiting: Pair) -> None:
    lines = [ChatLine(participant="dr_host", text=str(number), at=number) for number in range(20)]

    for line in lines:
        visiting.one.passing.tell(ROOM, ("par_ann",), line, visit="vis_ann")
    await visiting.settled()

    assert [message for _, message in visiting.two.told] == lines


@pytest.mark.parametrize("parting", [Leave(), Remove(participant="par_ann")])
async def test_who_is_out_when_the_words_arrive_does_not_hear_them(visiting: Pair, parting: Leave | Remove) -> None:
    by = ANN if isinstance(parting, Leave) else HOST
    await visiting.house.node.ask(by, parting)

    visiting.one.passing.tell(ROOM, ("par_ann", "dr_host"), LINE, visit="vis_ann")
    await visiting.settled()

    assert all("par_ann" not in who for who, _ in visiting.two.told)


async def test_words_that_were_decided_on_before_the_parting_was_told_here_are_for_those_who_are_still_in(
    visiting: Pair,
) -> None:
    before = await visiting.house.saved()
    await visiting.house.node.ask(ANN, Leave())
    await visiting.one.node.door.present(ROOM)  # its people have heard

    visiting.one.passing.tell(ROOM, ("par_ann", "dr_host"), LINE, visit="vis_ann", seq=before.seq)
    await visiting.settled()

    assert all("par_ann" not in who for who, _ in visiting.one.told)


async def test_what_media_showed_is_told_to_nobody_here_who_was_told_that_they_are_out(visiting: Pair) -> None:
    """A media node sees its transports, and may not have read yet what the room's people have heard."""
    await visiting.house.node.ask(ANN, Leave())
    await visiting.one.node.door.present(ROOM)  # its people have heard

    visiting.one.passing.tell(ROOM, ("par_ann",), MediaReplace(peer="a", reason="ice_failed"), visit="vis_ann")
    await visiting.settled()

    assert visiting.one.told == visiting.two.told == []


async def test_nobody_hears_of_a_visit_that_is_not_theirs(waiting: Pair) -> None:
    waiting.one.passing.tell(ROOM, ("par_ann",), LINE, visit="vis_ann")  # she waits; it has not started
    waiting.one.passing.tell(ROOM, ("par_ann",), LINE, visit="vis_unknown")
    await waiting.settled()

    assert waiting.two.told == []


async def test_the_other_node_knows_at_least_what_the_speaker_knew(waiting: Pair) -> None:
    room = await waiting.two.node.door.present(ROOM)
    assert room is not None
    await waiting.house.node.ask(HOST, START)
    after = await waiting.house.saved()

    waiting.one.passing.tell(ROOM, everybody_in(after.visits["vis_ann"]), LINE, visit="vis_ann", seq=after.seq)
    await waiting.settled()

    assert waiting.two.told == [(("dr_host", "par_ann"), LINE)]


async def test_words_to_the_waiting_reach_who_still_waits(waiting: Pair) -> None:
    words = WaitingText(text="five minutes", status="late", minutes=5)

    waiting.one.passing.tell(ROOM, ("par_ann",), words, visit=None)
    await waiting.settled()
    await waiting.house.node.ask(ANN, Leave())
    waiting.one.passing.tell(ROOM, ("par_ann",), words, visit=None, seq=(await waiting.house.saved()).seq)
    await waiting.settled()

    assert waiting.two.told == [(("par_ann",), words)]


async def test_without_the_store_only_those_here_are_told(visiting: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreAway

    monkeypatch.setattr(visiting.one.bus, "call", away)
    visiting.one.passing.tell(ROOM, ("par_ann",), LINE, visit="vis_ann")
    monkeypatch.setattr(visiting.one.node.door, "present", away)
    visiting.two.passing.tell(ROOM, ("dr_host",), LINE, visit="vis_ann")
    await visiting.settled()

    assert visiting.one.told == [(("par_ann",), LINE)]
    assert visiting.two.told == [(("dr_host",), LINE)]


async def test_what_cannot_be_understood_is_left_alone(visiting: Pair, caplog: pytest.LogCaptureFixture) -> None:
    await visiting.one.bus.call(ROOM, b"\xc1")
    await visiting.settled()

    assert visiting.two.told == []
    assert len(caplog.records) == 2


async def test_a_node_that_cannot_keep_up_forgets_words_and_not_itself(
    visiting: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.nodes.passing.MOST", 3)

    passing = visiting.one.passing
    for _ in range(10):
        passing.tell(ROOM, ("par_ann",), LINE, visit="vis_ann")
    assert len(passing._tasks) == 3
    await passing.close()
    await visiting.settled()

    assert len(visiting.one.told) == 10
    assert visiting.two.told == []
