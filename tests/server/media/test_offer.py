"""Offers of browsers are understood; whatever else comes is a bad description, and nothing worse."""

from __future__ import annotations

import random

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from server.media import offer
from server.media.rtp import MID, TRANSPORT_WIDE
from signaling.errors import BadSdp
from tests.server.media.descriptions import (
    CHROMIUM,
    CHROMIUM_AUDIO,
    CHROMIUM_VIDEO,
    DATA,
    FIREFOX,
    FIREFOX_AUDIO,
    FIREFOX_VIDEO,
    TRANSPORT,
    describe,
)


def types(line: offer.Line) -> list[tuple[int, str]]:
    return [(codec.payload_type, codec.name) for codec in line.formats.codecs]


def test_chromiums_offer_is_understood() -> None:
    read = offer.read(CHROMIUM)

    audio, video = read.lines
    assert types(audio) == [(111, "opus")]
    assert types(video) == [
        (96, "vp8"),
        (97, "rtx"),
        (102, "h264"),
        (103, "rtx"),
    ]  # VP8 first, whatever is offered first
    assert (audio.formats.extensions[MID], video.formats.extensions[MID]) == (4, 4)
    assert (audio.ssrc, video.ssrc, video.rtx_ssrc) == (1001, 1002, 1003)
    assert all(line.sends and line.receives for line in read.lines)


def test_firefoxs_offer_is_understood() -> None:
    read = offer.read(FIREFOX)

    audio, video = read.lines
    assert types(audio) == [(109, "opus")]
    assert types(video) == [(120, "vp8"), (124, "rtx"), (126, "h264"), (127, "rtx")]
    assert video.usable, "a bundle-only line has port 0 and is meant all the same"
    assert (read.transport.fragment, len(read.transport.fingerprints)) == ("abcd", 1)


def test_a_candidate_in_the_offer_is_found() -> None:
    assert len(offer.read(FIREFOX).candidates) == 4


@pytest.mark.parametrize("sdp", [CHROMIUM, FIREFOX])
def test_what_aiortc_gets_holds_only_what_was_understood(sdp: str) -> None:
    text = offer.Book().write(offer.read(sdp))

    again = SessionDescription.parse(text)
    assert [(media.kind, media.rtp.muxId) for media in again.media] == [("audio", "0"), ("video", "1")]
    assert "candidate" not in text
    assert "ssrc:" not in text
    assert offer.read(text).transport == offer.read(sdp).transport


def test_lines_that_cannot_be_used_are_not_for_aiortc() -> None:
    vp9 = CHROMIUM_VIDEO.replace("mid:1", "mid:3").replace(" 102 103 96 97 45 46", "")
    read = offer.read(describe(CHROMIUM_AUDIO, DATA, vp9, CHROMIUM_VIDEO, mids="0 2 3 1"))

    assert [line.usable for line in read.lines] == [True, False, False, True]
    assert offer.Book().write(read).count("m=") == 2


def test_a_stopped_line_lies_idle_and_its_successor_follows() -> None:
    book = offer.Book()
    book.write(offer.read(CHROMIUM))
    stopped = CHROMIUM_VIDEO.replace("m=video 9", "m=video 0").replace("a=sendrecv", "a=inactive")
    later = CHROMIUM_VIDEO.replace("mid:1", "mid:2")

    text = book.write(offer.read(describe(CHROMIUM_AUDIO, stopped, later, mids="0 2")))

    again = SessionDescription.parse(text)
    assert [(media.rtp.muxId, media.direction) for media in again.media] == [
        ("0", "sendrecv"),
        ("1", "inactive"),
        ("2", "sendrecv"),
    ]


def test_the_answer_has_a_line_for_each_offered_and_refuses_with_port_0() -> None:
    read = offer.read(describe(DATA, CHROMIUM_AUDIO, mids="2 0"))
    local = offer.Book().write(read).replace("actpass", "active")

    answer = offer.finish(local, read)

    lines = [text for text in answer.split("\r\n") if text.startswith(("m=", "a=mid", "a=group"))]
    assert lines == [
        "a=group:BUNDLE 0",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:2",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
    ]
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1" in answer
    refused = answer[answer.index("m=application") : answer.index("m=audio")]
    assert "a=ice-ufrag:" in refused, "some readers look for the transport in every section"


@pytest.mark.parametrize(("sdp", "number"), [(CHROMIUM, 3), (FIREFOX, 7)], ids=["Chromium", "Firefox"])
def test_packets_of_pictures_are_counted_and_those_of_voices_are_not(sdp: str, number: int) -> None:
    read = offer.read(sdp)
    book = offer.Book().write(read)
    assert TRANSPORT_WIDE not in book, "aiortc knows nothing of it"

    answer = offer.finish(book.replace("actpass", "active"), read)

    audio, video = SessionDescription.parse(answer).media
    assert TRANSPORT_WIDE not in [one.uri for one in audio.rtp.headerExtensions]
    assert [one.id for one in video.rtp.headerExtensions if one.uri == TRANSPORT_WIDE] == [number]
    for codec in video.rtp.codecs:
        kinds = [one.type for one in codec.rtcpFeedback]
        assert ("transport-cc" in kinds) == (not codec.name.lower().startswith("rtx"))
    agreed = offer.agreed(book)
    assert TRANSPORT_WIDE not in offer.settled(agreed["0"], read.lines[0]).extensions
    assert offer.settled(agreed["1"], read.lines[1]).extensions[TRANSPORT_WIDE] == number
    assert TRANSPORT_WIDE not in offer.settled(agreed["1"], None).extensions


