"""The fast lane does what the ordinary way does, packet by packet, and leaves to it what it cannot do."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Error, Policy, Session

from server.media import lane, srtp
from server.media.alive import PATIENCE
from server.media.formats import Formats
from server.media.guard import Guard
from server.media.limits import Budget
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
    packets: int = 0
    octets: int = 0
    heard_at: float = 0.0
    heard_since: float | None = 0.0
    time: float = 1.0
    budget: Budget = field(default_factory=lambda: Budget(0.0))
    guard: Guard = field(default_factory=lambda: Guard("alice"))
    took: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bob = End("bob")
        self.source, self.sink = End("alice").source(CHROMIUM), self.bob.sink(FIREFOX)
        join(self.source, self.sink, now=1.0)
        self.source.beginning = None
        self.bob.path.shift = 500
        came, gone = session(Policy.SSRC_ANY_INBOUND, 1), session(Policy.SSRC_ANY_OUTBOUND, 2)
        self.opener = srtp.in_place(came, "unprotect")
        self.bob.path.closer = srtp.in_place(gone, "protect")
        self.bob.path.protect = srtp.ways(gone).protect
        self._unprotect = srtp.ways(came).unprotect

    def now(self) -> float:
        return self.time

    def take(self, data: bytes) -> None:
        """Do with a datagram what a peer does."""
        if self.fast:
            self.took.append(lane.forward(self, self.source, data))  # type: ignore[arg-type]
            if self.took[-1]:
                return
        try:
            packet = self._unprotect(data)
        except Error:
            self.guard.dropped += 1
            return
        if self.time - self.heard_at >= PATIENCE:
            self.heard_since = self.time
        self.heard_at = self.time
        self.packets += 1
        self.octets += len(data)
        self.source.forward(packet, self.time)

    def state(self) -> tuple[Any, ...]:
        """Everything that a packet changes."""
        source, sink = self.source, self.sink
        counted = self.packets, self.octets, self.heard_at, self.heard_since, self.guard.dropped, sink.packets
        seen = source.first_at, source.last_at, source.number, source.received, source.octets
        return self.bob.sent, counted, seen, sink.shift, sink.timestamp_shift, sink._top, sink._top_timestamp


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

    assert not lane.forward(Peer(fast=True), Peer(fast=True).source, report)  # type: ignore[arg-type]


def two(peer: Peer) -> None:
    other = peer.bob.sink(FIREFOX, mid="2")
    join(peer.source, other)


def loud(peer: Peer) -> None:
    peer.source.loudness = Loudness(1)


def watched(peer: Peer) -> None:
    peer.source.watch = lambda packet, now: None


def spent(peer: Peer) -> None:
    peer.budget.packets = peer.packets


def closed(peer: Peer) -> None:
    peer.bob.path.close()


def halted(peer: Peer) -> None:
    peer.opener = None


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

    assert not lane.forward(peer, peer.source, protect(rtp(2, block=picture(2))))  # type: ignore[arg-type]

    assert peer.state() == before


def test_an_error_in_forwarding_closes_that_track(caplog: pytest.LogCaptureFixture) -> None:
    protect = srtp.ways(session(Policy.SSRC_ANY_OUTBOUND, 1)).protect
    peer = Peer(fast=True)
    peer.take(protect(rtp(0, block=picture(0))))

    def broken(data: bytes, address: Any) -> None:
        raise RuntimeError("closed")

    peer.bob.path.sendto = broken
    peer.take(protect(rtp(1, block=picture(1))))

    assert peer.took[-1]
    assert (peer.sink.broken, peer.source.live) == (True, ())
    assert "forwarding from alice to bob line 1 failed" in caplog.text


def test_where_pylibsrtp_does_it_there_is_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srtp, "ways", srtp.by_pylibsrtp)

    assert srtp.in_place(session(Policy.SSRC_ANY_INBOUND, 1), "unprotect") is None
