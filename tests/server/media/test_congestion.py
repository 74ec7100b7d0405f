"""A sender hears when its packets arrived: from the one who gets them all, else from this node."""

from __future__ import annotations

import struct
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from server.media import congestion, feedback, rtcp
from server.media.check import Probe, until
from server.media.congestion import Congestion
from server.media.formats import Formats
from server.media.relay import Sink, Source
from server.media.rtp import TRANSPORT_WIDE, elements, is_rtcp, wide_of
from tests.server.media.conftest import Stage
from tests.server.media.packets import CHROMIUM_VIDEO, FIREFOX_VIDEO, SENT_AT, End, extension, join, rtp
from tests.server.media.test_node import connected

CHROMIUM = Formats(CHROMIUM_VIDEO.codecs, {**CHROMIUM_VIDEO.extensions, TRANSPORT_WIDE: 3})
FIREFOX = Formats(FIREFOX_VIDEO.codecs, {**FIREFOX_VIDEO.extensions, TRANSPORT_WIDE: 7})


class Told(NamedTuple):
    """What a sender was told: when which of its packets arrived, in ms; None: not."""

    media: int
    first: int
    times: list[float | None]


def read(part: rtcp.Part) -> Told:
    """Take a feedback apart as its draft has it (section 3.1)."""
    _, media, first, length, reference = struct.unpack_from("!IIHHI", part.body)
    symbols: list[int] = []
    at = 16
    while len(symbols) < length:
        (chunk,) = struct.unpack_from("!H", part.body, at)
        at += 2
        if chunk >> 14 == 3:
            symbols += [chunk >> 12 - 2 * place & 3 for place in range(7)]
        elif chunk >> 14 == 2:
            symbols += [chunk >> 13 - place & 1 for place in range(14)]
        else:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
    clock = (reference >> 8) * 64.0
    times: list[float | None] = []
    for symbol in symbols[:length]:
        delta = None
        if symbol == 1:
            delta = part.body[at]
        elif symbol == 2:
            (delta,) = struct.unpack_from("!h", part.body, at)
        at += symbol
        clock += (delta or 0) / 4
        times.append(None if delta is None else clock)
    return Told(media, first, times)


def arrivals(control: list[bytes]) -> list[Told]:
    """All that is said of arrivals in some RTCP."""
    parts = [part for packet in control for part in rtcp.parts(packet)]
    return [read(part) for part in parts if (part.kind, part.format) == (rtcp.TRANSPORT_FEEDBACK, rtcp.ARRIVALS)]


def told(end: End) -> list[Told]:
    """All that this end was told of arrivals."""
    return arrivals(end.control)


def limits(end: End) -> list[int]:
    """All the estimates that this end was told."""
    parts = [part for packet in end.control for part in rtcp.parts(packet)]
    found = [rtcp.remb(part) for part in parts if part.kind == rtcp.PAYLOAD_FEEDBACK]
    return [estimate[0] for estimate in found if estimate is not None]


class Somebody:
    """A peer with a part in congestion control, and what its lines send and get."""

    def __init__(self, name: str, formats: Formats = CHROMIUM) -> None:
        self.end = End(name)
        self.part = Congestion(self.end.path)
        self.formats = formats
        self.sources: list[Source] = []
        self.sinks: dict[int, Sink] = {}

    def sends(self, ssrc: int = 5) -> Source:
        source = self.end.source(self.formats, ssrc=ssrc, rtx_ssrc=ssrc + 1)
        self.sources.append(source)
        return source

    def gets(self, source: Source) -> Sink:
        sink = self.end.sink(self.formats)
        self.sinks[sink.ssrc] = sink
        join(source, sink)
        return sink

    @property
    def numbers(self) -> list[int | None]:
        """The transport-wide numbers of the media that came."""
        return [wide_of(got.raw, self.formats.extensions[TRANSPORT_WIDE]) for got in self.end.media]

    def says(self, first: int, times: list[float | None], now: float = 9.0) -> None:
        """Say when packets from number `first` on arrived."""
        about = rtcp.write_arrivals(1, 700, 0, first, times)
        feedback.receive(rtcp.write_rr(1) + about, {}, self.sinks, now, congestion=self.part)

    def estimates(self, rate: int, now: float = 9.0) -> None:
        feedback.receive(rtcp.write_remb(1, rate, [*self.sinks]), {}, self.sinks, now, congestion=self.part)


