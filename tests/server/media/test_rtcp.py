"""RTCP as it is written here is what aiortc reads, and the other way round."""

from __future__ import annotations

from aiortc import rtp as theirs
from hypothesis import given
from hypothesis import strategies as st

from server.media import rtcp

number = st.integers(0, 0xFFFF)
ssrc = st.integers(0, 0xFFFFFFFF)


@given(st.lists(number, min_size=1, max_size=40, unique=True))
def test_a_nack_asks_for_exactly_these(numbers: list[int]) -> None:
    packet = rtcp.write_nack(1, 2, sorted(numbers))

    (part,) = rtcp.parts(packet)
    (read,) = theirs.RtcpPacket.parse(packet)

    assert sorted(set(rtcp.lost(part))) == sorted(numbers)
    assert isinstance(read, theirs.RtcpRtpfbPacket)
    assert (read.ssrc, read.media_ssrc) == (1, 2)


def test_a_nack_across_the_wrap_asks_for_both_sides_of_it() -> None:
    (part,) = rtcp.parts(rtcp.write_nack(1, 2, [65_534, 65_535, 0, 3]))

    assert rtcp.lost(part) == [65_534, 65_535, 0, 3]


@given(st.integers(0, 1 << 40), st.lists(ssrc, min_size=1, max_size=4))
def test_an_estimate_keeps_its_eighteen_bits(rate: int, streams: list[int]) -> None:
    packet = rtcp.write_remb(1, rate, streams)

    (part,) = rtcp.parts(packet)
    (read,) = theirs.RtcpPacket.parse(packet)
    assert isinstance(read, theirs.RtcpPsfbPacket)

    ours = rtcp.remb(part)
    assert ours == theirs.unpack_remb_fci(read.fci)
    assert ours is not None
    assert 0 <= rate - ours[0] <= rate / 2**17


@given(st.text("abcdefgh", max_size=12))
def test_a_sender_report_travels_with_a_name(name: str) -> None:
    packet = rtcp.write_sr(rtcp.SenderInfo(7, 1 << 40, 90, 3, 1000)) + rtcp.write_cname(7, name)

    report, description = theirs.RtcpPacket.parse(packet)

    assert isinstance(report, theirs.RtcpSrPacket)
    assert (report.ssrc, report.sender_info.ntp_timestamp, report.sender_info.rtp_timestamp) == (7, 1 << 40, 90)
    assert isinstance(description, theirs.RtcpSdesPacket)
    assert description.chunks == [theirs.RtcpSourceInfo(ssrc=7, items=[(1, name.encode())])]


def test_report_blocks_survive_the_way_through() -> None:
    sent = theirs.RtcpReceiverInfo(9, 12, -3, 70_000, 5, 6, 7)

    (part,) = rtcp.parts(bytes(theirs.RtcpRrPacket(ssrc=1, reports=[sent])))
    (block,) = rtcp.blocks(part)
    (read,) = theirs.RtcpPacket.parse(rtcp.write_rr(1, [block]))

    assert isinstance(read, theirs.RtcpRrPacket)
    assert read.reports == [sent]


@given(st.binary(max_size=80))
def test_no_bytes_raise(data: bytes) -> None:
    for start in (data, b"\x81\xc8" + data, b"\x82\xc9\x00\x03" + data, b"\xaf\xce\x00\x05" + data):
        for part in rtcp.parts(start):
            rtcp.sender_info(part)
            rtcp.blocks(part)
            rtcp.media_ssrc(part)
            rtcp.lost(part)
            rtcp.fir_ssrcs(part)
            rtcp.remb(part)
            if rtcp.arrivals_of(part) is not None:
                rtcp.move_arrivals(part, 1, 2, 3)
