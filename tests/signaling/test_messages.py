"""The wire: what may come in is bounded, and a visit looks as the protocol says."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from signaling.messages import (
    ClientReady,
    Message,
    QueueEntered,
    StateEvent,
    VisitClosed,
    VisitEnded,
    VisitRejoinPending,
    VisitResumed,
    VisitStarted,
    Welcome,
)
from signaling.policy import MINUTE
from signaling.requests import AnyRequest, CheckIn, End, Finish, Hello, Rejoin, Start
from signaling.state import Who
from signaling.view import view
from tests.signaling.people import ANN, HOST, SOON
from tests.signaling.play import Played, asks, play

DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyRequest)

WALK_THROUGH = [
    {"type": "hello", "protocol": 1, "ticket": "tkt", "device": "phone-1"},
    {
        "type": "check_in",
        "id": 1,
        "place": {"state": "CO", "kind": "home"},
        "consent": {"version": "2024-1"},
        "privacy": True,
        "devices": {"camera": True, "microphone": True},
        "media": "video",
    },
    {"type": "start", "id": 5, "appointment": "apt_ann", "expect": 1},
    {"type": "media.offer", "id": 2, "peer": "any-id-of-mine", "round": 1, "sdp": "v=0..", "audio_only": False},
    {"type": "end", "id": 3, "visit": "vis_ann"},
    {"type": "rejoin", "id": 4, "visit": "vis_ann"},
    {"type": "rejoin", "id": 6, "visit": "vis_ann"},
    {"type": "end", "id": 7, "visit": "vis_ann"},
    {"type": "finish", "id": 8, "visit": "vis_ann"},
]
"""The requests of the protocol's visit, in its order."""


def decode(message: dict[str, Any]) -> Any:
    return DECODER.decode(json.dumps(message).encode())