def settle(*people: Somebody) -> None:
    congestion.settle({one.part: one.sources for one in people}, [one.part for one in people])


def picture(number: int, wide: int, ssrc: int = 5) -> bytes:
    """Return a packet as Chromium sends nearly all of them."""
    block = extension((2, b"abc"), (3, wide.to_bytes(2)))
    return rtp(number, ssrc=ssrc, block=block)


def test_of_two_the_receivers_own_word_is_passed_on() -> None:
    alice, bob = Somebody("alice"), Somebody("bob", FIREFOX)
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)

    for step in (0, 1, 3, 2):
        source.forward(picture(10 + step, (65_534 + step) & 0xFFFF), 1.0)
    first = bob.numbers[0]
    assert first is not None
    assert bob.numbers == [first, first + 1, first + 3, first + 2]
    assert elements(bob.end.media[0].raw)[0] == (4, b"abc")
    bob.says(first, [1.0, 1.01, None, 1.004])

    assert told(alice.end) == [Told(5, 65_534, [1000, 1010, None, 1004])]
    compound = alice.end.control[-1]
    assert [part.kind for part in rtcp.parts(compound)] == [rtcp.RR, rtcp.TRANSPORT_FEEDBACK]
    assert len(compound) % 4 == 0


def test_a_retransmission_counts_like_any_other_packet() -> None:
    alice, bob = Somebody("alice"), Somebody("bob")
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)

    source.forward(picture(10, 100), 1.0)
    source.forward_repair(
        rtp(1, kind=97, ssrc=6, block=extension((2, b"abc"), (3, b"\x00\x65")), payload=b"\0\x0ax"), 1.0
    )

    assert bob.numbers[1] == (bob.numbers[0] or 0) + 1


def test_who_does_not_reach_one_alone_hears_from_this_node() -> None:
    alice, bob, carol = Somebody("alice"), Somebody("bob"), Somebody("carol")
    source = alice.sends()
    for receiver in (bob, carol):
        receiver.gets(source)
    settle(alice, bob, carol)

    for step, at in ((0, 1.0), (1, 1.002), (4, 1.09), (3, 1.091), (5, 1.101), (8, 1.21)):
        source.forward(picture(10 + step, 500 + step), at)

    assert told(alice.end) == [Told(5, 500, [1000, 1002, None, 1091, 1090]), Told(5, 505, [1101])]
    assert bob.numbers == carol.numbers == [None] * 6
    assert elements(bob.end.media[0].raw) == [(2, b"abc")]
    alice.part.look(1.25)
    assert len(told(alice.end)) == 2, "what is too young waits for more"
    alice.part.look(1.31)
    assert told(alice.end)[2] == Told(5, 506, [None, None, 1210])


def test_what_was_told_of_as_lost_is_not_told_of_again() -> None:
    alice, bob, carol = Somebody("alice"), Somebody("bob"), Somebody("carol")
    source = alice.sends()
    for receiver in (bob, carol):
        receiver.gets(source)
    settle(alice, bob, carol)

    for wide, at in ((500, 1.0), (502, 1.0), (503, 1.2), (501, 1.2), (504, 1.4)):
        source.forward(picture(wide, wide), at)

    assert told(alice.end) == [Told(5, 500, [1000, None, 1000]), Told(5, 503, [1200])]


def test_a_stream_that_is_withheld_makes_no_losses() -> None:
    alice, bob = Somebody("alice"), Somebody("bob")
    camera, screen = alice.sends(), alice.sends(ssrc=15)
    bob.gets(camera)
    settle(alice, bob)

    for wide in (500, 502):
        camera.forward(picture(wide, wide), 1.0)
        screen.forward(picture(wide, wide + 1, ssrc=15), 1.0)
    alice.part.look(2.0)

    assert told(alice.end) == [Told(5, 500, [1000] * 4)]
    assert bob.numbers == [None, None]


