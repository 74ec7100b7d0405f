"""Who is let in a moment later sees the picture that the other's camera began with."""

from __future__ import annotations

import pytest

from server.media import rtcp
from server.media.beginning import LONGEST, MOST, begins_picture
from server.media.formats import Codec, Formats
from tests.server.media.packets import CHROMIUM_AUDIO, CHROMIUM_VIDEO, FIREFOX_VIDEO, End, join, rtp

H264 = Formats((Codec(96, "h264", 90_000),))
SHORT_ID, LONG_ID = b"\x90\x80\x05", b"\x90\x80\x85\x01"
"""Descriptors with the picture's number in one byte, and in two."""
KEY, DELTA = b"\x00", b"\x01"
FIRST = SHORT_ID + KEY + b"face"
MORE = b"\x80\x80\x05rest"


def asked(end: End) -> int:
    """How many keyframes were asked of that end."""
    parts = [part for packet in end.control for part in rtcp.parts(packet)]
    return sum((part.kind, part.format) == (rtcp.PAYLOAD_FEEDBACK, rtcp.PLI) for part in parts)


def test_what_came_a_moment_before_is_given_and_no_keyframe_is_asked_for() -> None:
    alice, bob = End("alice"), End("bob")
    source, sink = alice.source(CHROMIUM_VIDEO), bob.sink(FIREFOX_VIDEO)
    source.forward(rtp(500, payload=FIRST), 1.0)
    source.forward(rtp(501, payload=MORE), 1.0)

    join(source, sink, now=1.1)
    source.forward(rtp(502, payload=SHORT_ID + DELTA), 1.15)

    assert [(got.number, got.body) for got in bob.media] == [(1000, FIRST), (1001, MORE), (1002, SHORT_ID + DELTA)]
    assert asked(alice) == 0


def test_what_came_long_before_is_not_given() -> None:
    alice, bob = End("alice"), End("bob")
    source = alice.source(CHROMIUM_VIDEO)
    source.forward(rtp(500, payload=FIRST), 1.0)

    join(source, bob.sink(FIREFOX_VIDEO), now=1.0 + LONGEST + 0.01)

    assert (bob.media, asked(alice)) == ([], 1)


def test_a_stream_that_went_on_is_kept_no_more() -> None:
    alice, bob = End("alice"), End("bob")
    source = alice.source(CHROMIUM_VIDEO)
    for number in range(MOST + 1):
        source.forward(rtp(number, payload=FIRST), 1.0)

    join(source, bob.sink(FIREFOX_VIDEO), now=1.0)

    assert source.beginning is None
    assert (bob.media, asked(alice)) == ([], 1)


def test_the_middle_of_a_picture_helps_nobody() -> None:
    alice, bob = End("alice"), End("bob")
    source = alice.source(CHROMIUM_VIDEO)
    source.forward(rtp(501, payload=MORE), 1.0)

    join(source, bob.sink(FIREFOX_VIDEO), now=1.1)

    assert (bob.media, asked(alice)) == ([], 1)


def test_old_sound_is_not_played() -> None:
    source, bob = End("alice").source(CHROMIUM_AUDIO, kind="audio"), End("bob")
    source.forward(rtp(500, kind=111), 1.0)

    join(source, bob.sink(CHROMIUM_AUDIO), now=1.1)

    assert bob.media == []


@pytest.mark.parametrize("descriptor", [b"\x10", SHORT_ID, LONG_ID, b"\x90\xe0\x05\x01\x00"])
def test_a_keyframe_of_vp8_is_known_behind_any_descriptor(descriptor: bytes) -> None:
    assert begins_picture(rtp(1, payload=descriptor + KEY), CHROMIUM_VIDEO)
    assert not begins_picture(rtp(1, payload=descriptor + DELTA), CHROMIUM_VIDEO)


@pytest.mark.parametrize("payload", [b"", b"\x10", b"\x90", b"\x90\x80", b"\x90\xf0\x80", b"\x11\x00", MORE])
def test_what_is_cut_short_or_no_first_packet_is_none(payload: bytes) -> None:
    assert not begins_picture(rtp(1, payload=payload), CHROMIUM_VIDEO)


def test_with_h264_a_keyframe_is_asked_for() -> None:
    assert not begins_picture(rtp(1, payload=FIRST), H264)
