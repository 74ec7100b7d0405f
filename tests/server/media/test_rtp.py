"""Header extensions are written anew for another line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.rtp import MID, Extensions, Malformed, elements, is_rtcp, mid_of, payload_at
from tests.server.media.packets import LEVEL, SENT_AT, extension, rtp


def rewritten(packet: bytes, rules: Extensions) -> bytes:
    first, middle, body = rules.rewrite(packet)
    return bytes([first]) + packet[1:12] + middle + packet[body:]


def test_ids_follow_their_uri_and_the_mid_is_the_receivers() -> None:
    rules = Extensions({LEVEL: 1, MID: 4, SENT_AT: 2}, {LEVEL: 5, MID: 3, SENT_AT: 7}, "later")
    packet = rtp(1, block=extension((4, b"0"), (2, b"\x01\x02\x03"), (1, b"\x7f")))

    out = rewritten(packet, rules)

    assert elements(out) == [(3, b"later"), (7, b"\x01\x02\x03"), (5, b"\x7f")]
    assert out[payload_at(out) :] == b"payload"
    assert (payload_at(out) - 12) % 4 == 0


def test_an_extension_that_the_other_side_did_not_negotiate_is_left_out() -> None:
    packet = rtp(1, block=extension((1, b"\x7f"), (9, b"secret")))

    out = rewritten(packet, Extensions({LEVEL: 1}, {LEVEL: 1}, "0"))

    assert elements(out) == [(1, b"\x7f")]


def test_a_block_with_nothing_left_is_left_out_as_a_whole() -> None:
    packet = rtp(1, block=extension((9, b"secret")))

    assert rewritten(packet, Extensions({LEVEL: 1}, {LEVEL: 1}, "0")) == rtp(1)


def test_two_byte_headers_are_understood() -> None:
    packet = rtp(1, block=b"\x10\x00\x00\x02" + b"\x04\x01A" + b"\x00" + b"\x01\x01\x7f" + b"\x00")

    out = rewritten(packet, Extensions({LEVEL: 1, MID: 4}, {LEVEL: 2, MID: 3}, "B"))

    assert elements(out) == [(3, b"B"), (2, b"\x7f")]


@pytest.mark.parametrize("elements_in", [[(1, b"\x7f")], [(2, b"abc")], [(1, b"\x7f"), (4, b"0")], [(2, b"ab")]])
def test_the_short_way_and_the_long_way_lead_to_the_same(elements_in: list[tuple[int, bytes]]) -> None:
    rules = Extensions({LEVEL: 1, MID: 4, SENT_AT: 2}, {LEVEL: 5, MID: 3, SENT_AT: 7}, "m")
    ids = {1: 5, 2: 7}

    out = rewritten(rtp(1, block=extension(*elements_in)), rules)

    assert elements(out) == [(ids.get(number, 3), value if number in ids else b"m") for number, value in elements_in]
    assert out[payload_at(out) :] == b"payload"


def test_contributing_sources_stay() -> None:
    packet = bytearray(rtp(1, block=b"CCCC" + extension((1, b"\x7f"))))
    packet[0] |= 1

    out = rewritten(bytes(packet), Extensions({LEVEL: 1}, {LEVEL: 2}, "0"))

    assert out[12:16] == b"CCCC"
    assert elements(out) == [(2, b"\x7f")]


@pytest.mark.parametrize(
    "packet",
    [
        rtp(1, block=b"\xbe\xde\x00\x09" + b"\x10\x7f\x00\x00", payload=b""),
        rtp(1, block=b"\xbe", payload=b""),
        rtp(1, block=b"\xbe\xde\x00\x01" + b"\x1f\x7f\x00\x00"),
        rtp(1, block=b"\x10\x00\x00\x01" + b"\x01\xff\x00\x00"),
        bytes([0x8F]) + rtp(1)[1:],
    ],
    ids=["block too long", "no block header", "element too long", "two-byte element too long", "sources too many"],
)
def test_lengths_that_lie_are_found(packet: bytes) -> None:
    with pytest.raises(Malformed):
        Extensions({LEVEL: 1}, {LEVEL: 1}, "0").rewrite(packet)


@given(st.binary(max_size=60).map(lambda tail: bytes([0x90]) + bytes(11) + tail))
def test_no_packet_raises_anything_else(packet: bytes) -> None:
    try:
        out = rewritten(packet, Extensions({LEVEL: 1, MID: 4}, {LEVEL: 2, MID: 3}, "0"))
    except Malformed:
        return
    assert {number for number, _ in elements(out)} <= {2, 3}


def test_the_mid_is_read() -> None:
    assert mid_of(rtp(1, block=extension((1, b"\x7f"), (4, b"video"))), 4) == "video"
    assert mid_of(rtp(1), 4) is None


def test_rtcp_is_told_from_rtp_by_its_type() -> None:
    assert [is_rtcp(bytes([0x80, kind])) for kind in (200, 201, 205, 206)] == [True] * 4
    assert [is_rtcp(bytes([0x80, kind])) for kind in (96, 111, 127, 96 | 0x80, 127 | 0x80)] == [False] * 5
