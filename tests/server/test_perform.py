"""What the shell does itself: media behind the gate, chat, and words to the waiting."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from server.bus.memory import Air
from server.ports import StoreAway
from signaling.effects import ClosePeers, MediaModeChanged
from signaling.errors import Forbidden, NotFound, Refused, SignalingError
from signaling.events import Opened
from signaling.fields import Devices
from signaling.messages import ChatLine, MediaAnswer, MediaModeTold, Message, Ok, WaitingText
from signaling.requests import (
    Chat,
    End,
    MediaCandidates,
    MediaMode,
    MediaOffer,
    MediaPrepare,
    MediaStats,
    Remove,
    TellWaiting,
)
from signaling.state import Who
from tests.server.nodes.stage import Place
from tests.server.rooms import ROOM, START, House
from tests.signaling.people import ANN, ANNS, BOB, CHECK_IN, CO, HOST, POLICY
from tests.signaling.play import comes

OFFER = MediaOffer(peer="p1", round=1, sdp="v=0", audio_only=False)
END = End(visit="vis_ann")


@dataclass
class Stage:
    """A performer at the one node of a house, and what it told to whom."""

    house: House
    told: list[tuple[tuple[str, ...], Message, str | None]] = field(default_factory=list)
    about: list[str | None] = field(default_factory=list)
    """Of what was told to people at all nodes: the visit, or None for those who wait."""

    def __post_init__(self) -> None:
        self.place = Place(self.house, Air(), "node_1", node=self.house.node)
        self.media, self.node, self.told = self.place.media, self.place.node, self.place.told
        self.performer = self.place.performer
        real = self.place.many.passing.tell

        def tell(room: str, to: Collection[str], words: Any, *, visit: str | None, seq: int = 0) -> None:
            self.about.append(visit)
            real(room, to, words, visit=visit, seq=seq)

        self.place.many.passing.tell = tell  # type: ignore[method-assign]

    async def handle(self, who: Who, request: Any) -> Ok:
        return await self.place.handle(who, request)

    def stops(self) -> list[tuple[str, str | None]]:
        return self.place.stops()

    def messages(self, kind: type[Message]) -> list[Any]:
        return self.place.messages(kind)


@pytest.fixture
async def waiting_stage() -> Stage:
    house = House()
    await house.everybody_comes()
    return Stage(house)


@pytest.fixture
async def stage() -> Stage:
    house = House()
    await house.started()
    return Stage(house)


# --- Before admission


async def test_an_offer_before_admission_reaches_no_media(waiting_stage: Stage) -> None:
    for who in (ANN, HOST, BOB):
        with pytest.raises(Refused):
            await waiting_stage.handle(who, OFFER)

    assert waiting_stage.media.did == []
    assert waiting_stage.told == []


async def test_ice_servers_of_a_visit_are_told_after_admission_only(waiting_stage: Stage) -> None:
    with pytest.raises(Refused):
        await waiting_stage.handle(ANN, MediaPrepare(purpose="visit"))
    await waiting_stage.node.ask(HOST, START)

    ok = await waiting_stage.handle(ANN, MediaPrepare(purpose="visit"))

    assert ok.ice_servers == ({"urls": ["stun:stun.example"]},)


async def test_another_client_negotiates_and_says_nothing_in_this_visit(stage: Stage) -> None:
    await stage.node.door.fact(ROOM, comes(BOB))
    await stage.node.ask(BOB, CHECK_IN)

    for request in (OFFER, MediaCandidates(peer="p", round=1, candidates=()), Chat(text="hello")):
        with pytest.raises(Refused):
            await stage.handle(BOB, request)

    assert (stage.media.did, stage.told) == ([], [])


async def test_nobody_negotiates_in_a_room_that_is_not_there() -> None:
    stage = Stage(House())

    with pytest.raises(NotFound):
        await stage.handle(HOST, OFFER)


# --- Offers


async def test_an_offer_is_answered_to_the_connection_it_came_from(stage: Stage) -> None:
    await stage.handle(ANN, OFFER)

    [(who, answer, connection)] = stage.told
    assert (who, connection) == (("par_ann",), "con_par_ann")
    assert isinstance(answer, MediaAnswer)
    assert (answer.peer, answer.round, answer.sdp) == ("p1", 1, "answer")
    assert answer.tracks == ({"mid": "0", "participant": "dr_host", "kind": "audio", "source": "camera"},)
    assert stage.media.others == ["dr_host"]  # named before they have come


@pytest.mark.parametrize("over", [END, Remove(participant="par_ann")])
async def test_a_peer_whose_visit_ended_while_it_was_answered_is_stopped_and_told_nothing(
    stage: Stage, over: End | Remove
) -> None:
    stage.media.while_answering = lambda: stage.node.ask(HOST, over)

    with pytest.raises(Refused):
        await stage.handle(ANN, OFFER)

    assert stage.stops()[-1][0] == "vis_ann"
    assert stage.messages(MediaAnswer) == []


async def test_a_refused_offer_keeps_its_code_and_leaves_the_visit_alone(stage: Stage) -> None:
    class Odd(SignalingError):
        code = "bad_sdp"

    stage.media.refuses = Odd()

    with pytest.raises(Odd):
        await stage.handle(ANN, OFFER)

    assert stage.stops() == []


@pytest.mark.parametrize(("camera", "reason"), [(True, "declined"), (False, "no_camera")])
async def test_the_flag_of_an_offer_becomes_the_participants_mode_with_a_reason(camera: bool, reason: str) -> None:
    house = House()
    stage = Stage(house)
    await stage.node.door.fact(ROOM, Opened(ANNS, POLICY))
    for who in (HOST, ANN):
        await stage.node.door.fact(ROOM, comes(who))
    await stage.node.ask(ANN, replace(CHECK_IN, devices=Devices(camera, True)))
    await stage.node.ask(HOST, START)

    await stage.handle(ANN, replace(OFFER, audio_only=True))

    attendee = (await house.saved()).visits["vis_ann"].attendees["par_ann"]
    assert (attendee.mode, attendee.reason) == ("audio", reason)
    assert ("offer", "vis_ann", "par_ann", "p1", 1, True) in stage.media.did
    [told] = stage.messages(MediaModeTold)
    assert (told.participant, told.mode, told.reason) == ("par_ann", "audio", reason)


async def test_an_offer_with_video_takes_the_flag_back(stage: Stage) -> None:
    await stage.node.ask(ANN, MediaMode(mode="audio", reason="bandwidth"))

    await stage.handle(ANN, OFFER)

    assert (await stage.house.saved()).visits["vis_ann"].attendees["par_ann"].mode == "video"


async def test_candidates_go_to_the_visit_they_belong_to(stage: Stage) -> None:
    await stage.handle(ANN, MediaCandidates(peer="p1", round=1, candidates=({"candidate": "x"},)))

    assert stage.media.did[-1] == ("candidates", "vis_ann", "par_ann", "p1", 1, 1)


async def test_a_purpose_that_is_not_the_visit_opens_nothing(stage: Stage) -> None:
    for purpose in ("check", "warm"):
        with pytest.raises(Refused):
            await stage.handle(ANN, replace(OFFER, purpose=purpose))

    assert stage.media.did == []


async def test_statistics_are_taken(stage: Stage) -> None:
    assert await stage.handle(ANN, MediaStats()) == Ok()


async def test_a_request_that_is_not_the_shells_is_a_mistake_of_ours(stage: Stage) -> None:
    with pytest.raises(AssertionError):
        await stage.handle(HOST, END)


# --- Words


async def test_chat_reaches_the_others_of_the_visit_alone(stage: Stage) -> None:
    await stage.node.door.fact(ROOM, comes(BOB))
    await stage.node.ask(BOB, CHECK_IN)

    await stage.handle(ANN, Chat(text="can you hear me?"))
    await stage.handle(HOST, Chat(text="yes"))

    assert [(who, message.text) for who, message, _ in stage.told if isinstance(message, ChatLine)] == [
        (("dr_host",), "can you hear me?"),
        (("par_ann",), "yes"),
    ]
    assert {message.participant for message in stage.messages(ChatLine)} == {"par_ann", "dr_host"}
    assert stage.about == ["vis_ann", "vis_ann"]


async def test_words_to_one_who_waits_reach_that_one(stage: Stage) -> None:
    await stage.node.door.fact(ROOM, comes(BOB))
    await stage.node.ask(BOB, CHECK_IN)
    [entry] = (await stage.house.saved()).entries

    await stage.handle(HOST, TellWaiting(entry=entry, text="five minutes"))

    [(who, told, _)] = stage.told
    assert who == ("par_bob",)
    assert isinstance(told, WaitingText)
    assert (told.text, told.status) == ("five minutes", "with_someone")
    assert stage.about == [None]


async def test_only_a_provider_of_theirs_speaks_to_the_waiting(waiting_stage: Stage) -> None:
    [entry] = (await waiting_stage.house.saved()).entries

    with pytest.raises(Forbidden):
        await waiting_stage.handle(ANN, TellWaiting(entry=entry, text="x"))
    with pytest.raises(NotFound):
        await waiting_stage.handle(CO, TellWaiting(entry=entry, text="x"))
    assert waiting_stage.told == []


# --- Effects


async def test_effects_reach_the_media(stage: Stage) -> None:
    room = await stage.house.saved()

    stage.performer.perform(room, (MediaModeChanged("vis_ann", "par_ann", True), ClosePeers("vis_ann", "par_ann")))
    stage.performer.perform(room, (ClosePeers("vis_ann"),))

    assert stage.media.did == [
        ("mode", "vis_ann", "par_ann", True),
        ("stop", "vis_ann", "par_ann"),
        ("stop", "vis_ann", None),
    ]
    [(who, told, _)] = stage.told
    assert set(who) == {"dr_host", "par_ann"}
    assert isinstance(told, MediaModeTold)


async def test_an_end_whose_answer_was_lost_still_stops_the_media(stage: Stage) -> None:
    await stage.handle(ANN, OFFER)
    stage.house.lose(saved=True)
    with pytest.raises(StoreAway):
        await stage.node.ask(HOST, END)
    assert stage.stops() == []

    await stage.node.door.recheck()

    assert stage.stops() == [("vis_ann", None)]


async def test_an_end_at_another_node_stops_the_media_once_it_is_known(stage: Stage) -> None:
    await stage.handle(ANN, OFFER)
    other = stage.house.another("b")
    await other.ask(HOST, END)

    await stage.node.door.present(ROOM)

    assert stage.stops() == [("vis_ann", None)]


async def test_a_mode_that_was_set_at_another_node_is_followed(stage: Stage) -> None:
    await stage.handle(ANN, OFFER)
    other = stage.house.another("b")
    await other.ask(ANN, MediaMode(mode="audio", reason="bandwidth"))

    await stage.node.door.present(ROOM)

    assert ("mode", "vis_ann", "par_ann", True) in stage.media.did
    assert stage.stops() == []


async def test_rooms_without_media_here_are_left_alone(stage: Stage) -> None:
    other = stage.house.another("b")
    await other.ask(HOST, END)

    await stage.node.door.present(ROOM)

    assert stage.media.did == []


@pytest.mark.parametrize(
    "request_",
    [
        Chat(text="hello"),
        OFFER,
        MediaCandidates(peer="p1"),
        MediaPrepare(),
        MediaStats(),
        TellWaiting(entry="e", text="x"),
    ],
)
async def test_a_displaced_device_neither_says_nor_sends_anything(stage: Stage, request_: Any) -> None:
    for who in (ANN, HOST):
        if isinstance(request_, TellWaiting) and who is ANN:
            continue
        taken = replace(comes(who), connection=f"con_new_{who.participant}", device="another", takeover=True)
        await stage.node.door.fact(ROOM, taken)
        did = list(stage.media.did)

        with pytest.raises(Refused):
            await stage.handle(who, request_)

        assert stage.media.did == did
        assert stage.messages(ChatLine) == []
