"""Errands between nodes: asked again when nothing is heard, done once, and refused with the other node's own word."""

from __future__ import annotations

import asyncio
import gc

import pytest

from server.nodes.errands import Answered, Errand, Errands, Line, NotHere, Offered
from server.ports import StoreAway
from signaling.errors import BadSdp, SignalingError, Unavailable
from tests.server.nodes.stage import settled
from tests.signaling.people import ANN

OFFER = Offered("room_1", 7, 0, ANN, "vis_ann", "p1", 1, "v=0\r\n" * 5000, audio_only=False)
ANSWER = Answered("v=0 answer", (Line("0", "dr_host", "audio", "camera"),))


class Wire:
    """A channel between two nodes that loses letters at will."""

    def __init__(self) -> None:
        self.served: list[tuple[str, Errand]] = []
        self.answer: Answered | Exception = ANSWER
        self.lose: list[bool] = []
        """Of the next letters, which are lost; all later ones arrive."""
        self.letters = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        ids = iter(range(1000))
        self.nodes = {
            name: Errands(self, node=name, serve=self._serve, new_id=lambda: f"id{next(ids)}", patience=0.02)
            for name in ("n1", "n2")
        }

    async def post(self, node: str, letter: bytes) -> None:
        self.letters += 1
        if node == "nowhere":
            raise StoreAway
        if (not self.lose or not self.lose.pop(0)) and node in self.nodes:
            self.nodes[node].letter(letter)

    async def call(self, room: str, letter: bytes) -> None:
        raise AssertionError("errands are for one node")

    async def _serve(self, errand: Errand, by: str) -> Answered:
        self.served.append((by, errand))
        await self.go_on.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def wire() -> Wire:
    return Wire()


async def test_an_errand_is_done_at_the_other_node_and_answered(wire: Wire) -> None:
    assert await wire.nodes["n1"].ask("n2", OFFER) == ANSWER
    assert wire.served == [("n1", OFFER)]


@pytest.mark.parametrize("lost", [[True], [False, True], [True, True], [False, True, True]])
async def test_lost_letters_are_sent_again_and_the_errand_is_done_once(wire: Wire, lost: list[bool]) -> None:
    wire.lose = lost

    assert await wire.nodes["n1"].ask("n2", OFFER) == ANSWER
    assert len(wire.served) == 1


async def test_while_it_is_being_done_a_repeat_does_not_begin_it_again_nor_answer_before_it(wire: Wire) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    wire.go_on.clear()
    asking = asyncio.create_task(wire.nodes["n1"].ask("n2", OFFER))
    while wire.letters < 2:  # asked, and asked again
        await asyncio.sleep(0.005)
    await settled()
    assert wire.letters == 2, "nothing is answered yet"
    wire.go_on.set()

    assert await asking == ANSWER
    assert len(wire.served) == 1
    gc.collect()
    assert failed == [], "the repeat was let go without a word"


async def test_a_node_that_never_answers_is_asked_three_times(wire: Wire) -> None:
    with pytest.raises(Unavailable):
        await wire.nodes["n1"].ask("n3", OFFER)
    assert wire.letters == 3


@pytest.mark.parametrize("error", [BadSdp, NotHere, Unavailable])
async def test_the_other_nodes_refusal_is_raised_here(wire: Wire, error: type[SignalingError]) -> None:
    wire.answer = error("canary")

    with pytest.raises(error) as raised:
        await wire.nodes["n1"].ask("n2", OFFER)
    assert "canary" not in str(raised.value)


async def test_a_mistake_at_the_other_node_is_told_as_unavailable(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    for wire.answer in (ZeroDivisionError("canary"), StoreAway()):
        with pytest.raises(Unavailable):
            await wire.nodes["n1"].ask("n2", OFFER)

    assert "canary" not in caplog.text
    assert len(caplog.records) == 1


async def test_without_the_store_nothing_is_asked(wire: Wire) -> None:
    with pytest.raises(StoreAway):
        await wire.nodes["n1"].ask("nowhere", OFFER)


async def test_a_letter_that_cannot_be_understood_and_a_late_answer_change_nothing(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.nodes["n1"].letter(b"\xc1")
    wire.nodes["n2"].letter(b"\x93\xa3id9\xa2n1\x82\xa4type\xa8Answered\xa3sdp\xa0")
    await settled()

    assert wire.served == []
    assert len(caplog.records) == 1


async def test_only_the_latest_answers_are_kept(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.nodes.errands.KEPT", 2)

    for _ in range(5):
        await wire.nodes["n1"].ask("n2", OFFER)

    assert len(wire.nodes["n2"]._done) == 2


async def test_at_the_end_what_is_under_way_is_dropped(wire: Wire) -> None:
    wire.go_on.clear()
    asking = asyncio.create_task(wire.nodes["n1"].ask("n2", OFFER))
    await settled()

    await wire.nodes["n2"].close()

    assert not wire.nodes["n2"]._tasks
    with pytest.raises(Unavailable):
        await asking