def wire(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(msgspec.json.encode(message))
    return told


def keys(message: Message) -> set[str]:
    """The fields of a message, less those that every state event has."""
    return set(wire(message)) - {"epoch", "seq", "at", "version", "type"}


@pytest.mark.parametrize("message", WALK_THROUGH, ids=lambda m: f"{m['type']}-{m.get('id')}")
def test_each_request_of_the_protocols_visit_is_understood(message: dict[str, Any]) -> None:
    request = decode(message)

    assert request.__struct_config__.tag == message["type"]
    for name, value in message.items():
        if name != "type":
            assert msgspec.to_builtins(getattr(request, name)) == value


def test_the_protocols_visit_plays_and_each_event_has_the_fields_it_names() -> None:
    _, check_in, start, _, end, rejoin_c, rejoin_p, end_p, finish = (decode(m) for m in WALK_THROUGH)
    moves: list[tuple[Who, Any]] = [
        (ANN, check_in),
        (HOST, start),
        (ANN, end),
        (ANN, rejoin_c),
        (HOST, rejoin_p),
        (HOST, end_p),
        (HOST, finish),
    ]

    played: Played = play()
    for number, (who, request) in enumerate(moves):
        played.move(SOON + number * MINUTE, asks(who, request))

    def one(kind: type[StateEvent], who: Who, nth: int = 0) -> StateEvent:
        return played.told(kind, who)[nth]

    entered = wire(one(QueueEntered, HOST))["entry"]
    assert {"id", "appointment", "rev", "client", "since", "verified", "acknowledged", "away"} <= entered.keys()
    assert {"devices", "media", "place", "flags"} <= entered.keys()
    assert (entered["rev"], entered["client"].keys()) == (1, {"id", "name"})
    assert keys(one(ClientReady, HOST)) == {"entry"}
    for who in (ANN, HOST):
        assert {"visit", "appointment", "segment", "participants", "ice_servers"} <= keys(one(VisitStarted, who))
        assert {"visit", "by", "reason", "rejoin_until"} <= keys(one(VisitEnded, who))
        assert {"visit", "agreed", "rejoin_until"} <= keys(one(VisitRejoinPending, who))
        assert {"visit", "segment", "ice_servers"} <= keys(one(VisitResumed, who))
        assert {"visit", "outcome"} <= keys(one(VisitClosed, who))
    assert wire(one(VisitStarted, HOST))["segment"] == 1
    assert {"id", "role", "name"} <= wire(one(VisitStarted, ANN))["participants"][0].keys()
    assert (wire(one(VisitEnded, HOST))["by"], wire(one(VisitResumed, ANN))["segment"]) == ("client", 2)
    assert [(r.visit, r.rev) for r in played.replies[1:]] == [("vis_ann", n) for n in (2, 3, 4, 5, 6, 7)]


def test_views_have_the_fields_that_the_protocol_names() -> None:
    room = play().room

    assert {"type", "version", "phase", "rev", "provider", "practice", "appointment", "checked_in"} <= wire(
        view(room, ANN)
    ).keys()
    assert {"type", "version", "status", "waiting", "unverified", "appointments", "visits"} <= wire(
        view(room, HOST)
    ).keys()
    assert wire(view(room, HOST))["appointments"][0].keys() >= {"id", "rev", "phase", "start", "end", "host", "group"}
    assert wire(view(room, HOST))["appointments"][0]["clients"][0].keys() >= {"id", "name", "seat", "presence"}


def test_a_welcome_is_what_the_protocol_shows() -> None:
    said = Welcome(
        connection="con_1", secret="s", resume_for=60, role="client", heartbeat=10, limits={}, recovered=False
    )

    assert wire(said) == {
        "type": "welcome",
        "connection": "con_1",
        "secret": "s",
        "resume_for": 60,
        "role": "client",
        "heartbeat": 10,
        "limits": {},
        "recovered": False,
    }


@pytest.mark.parametrize(
    "message",
    [
        {"type": "become_provider"},
        {"type": "queue.entered", "entry": {}},
        {},
        {"type": "start", "id": -1},
        {"type": "start", "id": "5"},
        {"type": "start", "key": ""},
        {"type": "start", "key": "k" * 65},
        {"type": "start", "appointment": "a" * 65},
        {"type": "start", "expect": -1},
        {"type": "end"},
        {"type": "end", "visit": ""},
        {"type": "check_in", "place": {"state": "CO", "kind": "moon"}},
        {"type": "check_in", "place": {"state": "C", "kind": "home"}},
        {"type": "check_in", "place": {"state": "CO", "kind": "home"}, "media": "smell"},
        {"type": "check_in", "place": {"state": "CO", "kind": "home"}, "display_name": "n" * 101},
        {"type": "check_in", "place": {"state": "CO", "kind": "home"}, "display_name": ""},
        {"type": "set_status", "status": "asleep"},
        {"type": "set_status", "status": "late", "minutes": 601},
        {"type": "tell_waiting", "entry": "e", "text": "t" * 2001},
        {"type": "chat", "text": ""},
        {"type": "media.candidates", "peer": "p", "candidates": [{}] * 65},
        {"type": "media.mode", "mode": "audio", "reason": "because"},
        {"type": "finish", "visit": "v", "outcomes": [{"client": "c", "outcome": "vanished"}]},
        {"type": "hello", "device": "d"},
        {"type": "hello", "protocol": 1, "device": "d", "ticket": "t" * 129},
        {"type": "hello", "protocol": 1, "device": "d", "resume": {"connection": "c"}},
    ],
    ids=json.dumps,
)
def test_what_is_not_of_the_form_is_not_understood(message: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(message)


@pytest.mark.parametrize("frame", [b"", b"[]", b"null", b'"start"', b"{", b"\xff\xfe", b'{"type":"ping"}{}'])
def test_what_is_no_object_is_not_understood(frame: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        DECODER.decode(frame)


def test_what_a_newer_browser_adds_is_overlooked() -> None:
    assert decode({"type": "end", "visit": "vis_1", "mood": "fine"}) == End(visit="vis_1")


@pytest.mark.parametrize("kind", get_args(AnyRequest), ids=lambda kind: kind.__name__)
def test_json_and_messagepack_say_the_same(kind: type[msgspec.Struct]) -> None:
    smallest = {
        "hello": Hello(protocol=1, device="d"),
        "check_in": decode(WALK_THROUGH[1]),
        "start": Start(appointment="a", expect=0),
        "finish": Finish(visit="v"),
        "rejoin": Rejoin(visit="v"),
    }
    made = smallest.get(str(kind.__struct_config__.tag))
    if made is None:
        made = decode(
            {
                "type": kind.__struct_config__.tag,
                "visit": "v",
                "entry": "e",
                "text": "t",
                "status": "away",
                "peer": "p",
                "round": 1,
                "sdp": "v=0",
                "mode": "audio",
                "up": True,
            }
        )

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=AnyRequest) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=AnyRequest) == made
    assert type(made) is kind


def test_every_type_has_a_name_of_its_own() -> None:
    tags = [kind.__struct_config__.tag for kind in get_args(AnyRequest)]

    assert len(set(tags)) == len(tags)
    assert isinstance(decode(WALK_THROUGH[1]), CheckIn)
