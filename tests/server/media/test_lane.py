"""The fast lane does what the ordinary way does, packet by packet, and leaves to it what it cannot do."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Error, Policy, Session

from server.media import feedback, rtcp, srtp
from server.media.alive import PATIENCE
from server.media.congestion import Congestion
from server.media.formats import Formats
from server.media.guard import Guard
from server.media.heard import Heard
from server.media.lane import Lane
from server.media.rtp import TRANSPORT_WIDE, is_rtcp
from server.media.speakers import Loudness
from tests.server.media.packets import CHROMIUM_VIDEO, FIREFOX_VIDEO, SENT_AT, End, extension, join, rtp

CHROMIUM = Formats(CHROMIUM_VIDEO.codecs, {**CHROMIUM_VIDEO.extensions, TRANSPORT_WIDE: 3})
FIREFOX = Formats(FIREFOX_VIDEO.codecs, {**FIREFOX_VIDEO.extensions, TRANSPORT_WIDE: 7})
SENT = CHROMIUM.extensions[SENT_AT]


def session(kind: int, key: int) -> Session:
    return Session(Policy(bytes(range(key, key + 30)), kind))


def picture(wide: int) -> bytes:
    """The extensions that nearly every packet of a picture has."""
    return extension((SENT, b"abc"), (3, struct.pack("!H", wide)))


@dataclass
class Peer:
    """What the lane needs of a peer: one that sends, and the way to one that gets it."""

    fast: bool
    time: float = 1.0
    heard: Heard = field(default_factory=lambda: Heard(0.0))
    guard: Guard = field(default_factory=lambda: Guard("alice"))
    took: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bob, self.carol, me = End("bob"), End("carol"), End("alice")
        self.source, self.sink = me.source(CHROMIUM), self.bob.sink(FIREFOX)
        join(self.source, self.sink, now=1.0)
        self.source.beginning = None
        self.bob.path.shift = 500
        # What carol sends goes to alice, who tells of its arrival.
        self.congestion, theirs = Congestion(me.path), Congestion(self.carol.path)
        theirs.settle([self.carol.source(CHROMIUM, ssrc=9)], self.congestion)
        self.congestion.begin(700, 1.0)
        came, gone = session(Policy.SSRC_ANY_INBOUND, 1), session(Policy.SSRC_ANY_OUTBOUND, 2)
        opener = srtp.in_place(came, "unprotect")
        assert opener is not None
        self.view = opener.view
        self.lanes = {5: self.source}
        self.forward = Lane(self, self.lanes, opener, len, self.slow).forward  # type: ignore[arg-type]
        for path, sending in ((self.bob.path, gone), (self.carol.path, session(Policy.SSRC_ANY_OUTBOUND, 3))):
            path.close_with(srtp.in_place(sending, "protect"))
            path.protect, path.protect_rtcp, _, _ = srtp.ways(sending)
        _, _, self._unprotect, self._unprotect_rtcp = srtp.ways(came)

    def now(self) -> float:
        return self.time

    def reported(self, compound: bytes, now: float) -> None:
        feedback.receive(compound, {}, {}, now, congestion=self.congestion)

    def passes(self, data: bytes) -> bool:
        """Tell whether the lane takes a datagram."""
        self.view[srtp.AT : srtp.AT + len(data)] = data
        return self.forward(len(data))

    def take(self, data: bytes) -> None:
        """Do with a datagram what a peer does."""
        if self.fast:
            self.took.append(self.passes(data))
            if self.took[-1]:
                return
        self.slow(data)

    def slow(self, data: bytes) -> None:
        """Do what the ordinary way does."""
        try:
            packet = (self._unprotect_rtcp if is_rtcp(data) else self._unprotect)(data)
        except Error:
            self.guard.dropped += 1
            return
        self.heard.sign(self.time)
        if is_rtcp(data):
            self.heard.reports += 1
            self.reported(packet, self.time)
            return
        self.heard.packets += 1
        self.heard.octets += len(data)
        self.source.forward(packet, self.time)

    def state(self) -> tuple[Any, ...]:
        """Everything that a packet changes."""
        source, sink = self.source, self.sink
        heard = self.heard
        counted = heard.packets, heard.octets, heard.reports, heard.at, heard.since, self.guard.dropped, sink.packets
        told = self.carol.sent, self.congestion._top
        seen = source.first_at, source.last_at, source.number, source.received, source.octets
        return self.bob.sent, counted, told, seen, sink.shift, sink.timestamp_shift, sink._top, sink._top_timestamp


def both(*datagrams: bytes, step: float = 0.01) -> tuple[Peer, Peer]:
    """Send the same both ways."""
    peers = Peer(fast=True), Peer(fast=False)
    for peer in peers:
        for data in datagrams:
            peer.take(data)
            peer.time += step
    return peers


@given(st.data())
def test_whatever_comes_is_forwarded_alike_both_ways(data: st.DataObject) -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect
    blocks = st.one_of(
        st.integers(0, 65_535).map(picture),
        st.sampled_from([b"", extension((SENT, b"abc")), extension((SENT, b"a")), extension((9, b"abc"))]),
        st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=5)), max_size=3).map(
            lambda elements: extension(*elements)
        ),
    )
    number, datagrams = data.draw(st.integers(0, 65_535)), []
    for _ in range(data.draw(st.integers(1, 12))):
        number += data.draw(st.sampled_from([1, 1, 1, 2, -1, 40]))
        packet = rtp(
            number,
            kind=data.draw(st.sampled_from([96, 96, 96, 97, 50])),
            timestamp=number * 3000 & 0xFFFFFFFF,
            marker=data.draw(st.booleans()),
            block=data.draw(blocks),
            payload=data.draw(st.binary(max_size=40)),
            padding=data.draw(st.sampled_from([0, 0, 0, 4])),
        )
        try:
            datagrams.append(protect(packet))
        except Error:  # the sender sent that number
            continue
    damaged = data.draw(st.lists(st.sampled_from(datagrams).map(lambda sent: sent[:-1] + b"?"), max_size=2))
    again = data.draw(st.lists(st.sampled_from(datagrams), max_size=2))

    fast, slow = both(*datagrams, *damaged, *again, step=data.draw(st.sampled_from([0.01, PATIENCE])))

    assert fast.state() == slow.state()


def test_what_browsers_send_takes_the_lane_but_for_the_first() -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect

    fast, slow = both(*[protect(rtp(number, block=picture(number))) for number in range(5)])

    assert fast.took == [False, True, True, True, True]
    assert len(fast.bob.sent) == 5
    assert fast.state() == slow.state()


def test_a_report_is_no_packet_of_media() -> None:
    report = struct.pack("!BBHII", 0x90, 200, 6, 9, 5) + bytes(40)
    assert is_rtcp(report)

    assert not Peer(fast=True).passes(report)


def padded(feedback: bytes, padding: bytes) -> bytes:
    """Count zeros at the end of a feedback as padding, or what else is called so, as Chromium does."""
    head, words = feedback[0] | 0x20, len(feedback) + len(padding) >> 2
    return bytes((head, feedback[1])) + struct.pack("!H", words - 1) + feedback[4:] + padding


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.none() | st.floats(1, 1.5), min_size=1, max_size=40).filter(any),
    st.sampled_from([None, b"", b"\0\0\0\x04", b"\0\0\0\x02", bytes(4), bytes(3) + b"\x28"]),
    st.sampled_from([b"", rtcp.write_rr(9), rtcp.write_pli(9, 700), b"?"]),
    st.sampled_from([b"", rtcp.write_pli(9, 700)]),
)
def test_arrivals_are_passed_on_alike_both_ways(
    first: int, times: list[float | None], padding: bytes | None, before: bytes, behind: bytes
) -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect_rtcp
    feedback = rtcp.write_arrivals(9, 700, 1, first, times)
    said = protect(before + (feedback if padding is None else padded(feedback, padding)) + behind)

    fast, slow = both(said, said[:-1] + b"?", said)

    assert fast.state() == slow.state()


def test_what_a_receiver_tells_of_arrivals_takes_the_lane() -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect_rtcp
    first = Peer(fast=True).congestion._first
    times = [1.0, None, 1.1]

    feedback = rtcp.write_arrivals(9, 700, 1, first, times)
    fast, slow = both(protect(feedback), protect(padded(feedback[:-2] + b"\0\x02", b"")))

    assert fast.took == [True, True]
    assert len(fast.carol.sent) == 2
    assert fast.state() == slow.state()


def two(peer: Peer) -> None:
    other = peer.bob.sink(FIREFOX, mid="2")
    join(peer.source, other)


def loud(peer: Peer) -> None:
    peer.source.loudness = Loudness(1)


def watched(peer: Peer) -> None:
    peer.source.watch = lambda packet, now: None


def spent(peer: Peer) -> None:
    peer.heard.most_packets = peer.heard.packets


def closed(peer: Peer) -> None:
    peer.bob.path.close()


def halted(peer: Peer) -> None:
    peer.lanes.clear()


def without_numbers(peer: Peer) -> None:
    peer.bob.path.shift = None


@pytest.mark.parametrize("change", [two, loud, watched, spent, closed, halted, without_numbers])
def test_what_is_unusual_is_left_to_the_ordinary_way_and_nothing_is_done(change: Any) -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect
    peer = Peer(fast=True)
    for number in range(2):
        peer.take(protect(rtp(number, block=picture(number))))
    change(peer)
    before = peer.state()

    assert not peer.passes(protect(rtp(2, block=picture(2))))

    assert peer.state() == before


def test_an_error_in_forwarding_closes_that_track(caplog: pytest.LogCaptureFixture) -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect
    peer = Peer(fast=True)
    peer.take(protect(rtp(0, block=picture(0))))

    def broken(data: bytes | memoryview) -> None:
        raise RuntimeError("closed")

    peer.bob.path.send = broken
    peer.take(protect(rtp(1, block=picture(1))))

    assert peer.took[-1]
    assert (peer.sink.broken, peer.source.live) == (True, ())
    assert "forwarding from alice to bob line 1 failed" in caplog.text


def test_where_pylibsrtp_does_it_there_is_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srtp, "ways", srtp.by_pylibsrtp)

    assert srtp.in_place(session(Policy.SSRC_ANY_INBOUND, 1), "unprotect") is None
