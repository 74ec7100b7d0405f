"""Packets are rewritten so that each receiver sees one seamless stream of its own."""

from __future__ import annotations

import logging

import pytest
from pylibsrtp import Error as SrtpError

from server.media import rtcp
from server.media.rtp import elements
from tests.server.media.packets import (
    CHROMIUM_AUDIO,
    CHROMIUM_VIDEO,
    FIREFOX_AUDIO,
    FIREFOX_VIDEO,
    End,
    extension,
    join,
    rtp,
)


def plis(end: End) -> int:
    """How many keyframes were asked of that end."""
    parts = [part for packet in end.control for part in rtcp.parts(packet)]
    return sum((part.kind, part.format) == (rtcp.PAYLOAD_FEEDBACK, rtcp.PLI) for part in parts)


def test_a_packet_arrives_under_the_receivers_numbers() -> None:
    alice, bob = End("alice"), End("bob")
    source, sink = alice.source(CHROMIUM_VIDEO), bob.sink(FIREFOX_VIDEO, mid="7")
    join(source, sink)

    source.forward(rtp(65_535, timestamp=900, marker=True, block=extension((4, b"1"), (2, b"abc"))), 0.0)

    (got,) = bob.media
    assert (got.kind, got.number, got.timestamp, got.ssrc, got.marker) == (120, 1000, 50_000, 700, True)
    assert elements(got.raw) == [(3, b"7"), (4, b"abc")]
    assert got.body == b"payload"


def test_numbers_keep_their_distances_and_wrap() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO, first=65_533 - 32_768)
    join(source, sink)

    for step in range(0, 70_000, 7):
        source.forward(rtp(40_000 + step, timestamp=(4_294_967_000 + step) & 0xFFFFFFFF), step / 1000)

    assert [got.number for got in bob.media] == [(32_765 + step) & 0xFFFF for step in range(0, 70_000, 7)]
    assert [got.timestamp for got in bob.media] == [50_000 + step for step in range(0, 70_000, 7)]


def test_another_source_goes_on_where_the_last_one_stopped() -> None:
    bob = End("bob")
    old, new = (
        End("alice").source(CHROMIUM_AUDIO, kind="audio"),
        End("alice 2").source(FIREFOX_AUDIO, kind="audio", ssrc=8),
    )
    sink = bob.sink(CHROMIUM_AUDIO)
    join(old, sink)
    old.forward(rtp(10, kind=111, timestamp=1000), 1.0)
    old.forward(rtp(11, kind=111, timestamp=1960), 1.02)

    join(new, sink)
    new.forward(rtp(60_000, kind=109, timestamp=77), 1.52)
    old.forward(rtp(12, kind=111, timestamp=2920), 1.53)

    assert [(got.number, got.timestamp, got.kind) for got in bob.media] == [
        (1000, 50_000, 111),
        (1001, 50_960, 111),
        (1002, 50_960 + 24_000, 111),  # half a second later
    ]


def test_stragglers_from_before_a_change_are_dropped_and_reordered_packets_are_not() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)

    for number in (500, 502, 501, 499):
        source.forward(rtp(number), 0.0)

    assert [got.number for got in bob.media] == [1000, 1002, 1001]


def test_a_very_late_packet_is_no_straggler_once_the_change_is_long_ago() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)

    for number in range(0, 40_000, 100):
        source.forward(rtp(number), number / 100)
    source.forward(rtp(39_850), 400.0)

    assert bob.media[-1].number == (1000 + 39_850) & 0xFFFF


def test_what_was_held_back_leaves_no_hole() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)
    source.forward(rtp(1, timestamp=0), 0.0)

    source.unlink(sink)
    source.forward(rtp(2, timestamp=90_000), 1.0)
    source.forward(rtp(900, timestamp=180_000), 2.0)
    source.link(sink, 3.0)
    source.forward(rtp(901, timestamp=270_000), 3.0)

    assert [(got.number, got.timestamp) for got in bob.media] == [(1000, 50_000), (1001, 50_000 + 270_000)]


def test_a_new_stream_on_the_same_line_is_seamless_too() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)
    source.forward(rtp(1), 0.0)

    source.adopt(99)
    source.forward(rtp(30_000, ssrc=99), 0.1)

    assert [(got.number, got.ssrc) for got in bob.media] == [(1000, 700), (1001, 700)]


def test_a_retransmission_names_the_number_that_its_receiver_misses() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(FIREFOX_VIDEO)
    join(source, sink)
    for number in (10, 12):
        source.forward(rtp(number, timestamp=number), 0.0)

    source.forward_repair(rtp(900, kind=97, timestamp=11, ssrc=6, payload=b"\x00\x0bpayload"), 0.1)
    source.forward_repair(rtp(901, kind=97, timestamp=12, ssrc=6, payload=b"\x00\x0cpayload"), 0.1)

    first, second = bob.media[2:]
    assert (first.kind, first.number, first.timestamp, first.ssrc) == (124, 1000, 50_001, 701)
    assert first.body == (1001).to_bytes(2) + b"payload"
    assert (second.number, second.body[:2]) == (1001, (1002).to_bytes(2))


