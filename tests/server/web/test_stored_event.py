"""Events as bytes: nothing of them is lost, and their audience is exact."""

from __future__ import annotations

import json

import msgspec

from server.web.stored_event import decode, encode
from signaling.effects import Own, Told
from signaling.messages import VisitEnded, WaitingChanged

ENDED = VisitEnded(epoch="e1", seq=7, at=5, version=3, visit="v", rev=2, reason="ended", rejoin_until=9)


def test_an_event_comes_out_as_it_went_in() -> None:
    event = decode(encode(Told(("a", "b"), ENDED, "con_1", 4510)))

    assert (event.to, event.connection, event.close, event.epoch) == (("a", "b"), "con_1", 4510, "e1")
    assert event.message == msgspec.to_builtins(ENDED)
    assert json.loads(event.packet.frame(packed=False).partition(b"{")[2].join((b"{", b""))) == event.message


def test_the_stored_bytes_are_the_binary_frame() -> None:
    event = decode(encode(Told(("a",), ENDED)))

    assert event.packet.frame(packed=True).endswith(msgspec.msgpack.encode(ENDED))


def test_the_audience_is_participants_and_perhaps_one_connection() -> None:
    everybody = decode(encode(Told(("a", "b"), ENDED)))
    one = decode(encode(Told(("a",), ENDED, "con_1")))

    assert everybody.is_for("a", "con_9")
    assert not everybody.is_for("c", "con_9")
    assert one.is_for("a", "con_1")
    assert not one.is_for("a", "con_2")
    assert not one.is_for("b", "con_1")


def test_what_each_is_told_apart_comes_to_them_alone() -> None:
    told = Told(("a", "b", "c"), WaitingChanged(seq=3, status="late"), own=Own("ahead", {"a": 0, "b": 1}))

    event = decode(encode(told))

    assert [event.told(who).get("ahead") for who in told.to] == [0, 1, None]
    assert [event.told(who) for who in told.to] == [msgspec.to_builtins(told.told(who)) for who in told.to]
    frames = {who: event.packet_for(who).frame(packed=True) for who in told.to}
    assert frames["b"].endswith(msgspec.msgpack.encode(event.told("b")))
    assert frames["c"] == event.packet.frame(packed=True)
    assert {event.packet_for(who).replaces for who in told.to} == {"waiting.changed"}