def test_a_third_one_comes_and_goes_and_earlier_limits_go_with_them() -> None:
    alice, bob, carol = Somebody("alice"), Somebody("bob"), Somebody("carol")
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)
    source.forward(picture(1, 100), 1.0)
    assert limits(alice.end) == []

    sink = carol.gets(source)
    settle(alice, bob, carol)
    source.forward(picture(2, 101), 2.0)
    carol.estimates(300_000)
    alice.part.look(3.0)
    assert (limits(alice.end), told(alice.end)) == ([300_000], [Told(5, 101, [2000])])

    sink.bind(None)
    settle(alice, bob)
    source.forward(picture(3, 102), 3.0)
    assert limits(alice.end) == [300_000, 0]
    assert bob.numbers[1] is None
    bob.estimates(200_000)
    assert limits(alice.end) == [300_000, 0], "who gets numbers estimates nothing"
    assert bob.numbers[2] is not None
    bob.says(bob.numbers[2], [3.0])
    assert told(alice.end)[-1] == Told(5, 102, [3000])


def test_what_is_said_of_one_sender_is_not_told_to_the_next() -> None:
    old, new, bob = Somebody("alice"), Somebody("alice again"), Somebody("bob")
    before = old.sends()
    sink = bob.gets(before)
    settle(old, bob)
    before.forward(picture(1, 100), 1.0)
    (first,) = bob.numbers
    assert first is not None
    bob.says(first, [1.0])

    after = new.sends()
    join(after, sink)
    settle(old, new, bob)
    after.forward(picture(1, 7), 2.0)
    begun = bob.numbers[-1]
    assert begun is not None
    assert (begun - first) & 0xFFFF > 1000
    bob.says(first, [1.0] + [None] * 5 + [2.0], now=2.1)
    bob.says(begun, [2.0], now=2.2)

    assert [one.first for one in told(old.end)] == [100]
    assert [one.first for one in told(new.end)] == [7]


def test_numbers_may_be_far_from_the_first_after_a_while() -> None:
    alice, bob = Somebody("alice"), Somebody("bob")
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)
    source.forward(picture(0, 0), 0.0)
    (first,) = bob.numbers
    assert first is not None

    bob.says(first + 40_000, [100.0], now=100.0)

    assert [one.first for one in told(alice.end)] == [40_000]


def test_an_older_peer_of_the_receiver_does_not_count() -> None:
    alice, old, new = Somebody("alice"), Somebody("bob"), Somebody("bob again")
    source = alice.sends()
    for receiver in (old, new):
        receiver.gets(source)
    congestion.settle({alice.part: [source]}, [alice.part, new.part])

    source.forward(picture(1, 100), 1.0)

    assert old.numbers == [None]
    assert new.numbers != [None]


def test_a_receiver_that_closes_leaves_its_sender_to_this_node() -> None:
    alice, bob = Somebody("alice"), Somebody("bob")
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)
    source.forward(picture(1, 100), 1.0)

    bob.part.close()
    source.forward(picture(2, 101), 2.0)
    alice.part.look(3.0)

    assert told(alice.end) == [Told(5, 101, [2000])]


def test_a_sender_that_closes_leaves_nothing_behind() -> None:
    alice, bob = Somebody("alice"), Somebody("bob")
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)
    source.forward(picture(1, 100), 1.0)

    alice.part.close()
    bob.says(bob.numbers[0] or 0, [1.0])

    assert (bob.end.path.shift, source.watch, told(alice.end)) == (None, None, [])


def test_who_gets_one_sender_with_numbers_and_one_more_gets_none() -> None:
    alice, bob, carol = Somebody("alice"), Somebody("bob"), Somebody("carol")
    for sender in (alice, carol):
        bob.gets(sender.sends())
    settle(alice, bob, carol)

    for sender in (alice, carol):
        sender.sources[0].forward(picture(1, 100), 1.0)

    assert bob.numbers == [None, None]


def test_a_receiver_without_such_numbers_leaves_the_sender_to_this_node() -> None:
    alice, bob = Somebody("alice"), Somebody("bob", CHROMIUM_VIDEO)
    source = alice.sends()
    bob.gets(source)
    settle(alice, bob)

    source.forward(picture(1, 100), 1.0)
    alice.part.look(2.0)

    assert told(alice.end) == [Told(5, 100, [1000])]
    assert elements(bob.end.media[0].raw) == [(2, b"abc")]


