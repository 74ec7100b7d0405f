"""Messages to bytes and back: the same in both subprotocols, and nothing that comes can hurt."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.web import frames
from server.web.frames import TYPES, Packet, Unreadable, read
from signaling.messages import ChatLine, Ok
from signaling.requests import Start

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may be busy; what is claimed here is not about time."""

JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(
    st.sampled_from(["id", "type", "place", "peer", "sdp", "entry", "candidates", "resume", "device"]), JSONABLE
)


@pytest.mark.parametrize("packed", [False, True])
def test_a_request_reads_the_same_from_both(packed: bool) -> None:
    message = {"type": "start", "id": 5, "appointment": "a", "expect": 2, "unknown": {"is": "ignored"}}

    data = msgspec.msgpack.encode(message) if packed else json.dumps(message).encode()

    assert read(data, packed=packed, expected=packed) == Start(id=5, appointment="a", expect=2)


def test_a_frame_of_the_other_kind_is_not_even_looked_at() -> None:
    for packed in (False, True):
        with pytest.raises(Unreadable) as caught:
            read(b'{"type":"ping","id":1}', packed=packed, expected=not packed)
        assert (caught.value.code, caught.value.re) == ("bad_message", None)


def test_every_type_of_the_protocol_is_known() -> None:
    assert {"hello", "check_in", "media.offer", "ping", "bye", "tell_waiting"} <= TYPES
    for name in TYPES:
        try:
            read(json.dumps({"type": name, "id": 1}).encode(), packed=False, expected=False)
        except Unreadable as unreadable:
            assert (unreadable.code, unreadable.re) == ("bad_message", 1), name


@unhurried
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise_anything_but_unreadable(data: bytes, packed: bool) -> None:
    with pytest.raises(Unreadable):
        read(data, packed=packed, expected=packed)


@unhurried
@given(FIELDS, st.sampled_from(sorted(TYPES)), st.booleans())
def test_no_fields_raise_anything_but_unreadable(fields: dict[str, object], type: str, packed: bool) -> None:
    message = {**fields, "type": type}
    try:
        data = msgspec.msgpack.encode(message) if packed else msgspec.json.encode(message)
    except OverflowError:
        return  # an integer that MessagePack cannot hold
    try:
        request = read(data, packed=packed, expected=packed)
    except Unreadable as unreadable:
        assert unreadable.code == "bad_message"
    else:
        assert request.__struct_config__.tag == type


@pytest.mark.parametrize("depth", [100, 5_000, 30_000])
def test_nesting_does_not_exhaust_anything(depth: int) -> None:
    for data, packed in (
        (b"[" * depth, False),
        (b'{"type":"ping","x":' + b"[" * depth + b"]" * depth + b"}", False),
        (b"\x91" * depth, True),
        (b"\x81\xa1x" + b"\x91" * depth + b"\xc0", True),
    ):
        try:
            read(data, packed=packed, expected=packed)
        except Unreadable as unreadable:
            assert unreadable.code in ("bad_message", "unknown_type")


def test_what_could_not_be_read_is_not_kept_in_the_error() -> None:
    with pytest.raises(Unreadable) as caught:
        read(b'{"type":"chat","text":{"secret":1}}', packed=False, expected=False)

    assert caught.value.__context__ is None
    assert "secret" not in repr(caught.value)


def test_a_message_is_encoded_once_for_any_number_of_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []

    class Counting:
        def encode(self, message: object) -> bytes:
            encoded.append(message)
            return msgspec.json.encode(message)

    monkeypatch.setattr(frames, "_TO_JSON", Counting())
    packet = Packet(ChatLine(participant="p", text="hi", at=1))

    assert len({id(packet.frame(packed=False)) for _ in range(100)}) == 1
    assert len(encoded) == 1


@pytest.mark.parametrize(("length", "header"), [(10, 2), (1000, 4), (70_000, 10)])
def test_frames_of_every_length_have_the_standards_header(length: int, header: int) -> None:
    message = ChatLine(participant="p", text="x" * length, at=1)

    frame = Packet(message).frame(packed=False)

    assert frame[header:] == msgspec.json.encode(message)
    assert frame[0] == 0x81, "a final text frame, not compressed"
    assert not frame[1] & 0x80, "not masked"


def test_a_packet_may_be_given_ready_in_messagepack() -> None:
    packed = msgspec.msgpack.encode(Ok(re=1))

    assert Packet({"type": "ok", "re": 1}, packed=packed).frame(packed=True)[2:] == packed
