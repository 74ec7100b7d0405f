"""The short way to libsrtp does what pylibsrtp does, and where it cannot, pylibsrtp does it."""

from __future__ import annotations

import gc
import logging
import threading
from dataclasses import dataclass

import pytest
from pylibsrtp import Error, Policy, Session

from server.media import srtp
from server.media.srtp import LARGEST, Ways, agree, by_libsrtp, by_pylibsrtp

PACKET = b"\x80\x60\x00\x07\x00\x00\x00\x01\x00\x00\x00\x02" + b"a word"
COMPOUND = b"\x80\xc9\x00\x01\x00\x00\x00\x02"


def session(kind: int) -> Session:
    return Session(Policy(bytes(range(30)), kind))


def test_this_machine_takes_the_short_way() -> None:
    assert srtp.ways is by_libsrtp


def test_what_one_way_protects_the_other_unprotects() -> None:
    short, long = by_libsrtp(session(Policy.SSRC_ANY_OUTBOUND)), by_pylibsrtp(session(Policy.SSRC_ANY_OUTBOUND))
    back = by_libsrtp(session(Policy.SSRC_ANY_INBOUND))

    packet, compound = short.protect(PACKET), short.protect_rtcp(COMPOUND)

    assert (packet, compound) == (long.protect(PACKET), long.protect_rtcp(COMPOUND))
    assert (back.unprotect(packet), back.unprotect_rtcp(compound)) == (PACKET, COMPOUND)


@pytest.mark.parametrize(
    "packet", [b"", PACKET[:8], PACKET, PACKET + bytes(20), bytes(LARGEST), b"\x80" + bytes(LARGEST)]
)
def test_what_is_not_genuine_or_too_long_is_an_error(packet: bytes) -> None:
    ways = by_libsrtp(session(Policy.SSRC_ANY_INBOUND))

    with pytest.raises(Error):
        ways.unprotect(packet)
    with pytest.raises(Error):
        ways.unprotect_rtcp(packet)


def test_a_replayed_packet_is_an_error() -> None:
    protected = by_libsrtp(session(Policy.SSRC_ANY_OUTBOUND)).protect(PACKET)
    back = by_libsrtp(session(Policy.SSRC_ANY_INBOUND))
    back.unprotect(protected)

    with pytest.raises(Error, match="replay"):
        back.unprotect(protected)


def test_the_largest_packet_fits_with_its_trailer() -> None:
    packet = PACKET[:12] + bytes(LARGEST - 12)

    assert len(by_libsrtp(session(Policy.SSRC_ANY_OUTBOUND)).protect(packet)) == LARGEST + 10


def test_a_way_keeps_its_session_alive() -> None:
    protect = by_libsrtp(session(Policy.SSRC_ANY_OUTBOUND)).protect
    gc.collect()

    assert protect(PACKET) == by_pylibsrtp(session(Policy.SSRC_ANY_OUTBOUND)).protect(PACKET)


def test_each_thread_has_a_buffer_of_its_own() -> None:
    rooms = [srtp._ROOM.chars]
    other = threading.Thread(target=lambda: rooms.append(srtp._ROOM.chars))
    other.start()
    other.join()

    assert rooms[0] != rooms[1]


@dataclass
class Broken:
    """A way with one fault."""

    fault: str

    def __call__(self, session: Session) -> Ways:
        return by_pylibsrtp(session)._replace(**{self.fault: lambda packet: packet})


@pytest.mark.parametrize("fault", Ways._fields)
def test_a_way_that_does_something_else_is_found_out(fault: str) -> None:
    assert agree(by_pylibsrtp, by_pylibsrtp)

    assert not agree(Broken(fault), by_pylibsrtp)


def test_pylibsrtp_does_it_where_its_inside_is_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(session: Session) -> Ways:
        raise AttributeError("_srtp")

    monkeypatch.setattr(srtp, "by_libsrtp", missing)

    with caplog.at_level(logging.INFO):
        assert srtp._choose() is by_pylibsrtp

    assert "AttributeError" in caplog.text
