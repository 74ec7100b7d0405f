"""What two peers report to each other is translated into the other's numbers."""

from __future__ import annotations

from server.media import feedback, rtcp
from server.media.congestion import Congestion
from server.media.limits import KEYFRAMES, REPEATS
from server.media.relay import Sink, Source
from server.media.rtcp import Block, Part, SenderInfo
from tests.server.media.packets import CHROMIUM_AUDIO, CHROMIUM_VIDEO, FIREFOX_VIDEO, End, join, rtp


def parts(end: End, kind: int) -> list[Part]:
    """The packets of one kind that were sent to that end, in their order."""
    found = [part for packet in end.control for part in rtcp.parts(packet)]
    return [part for part in found if part.kind == kind]


class Call:
    """Alice's video, on its way to Bob: 2,000 packets ahead in number and 49,900 ticks in time."""

    def __init__(self) -> None:
        self.alice, self.bob = End("alice"), End("bob")
        self.source = self.alice.source(CHROMIUM_VIDEO)
        self.sink = self.bob.sink(FIREFOX_VIDEO, first=3000)
        join(self.source, self.sink)
        self.source.forward(rtp(1000, timestamp=100), 0.0)
        self.source.forward_repair(rtp(500, kind=97, ssrc=6, payload=b"\x03\xe8payload"), 0.0)
        self.alice.sent.clear()
        self.bob.sent.clear()

    def alice_says(self, compound: bytes) -> None:
        feedback.receive(compound, {5: self.source, 6: self.source}, {}, 0.0, congestion=Congestion(self.alice.path))

    def bob_says(self, compound: bytes, now: float = 10.0, *, speaks: bool = True) -> None:
        sinks = {700: self.sink, 701: self.sink}
        feedback.receive(compound, {}, sinks, now, congestion=Congestion(self.bob.path), speaks=speaks)


def test_a_senders_report_keeps_its_clock_and_moves_its_timestamp() -> None:
    call = Call()

    call.alice_says(rtcp.write_sr(SenderInfo(5, 1 << 50, 1000, 30, 9000)))

    (report,) = parts(call.bob, rtcp.SR)
    assert rtcp.sender_info(report) == SenderInfo(700, 1 << 50, 1000 + 49_900, 30, 9000)
    assert len(parts(call.bob, rtcp.SDES)) == 1


def test_a_report_about_a_stream_that_is_not_forwarded_yet_means_nothing() -> None:
    call = Call()
    call.sink.restart()

    call.alice_says(rtcp.write_sr(SenderInfo(5, 1 << 50, 1000, 30, 9000)))

    assert call.bob.sent == []


def test_a_receivers_report_comes_back_in_the_senders_numbers() -> None:
    call = Call()
    about = [Block(700, 17, 3050, 4, 5, 6), Block(701, 0, 3003, 0, 0, 0), Block(4711, 0, 1, 0, 0, 0)]

    call.bob_says(rtcp.write_rr(9, about))

    (report,) = parts(call.alice, rtcp.RR)
    assert rtcp.blocks(report) == [Block(5, 17, 1050, 4, 5, 6), Block(6, 0, 503, 0, 0, 0)]


def test_extended_numbers_come_back_with_their_cycles() -> None:
    call = Call()

    call.bob_says(rtcp.write_rr(9, [Block(700, 0, 0x0001_0000 + 2999, 0, 0, 0)]))

    (report,) = parts(call.alice, rtcp.RR)
    assert rtcp.blocks(report)[0].highest == 0x0001_0000 + 999


def test_reports_inside_a_senders_report_are_found() -> None:
    call = Call()
    compound = bytearray(rtcp.write_sr(SenderInfo(4711, 0, 0, 0, 0)))
    compound[0] |= 1
    compound[3] += 6
    compound += rtcp.write_rr(9, [Block(700, 0, 3000, 0, 0, 0)])[8:]

    call.bob_says(bytes(compound))

    (report,) = parts(call.alice, rtcp.RR)
    assert rtcp.blocks(report)[0].highest == 1000


def test_lost_packets_are_asked_for_by_the_senders_numbers() -> None:
    call = Call()

    call.bob_says(rtcp.write_nack(9, 700, [3001, 3002, 3040]))

    (nack,) = parts(call.alice, rtcp.TRANSPORT_FEEDBACK)
    assert (rtcp.media_ssrc(nack), rtcp.lost(nack)) == (5, [1001, 1002, 1040])


def test_keyframe_requests_of_both_kinds_reach_the_sender_as_one() -> None:
    call = Call()
    fir = bytes([0x84, 206, 0, 4]) + bytes(8) + (700).to_bytes(4) + b"\x01\x00\x00\x00"

    call.bob_says(rtcp.write_pli(9, 700))
    call.bob_says(fir)
    assert len(parts(call.alice, rtcp.PAYLOAD_FEEDBACK)) == 1

    call.bob_says(fir, now=20.0)
    asked = parts(call.alice, rtcp.PAYLOAD_FEEDBACK)
    assert [(part.format, rtcp.media_ssrc(part)) for part in asked] == [(rtcp.PLI, 5)] * 2


