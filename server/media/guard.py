"""What may reach aiortc from a socket: aioice hands on any datagram of any source, and one is enough to end a call.

An empty datagram raises in aiortc's read loop, and a stray ClientHello confuses the handshake. So: media goes to the
relay (its own authentication is proof enough), STUN goes to aioice, DTLS only from an address that ICE is talking to,
everything else nowhere. Kinds are told apart by the first byte (RFC 7983 section 7).

An address may be forged, and before the keys are agreed on nothing proves who sent a record. Two kinds that would end
the handshake are never wanted: a ClientHello, since our answers take the client's part, and an alert in plaintext:
that a browser gives up is noticed anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

logger = logging.getLogger(__name__)

MAGIC: Final = b"\x21\x12\xa4\x42"
"""Bytes 4 to 7 of each STUN message (RFC 8489 section 5)."""
SHORTEST: Final = 20
"""The length of a STUN message without attributes."""

ALERT: Final = 21
HANDSHAKE: Final = 22
CLIENT_HELLO: Final = b"\x01"
FIRST_EPOCH: Final = bytes(2)
"""Bytes 3 and 4 of each DTLS record that is not encrypted."""


class Guard:
    """Stands before the sockets of one peer, and counts whom it turned away."""

    __slots__ = ("dropped", "name")

    def __init__(self, name: str) -> None:
        """`name` is for the log: ids only."""
        self.name = name
        self.dropped = 0

    def before(
        self,
        hand_on: Callable[[Any, tuple[Any, ...]], None],
        *,
        media: Callable[[bytes], None],
        is_live: Callable[[tuple[str, int]], bool],
        stun: Callable[[tuple[str, int]], None],
    ) -> Callable[[bytes, tuple[Any, ...]], None]:
        """Return the handler of one socket. `stun` is told of each STUN message after aioice had it."""

        def received(data: bytes, address: tuple[Any, ...]) -> None:
            if not data:
                self.dropped += 1
                return
            kind = data[0]
            if 127 < kind < 192:
                media(data)
            elif kind < 4 and len(data) >= SHORTEST and data[4:8] == MAGIC:
                try:
                    hand_on(data, address)
                except Exception:  # noqa: BLE001 - an odd message of an authenticated peer must not close the socket
                    self.dropped += 1
                    logger.warning("a STUN message for %s could not be handled", self.name)
                    return
                stun((address[0], address[1]))
            elif 19 < kind < 64 and is_live((address[0], address[1])) and not _is_forgeable(data):
                hand_on(data, address)
            else:
                self.dropped += 1

        return received


def _is_forgeable(data: bytes) -> bool:
    """Tell whether a record is one that anybody could have made, to end a handshake (RFC 6347 section 4.1)."""
    plain = data[3:5] == FIRST_EPOCH
    return plain and (data[0] == ALERT or (data[0] == HANDSHAKE and data[13:14] == CLIENT_HELLO))