def test_who_hears_themselves_tells_themselves() -> None:
    alice = Somebody("alice")
    source = alice.sends()
    alice.gets(source)
    settle(alice)

    source.forward(picture(1, 100), 1.0)
    alice.says(alice.numbers[0] or 0, [1.0])
    alice.part.close()

    assert told(alice.end) == [Told(5, 100, [1000])]
    assert (alice.part.to, alice.part.sender, alice.end.path.shift) == (None, None, None)


# --- Through a node


class Counting(Probe):
    """A probe that numbers its pictures as browsers do, with extension 9."""

    async def offer(self) -> str:
        lines: list[str] = []
        for text in (await super().offer()).splitlines():
            lines.append(text)
            if text.endswith(" goog-remb"):
                lines.append(text.replace("goog-remb", "transport-cc"))
            if text.startswith("m=video"):
                lines.append(f"a=extmap:9 {TRANSPORT_WIDE}")
        return "\r\n".join([*lines, ""])


def counted(probe: Probe) -> list[int | None]:
    """The transport-wide numbers of the media that came."""
    return [wide_of(packet, 9) for packet in probe.received if not is_rtcp(packet)]


async def test_the_numbers_and_the_word_of_a_peer_reach_the_other_through_a_node(stage: Stage) -> None:
    alice, bob = Counting(), Counting()
    stage.probes += [alice, bob]
    for who, probe in (("alice", alice), ("bob", bob)):
        await stage.negotiate(who, probe)
    await connected(stage, alice, bob)

    alice.send(rtp(1, kind=97, ssrc=alice.ssrc(1), block=extension((9, b"\x00\x64"))))
    await until(lambda: bool(counted(bob)))
    (number,) = counted(bob)
    assert number is not None
    bob.send(rtcp.write_rr(1) + rtcp.write_arrivals(1, bob.ssrc(1), 0, number, [1.0]))
    await until(lambda: bool(arrivals([packet for packet in alice.received if is_rtcp(packet)])))

    assert arrivals([packet for packet in alice.received if is_rtcp(packet)]) == [Told(alice.ssrc(1), 100, [1000])]


async def test_who_hears_their_own_echo_is_told_by_themselves(stage: Stage) -> None:
    alice = Counting()
    stage.probes.append(alice)
    answer = await stage.node.alone.offer(
        purpose="check", room="room", participant="alice", peer="peer", round=1, sdp=await alice.offer()
    )
    await alice.accept(answer.sdp)
    await until(lambda: alice.connected and all(peer.state == "connected" for peer in stage.node.alone))

    alice.send(rtp(1, kind=97, ssrc=alice.ssrc(1), block=extension((9, b"\x00\x64"))))
    await until(lambda: bool(counted(alice)))

    assert counted(alice) != [None]


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.none() | st.floats(-0.2, 0.2), min_size=1, max_size=60).filter(any),
    st.floats(1, 1e6),
)
def test_arrivals_are_written_to_a_quarter_of_a_millisecond(
    first: int, steps: list[float | None], begin: float
) -> None:
    times: list[float | None] = []
    clock = begin
    for step in steps:
        clock += step or 0.0
        times.append(None if step is None else clock)

    (part,) = rtcp.parts(rtcp.write_arrivals(1, 2, 300, first, times))
    got = read(part)

    assert (got.media, got.first, len(got.times)) == (2, first, len(times))
    round_of_clock = 64.0 * (1 << 24)
    for want, have in zip(times, got.times, strict=True):
        assert (want is None) == (have is None)
        if want is not None and have is not None:
            off = abs(want * 1000 - have) % round_of_clock
            assert min(off, round_of_clock - off) <= 0.126
    assert rtcp.arrivals_of(part) == (first, len(times))


def test_the_ids_of_a_picture_are_written_for_the_other_side_in_any_order() -> None:
    for block in (extension((2, b"abc"), (3, b"\x01\x00")), extension((3, b"\x01\x00"), (2, b"abc"))):
        alice, bob = Somebody("alice"), Somebody("bob", FIREFOX)
        source = alice.sends()
        bob.gets(source)
        settle(alice, bob)

        source.forward(rtp(1, block=block), 1.0)

        assert dict(elements(bob.end.media[0].raw)).keys() == {4, 7}
        assert dict(elements(bob.end.media[0].raw))[4] == b"abc"
    assert SENT_AT in FIREFOX.extensions