def rates(end: End) -> list[tuple[int, list[int]] | None]:
    return [rtcp.remb(part) for part in parts(end, rtcp.PAYLOAD_FEEDBACK) if part.format == rtcp.APPLICATION]


def test_an_estimate_is_passed_on_for_the_senders_streams() -> None:
    call = Call()

    call.bob_says(rtcp.write_remb(9, 200_000, [700, 701]))

    assert rates(call.alice) == [(200_000, [5, 6])]


def test_the_estimate_of_a_peer_that_will_be_closed_holds_nobody_back() -> None:
    call = Call()

    call.bob_says(rtcp.write_remb(9, 200_000, [700]), speaks=False)

    assert call.alice.sent == []


def test_a_sender_hears_of_its_slowest_receiver_while_it_is_there() -> None:
    call = Call()
    carol = End("carol")
    slow = carol.sink(CHROMIUM_VIDEO)
    join(call.source, slow)
    call.alice.sent.clear()

    feedback.receive(rtcp.write_remb(9, 50_000, [700]), {}, {700: slow}, 10.0, congestion=Congestion(slow.path))
    call.bob_says(rtcp.write_remb(9, 200_000, [700]), now=10.5)
    call.bob_says(rtcp.write_remb(9, 200_000, [700]), now=16.0)
    call.source.unlink(slow)
    call.bob_says(rtcp.write_remb(9, 210_000, [700]), now=16.5)

    assert [rate for rate, _ in filter(None, rates(call.alice))] == [50_000, 50_000, 200_000, 210_000]


def test_what_a_receiver_can_take_is_shared_among_the_videos_it_gets() -> None:
    alice, bob, carol = End("alice"), End("bob"), End("carol")
    sinks: dict[int, Sink] = {}
    sources: list[Source] = []
    for end, ssrc in ((alice, 700), (bob, 800)):
        source, sink = (
            end.source(CHROMIUM_VIDEO),
            Sink(carol.path, "1", ssrc=ssrc, rtx_ssrc=ssrc + 1, first=1, timestamp=1),
        )
        sink.formats = CHROMIUM_VIDEO
        join(source, sink)
        sinks[ssrc] = sink
        sources.append(source)
        end.sent.clear()

    feedback.receive(rtcp.write_remb(9, 200_000, [700, 800]), {}, sinks, 1.0, congestion=Congestion(sinks[700].path))

    assert rates(alice) == rates(bob) == [(100_000, [5, 6])]


def test_sound_has_no_part_in_an_estimate() -> None:
    alice, bob = End("alice"), End("bob")
    source, sink = alice.source(CHROMIUM_AUDIO, kind="audio"), bob.sink(CHROMIUM_AUDIO)
    join(source, sink)

    feedback.receive(rtcp.write_remb(9, 200_000, [700]), {}, {700: sink}, 1.0, congestion=Congestion(sink.path))

    assert alice.sent == []


def test_nobody_speaks_for_a_line_that_is_held_back() -> None:
    call = Call()
    call.source.unlink(call.sink)

    call.bob_says(rtcp.write_pli(9, 700))
    call.bob_says(rtcp.write_nack(9, 700, [3001]))
    call.bob_says(rtcp.write_rr(9, [Block(700, 0, 3000, 0, 0, 0)]))
    call.bob_says(rtcp.write_remb(9, 200_000, [700]))
    call.alice_says(rtcp.write_sr(SenderInfo(5, 1 << 50, 1000, 30, 9000)))

    assert (call.alice.sent, call.bob.sent) == ([], [])


def test_a_receiver_that_wants_keyframes_at_all_times_gets_one_a_second() -> None:
    call = Call()

    for moment in range(1, 1001):  # for ten seconds, a hundred times a second
        call.bob_says(rtcp.write_pli(9, 700), 10.0 + moment / 100)

    asked = len(parts(call.alice, rtcp.PAYLOAD_FEEDBACK))
    assert KEYFRAMES.at_once <= asked <= KEYFRAMES.at_once + 10 * KEYFRAMES.each_second


def test_a_receiver_that_wants_everything_again_gets_a_part_of_it() -> None:
    call = Call()
    everything = [number & 0xFFFF for number in range(3000, 8000)]

    for moment in range(1, 101):  # for ten seconds, ten times a second
        call.bob_says(rtcp.write_nack(9, 700, everything), 10.0 + moment / 10)

    asked = sum(len(rtcp.lost(part)) for part in parts(call.alice, rtcp.TRANSPORT_FEEDBACK))
    assert REPEATS.at_once <= asked <= REPEATS.at_once + 10 * REPEATS.each_second


def test_a_receiver_that_lost_a_second_of_everything_may_have_it_again() -> None:
    call = Call()
    lost = [number & 0xFFFF for number in range(3000, 3600)]

    call.bob_says(rtcp.write_nack(9, 700, lost))

    assert sum(len(rtcp.lost(part)) for part in parts(call.alice, rtcp.TRANSPORT_FEEDBACK)) == len(lost)