def test_packets_are_not_counted_for_a_browser_that_would_not_tell_of_them() -> None:
    read = offer.read(CHROMIUM.replace("a=rtcp-fb:96 transport-cc\r\n", ""))

    assert "transport" not in offer.finish(offer.Book().write(read), read)


def test_a_single_line_without_a_bundle_is_answered_without_one() -> None:
    read = offer.read(describe(CHROMIUM_AUDIO).replace("a=group:BUNDLE 0 1\r\n", ""))

    assert "a=group" not in offer.finish(offer.Book().write(read), read)


def test_another_generation_of_ice_or_another_certificate_needs_a_new_peer() -> None:
    book = offer.Book()
    book.write(offer.read(CHROMIUM))

    with pytest.raises(BadSdp):
        book.write(offer.read(CHROMIUM.replace("abcd", "efgh")))
    with pytest.raises(BadSdp):
        book.write(offer.read(CHROMIUM.replace("A5:A5", "A5:A6")))
    book.write(offer.read(CHROMIUM))


def test_a_line_keeps_its_kind() -> None:
    book = offer.Book()
    book.write(offer.read(CHROMIUM))
    swapped = [CHROMIUM_AUDIO.replace("mid:0", "mid:1"), CHROMIUM_VIDEO.replace("mid:1", "mid:0")]

    with pytest.raises(BadSdp):
        book.write(offer.read(describe(*swapped)))


def test_a_group_may_say_more() -> None:
    lines = [
        CHROMIUM_VIDEO.replace("mid:1", f"mid:{number}") + "a=x-unread:" + "y" * 700 + "\n" for number in range(24)
    ]
    long = describe(*lines, mids=" ".join(str(number) for number in range(24)))

    assert offer.LARGEST < len(long) < 24 * offer.EACH
    assert len(offer.read(long).usable) == 24


BAD = {
    "nothing": "",
    "no text at all": "hello",
    "too long": CHROMIUM + "a=x\r\n" * 10_000,
    "too long for so many lines": describe(*[CHROMIUM_AUDIO] * 24) + "a=x\r\n" * 10_000,
    "no lines": describe(),
    "no usable line": describe(DATA, mids="2"),
    "too many lines": describe(*[DATA] * 33, CHROMIUM_AUDIO),
    "an answer": CHROMIUM.replace("actpass", "active"),
    "no role": CHROMIUM.replace("a=setup:actpass\r\n", ""),
    "no fingerprint": CHROMIUM.replace("a=fingerprint", "a=fingertip"),
    "a weak fingerprint": CHROMIUM.replace("sha-256", "sha-1"),
    "a short fingerprint": CHROMIUM.replace("A5:A5:A5:", ""),
    "no user name": CHROMIUM.replace("a=ice-ufrag", "a=ice"),
    "a strange user name": CHROMIUM.replace("ufrag:abcd", "ufrag:äöü\ud800"),
    "a short password": CHROMIUM.replace("0123456789012345678901", "0123"),
    "no bundle": CHROMIUM.replace("a=group:BUNDLE 0 1\r\n", ""),
    "outside the bundle": CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 7"),
    "twins": CHROMIUM.replace("mid:1", "mid:0"),
    "a strange name": CHROMIUM.replace("mid:1", "mid:a b"),
    "a long name": CHROMIUM.replace("mid:1", "mid:" + "a" * 17),
    "no multiplexing": CHROMIUM.replace("a=rtcp-mux", "a=rtcp"),
    "no encryption": CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    "a half line": describe("m=audio\n"),
}


@pytest.mark.parametrize("sdp", BAD.values(), ids=BAD.keys())
def test_nothing_can_be_made_of_it(sdp: str) -> None:
    with pytest.raises(BadSdp):
        offer.read(sdp)


WORDS = [
    *{line for text in (CHROMIUM, FIREFOX) for line in text.splitlines()},
    TRANSPORT,
    "a=candidate:x",
    "m=",
    "a=",
    "v=0",
]


def survives(sdp: str) -> None:
    """The offer is refused, or what is made of it is fit for aiortc."""
    try:
        text = offer.Book().write(offer.read(sdp))
    except BadSdp:
        return
    assert SessionDescription.parse(text).media


@given(st.text())
def test_no_text_raises_anything_else(sdp: str) -> None:
    survives(sdp)


@given(st.lists(st.sampled_from(WORDS)).map("\r\n".join))
def test_no_mixture_of_lines_raises_anything_else(sdp: str) -> None:
    survives(sdp)
    survives("v=0\r\n" + sdp)


@settings(max_examples=300)
@given(st.sampled_from([CHROMIUM, FIREFOX]), st.integers(0, 2**32), st.text(max_size=4))
def test_no_damage_raises_anything_else(sdp: str, seed: int, splinter: str) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 5)):
        place, length = chance.randrange(len(sdp)), chance.choice([0, 1, 2, 30])
        sdp = sdp[:place] + splinter + sdp[place + length :]

    survives(sdp)


def test_sections_of_both_browsers_can_stand_together() -> None:
    later = FIREFOX_AUDIO.replace("mid:0", "mid:5")

    read = offer.read(describe(CHROMIUM_AUDIO, later, FIREFOX_VIDEO, mids="0 5 1", session=TRANSPORT))

    assert [line.mid for line in read.usable] == ["0", "5", "1"]