def test_padding_that_probes_the_bandwidth_is_passed_on_as_it_is() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)
    source.forward(rtp(10), 0.0)

    source.forward_repair(rtp(900, kind=97, ssrc=6, payload=b"", padding=200), 0.1)

    assert bob.media[1].body == bytes(199) + b"\xc8"


def test_no_retransmission_before_the_first_packet_of_a_run() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)

    source.forward_repair(rtp(900, kind=97, ssrc=6, payload=b"\x00\x0bpayload"), 0.1)

    assert bob.media == []


def test_a_codec_that_the_receiver_has_not_is_not_sent() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(FIREFOX_VIDEO)
    join(source, sink)

    source.forward(rtp(1, kind=98), 0.0)
    source.forward(rtp(2, kind=0), 0.0)

    assert bob.sent == []


def test_one_packet_goes_to_everyone() -> None:
    ends = [End("bob"), End("carol"), End("dave")]
    source = End("alice").source(CHROMIUM_VIDEO)
    for place, end in enumerate(ends):
        join(source, end.sink(CHROMIUM_VIDEO, mid=str(place), first=place))

    source.forward(rtp(1, block=extension((4, b"x"))), 0.0)

    assert [[got.number for got in end.media] for end in ends] == [[0], [1], [2]]
    assert [elements(end.media[0].raw) for end in ends] == [[(4, b"0")], [(4, b"1")], [(4, b"2")]]


def test_who_joins_gets_a_keyframe_and_all_others_share_one_each_interval() -> None:
    alice = End("alice")
    source = alice.source(CHROMIUM_VIDEO)
    join(source, End("bob").sink(CHROMIUM_VIDEO), now=10.0)
    assert plis(alice) == 1

    join(source, End("carol").sink(CHROMIUM_VIDEO), now=10.01)
    assert plis(alice) == 2

    for tick in range(100):
        source.ask_keyframe(10.02 + tick / 1000)
    assert plis(alice) == 2

    source.ask_keyframe(10.4)
    assert plis(alice) == 3


def test_a_keyframe_that_cannot_be_asked_for_yet_is_asked_for_later() -> None:
    alice = End("alice")
    alice.path.open = False
    source = alice.source(CHROMIUM_VIDEO)
    join(source, End("bob").sink(CHROMIUM_VIDEO))
    assert (plis(alice), source.wanted) == (0, True)

    alice.path.open = True
    source.ask_keyframe(0.1)

    assert (plis(alice), source.wanted) == (1, False)


def test_nobody_asks_for_keyframes_of_sound() -> None:
    alice = End("alice")
    source = alice.source(CHROMIUM_AUDIO, kind="audio")

    join(source, End("bob").sink(CHROMIUM_AUDIO))

    assert alice.sent == []


def test_an_error_in_forwarding_closes_nothing_but_that_track(caplog: pytest.LogCaptureFixture) -> None:
    bob, carol = End("visit bob"), End("visit carol")
    source = End("visit alice").source(CHROMIUM_VIDEO)
    broken = bob.sink(CHROMIUM_VIDEO, mid="1")
    join(source, broken)
    join(source, carol.sink(CHROMIUM_VIDEO))
    calls = 0

    def fail(packet: bytes) -> bytes:
        nonlocal calls
        calls += 1
        raise RuntimeError("no such thing")

    bob.path.protect = fail
    with caplog.at_level(logging.ERROR):
        for number in range(5):
            source.forward(rtp(number), 0.0)

    assert (broken.broken, calls) == (True, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "forwarding from visit alice to visit bob line 1 failed"
    ]
    assert len(carol.media) == 5


def test_a_packet_too_old_to_protect_is_lost_and_the_track_goes_on() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)

    def too_old(packet: bytes) -> bytes:
        raise SrtpError("replay check failed (index too old)")

    bob.path.protect = too_old
    source.forward(rtp(1), 0.0)
    bob.path.protect = bytes
    source.forward(rtp(2), 0.0)

    assert [got.number for got in bob.media] == [1001]
    assert not sink.broken


def test_a_malformed_packet_is_lost_and_the_track_goes_on() -> None:
    bob = End("bob")
    source, sink = End("alice").source(CHROMIUM_VIDEO), bob.sink(CHROMIUM_VIDEO)
    join(source, sink)

    source.forward(rtp(1, block=b"\xbe\xde\x00\x09", payload=b""), 0.0)
    source.forward(rtp(2), 0.0)

    assert len(bob.media) == 1
    assert not sink.broken
