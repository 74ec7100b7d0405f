"""Protecting and unprotecting without detours: libsrtp is called on one buffer that is used again and again.

pylibsrtp makes a new object and checks types for each packet, a third of what it takes. The names that are taken from
inside it are tried once; should they not do what pylibsrtp does, then pylibsrtp does it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from pylibsrtp import Error, Policy, Session

logger = logging.getLogger(__name__)

Work = Callable[[bytes], bytes]
"""What becomes of a packet. Raises `pylibsrtp.Error`."""

LARGEST: Final = 1500
"""Bytes of a packet; what is larger does not come over the net in one piece."""
AT: Final = 8
"""Bytes that are kept free in front of a packet."""
TRAILER: Final = 4 + 16 + 128
"""Bytes that protecting adds at most (libsrtp's SRTP_MAX_SRTCP_TRAILER_LEN)."""


Seal = Callable[[Any, Any, Any], int]
"""Protects or unprotects in place: called with a handle, a packet and its length; 0 if it is done."""


class InPlace(NamedTuple):
    """What libsrtp does one way with a packet that lies in the thread's buffer, `AT` bytes from its begin."""

    work: Seal
    work_rtcp: Seal
    handle: Any
    chars: Any
    packet: Any
    """`chars` is the buffer, and this the place in it where the packet is put."""
    view: memoryview
    """The same as `chars`, for Python."""
    length: Any
    """Of the packet, before and after."""
    session: Session
    """Whose handle it is: kept alive."""


class Ways(NamedTuple):
    """What one session does with packets."""

    protect: Work
    protect_rtcp: Work
    unprotect: Work
    unprotect_rtcp: Work


class _Room(threading.local):
    """A buffer for each thread: others run while libsrtp works."""

    def __init__(self) -> None:
        from pylibsrtp._binding import ffi  # noqa: PLC0415 - may be missing

        self.chars = ffi.new("char[]", AT + LARGEST + TRAILER)
        self.packet = self.chars + AT
        self.buffer = ffi.buffer(self.chars)
        self.view = memoryview(self.buffer)
        self.length = ffi.new("int *")


_ROOM: Final = _Room()


def by_pylibsrtp(session: Session) -> Ways:
    """Return the ways that pylibsrtp offers."""
    return Ways(session.protect, session.protect_rtcp, session.unprotect, session.unprotect_rtcp)


def by_libsrtp(session: Session) -> Ways:
    """Return ways that do the same, for the calling thread alone."""
    from pylibsrtp import ERRORS  # noqa: PLC0415 - may be missing
    from pylibsrtp._binding import lib  # noqa: PLC0415 - likewise

    chars, buffer, length, handle = _ROOM.chars, _ROOM.buffer, _ROOM.length, session._srtp[0]

    def way(function: Callable[[Any, Any, Any], int]) -> Work:
        def work(packet: bytes, _alive: Session = session) -> bytes:
            size = len(packet)
            if size > LARGEST:
                raise Error("packet is too long")
            buffer[0:size] = packet
            length[0] = size
            wrong = function(handle, chars, length)
            if wrong:
                raise Error(ERRORS[wrong])
            done: bytes = buffer[0 : length[0]]
            return done

        return work

    return Ways(
        way(lib.srtp_protect), way(lib.srtp_protect_rtcp), way(lib.srtp_unprotect), way(lib.srtp_unprotect_rtcp)
    )


def in_place(session: Session, work: Literal["protect", "unprotect"]) -> InPlace | None:
    """Return what does it in place, for the calling thread; None where `ways` is pylibsrtp's."""
    if ways is not by_libsrtp:
        return None
    from pylibsrtp._binding import lib  # noqa: PLC0415 - is there, since `ways` uses it

    works = {
        "protect": (lib.srtp_protect, lib.srtp_protect_rtcp),
        "unprotect": (lib.srtp_unprotect, lib.srtp_unprotect_rtcp),
    }[work]
    return InPlace(*works, session._srtp[0], _ROOM.chars, _ROOM.packet, _ROOM.view, _ROOM.length, session)


def agree(mine: Callable[[Session], Ways], theirs: Callable[[Session], Ways]) -> bool:
    """Tell whether two kinds of ways do the same: with a packet of each kind, a wrong one, and one that is too long."""
    rtp, rtcp = b"\x80\x60" + bytes(range(10)) + b"sound", b"\x80\xc9\x00\x01\x00\x00\x00\x02"
    done: list[list[bytes]] = []
    for kind in (mine, theirs):
        out = kind(Session(Policy(bytes(30), Policy.SSRC_ANY_OUTBOUND)))
        back = kind(Session(Policy(bytes(30), Policy.SSRC_ANY_INBOUND)))
        sent = out.protect(rtp), out.protect_rtcp(rtcp)
        tasks = (back.unprotect, rtp), (out.protect, bytes(LARGEST + 1)), (back.unprotect_rtcp, sent[0])
        done.append([*sent, *(_tried(work, packet) for work, packet in tasks)])
        done[-1] += [_tried(back.unprotect, sent[0]), _tried(back.unprotect_rtcp, sent[1])]
    return done[0] == done[1] and done[0][-2:] == [rtp, rtcp]


def _tried(work: Work, packet: bytes) -> bytes:
    try:
        return work(packet)
    except (Error, ValueError):  # pylibsrtp's word for one that is too long
        return b""


def _choose() -> Callable[[Session], Ways]:
    try:
        if agree(by_libsrtp, by_pylibsrtp):
            return by_libsrtp
    except Exception as error:  # noqa: BLE001 - whatever another version of pylibsrtp lacks
        logger.info("libsrtp cannot be called directly: %s", type(error).__name__)
    logger.warning("packets take pylibsrtp's own, slower way")
    return by_pylibsrtp


ways: Final = _choose()
"""Returns the ways of a session, for the thread that asks."""
