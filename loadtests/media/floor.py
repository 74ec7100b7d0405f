"""`python -m loadtests.media.floor sha1|gcm plain|direct`: the least that Python needs to forward SRTP, as a floor.

A socket for each peer on uvloop; a datagram is unprotected, its header rewritten, protected and sent on: no ICE, no
DTLS, no lines, no sinks, no RTCP. `plain` uses pylibsrtp as its manual says; `direct` calls libsrtp in one buffer.
Reads lines: `pair ADDRESS IN OUT ADDRESS IN OUT` (ports and keys) or `usage`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, cast

import uvloop
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from loadtests.media.plain import HOST, session

HEADER: Final = struct.Struct("!BBHII")
SSRC: Final = 0x01020304


class Plain(asyncio.DatagramProtocol):
    """One peer's socket."""

    def __init__(self, receiving: Session, sending: Session, address: tuple[str, int]) -> None:
        """`receiving` and `sending` are this side's."""
        self._unprotect = receiving.unprotect
        self.protect = sending.protect
        self.address = address
        self.other: Plain

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self.sendto = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        """Forward it."""
        packet = self._unprotect(data)
        first, second, number, timestamp, ssrc = HEADER.unpack_from(packet)
        header = HEADER.pack(first, second, number + 1 & 0xFFFF, timestamp + 1 & 0xFFFFFFFF, ssrc ^ SSRC)
        other = self.other
        other.sendto(other.protect(header + packet[12:]), other.address)


_CHARS: Final = ffi.new("char[]", 2048)
_BUFFER: Final = ffi.buffer(_CHARS)
_LENGTH: Final = ffi.new("int *")


class Direct(Plain):
    """The same in one buffer, in place."""

    def __init__(self, receiving: Session, sending: Session, address: tuple[str, int]) -> None:
        super().__init__(receiving, sending, address)
        self._receiving = receiving._srtp[0]
        self.sending = sending._srtp[0]
        self._kept = receiving, sending

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        """Forward it."""
        _BUFFER[0 : len(data)] = data
        _LENGTH[0] = len(data)
        if lib.srtp_unprotect(self._receiving, _CHARS, _LENGTH):
            return
        first, second, number, timestamp, ssrc = HEADER.unpack_from(_BUFFER)
        HEADER.pack_into(_BUFFER, 0, first, second, number + 1 & 0xFFFF, timestamp + 1 & 0xFFFFFFFF, ssrc ^ SSRC)
        other = cast(Direct, self.other)
        if not lib.srtp_protect(other.sending, _CHARS, _LENGTH):
            other.sendto(_BUFFER[0 : _LENGTH[0]], other.address)


async def serve(profile: int, kind: type[Plain]) -> None:
    """Answer each line from standard input, as long as there are any."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def open_one(port: str, receive: str, send: str) -> tuple[Plain, int]:
        keys = session(profile, receive, Policy.SSRC_ANY_INBOUND), session(profile, send, Policy.SSRC_ANY_OUTBOUND)
        made: Callable[[], Plain] = lambda: kind(*keys, (HOST, int(port)))  # noqa: E731
        transport, protocol = await loop.create_datagram_endpoint(made, local_addr=(HOST, 0))
        return protocol, transport.get_extra_info("sockname")[1]

    while line := await reader.readline():
        words = line.decode().split()
        if words[0] == "pair":
            (one, here), (other, there) = [await open_one(*words[at : at + 3]) for at in (1, 4)]
            one.other, other.other = other, one
            said: dict[str, Any] = {"ports": [here, there]}
        else:
            used = resource.getrusage(resource.RUSAGE_SELF)
            said = {"cpu": used.ru_utime + used.ru_stime}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    from loadtests.media.plain import PROFILES

    uvloop.run(serve(PROFILES[sys.argv[1]].number, {"plain": Plain, "direct": Direct}[sys.argv[2]]))
