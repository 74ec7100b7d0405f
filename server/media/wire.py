"""A wire: a second socket at the port of one that ICE uses, connected to the other side of the pair in use.

What comes from there comes to the wire, and the first socket hears everybody else, as before. A connected socket costs
less both ways: the kernel knows the route, and nobody makes an address of each datagram. Where one cannot be had, there
is none, and the first socket does it all.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

Address = tuple[str, int]

LONGEST: Final = 2048
"""Bytes of a datagram that came before the wire was laid; longer ones are nobody's."""


def lay(transport: asyncio.DatagramTransport, address: Address) -> socket.socket | None:
    """Return a socket at the port of `transport`, connected to `address`; None if the system has none."""
    try:
        # Only sockets of this very user share a port so, and only because both say that they do.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as first:
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            family, here = first.family, first.getsockname()
        wire = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except (AttributeError, OSError):
        return None
    try:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        wire.bind(here)
        wire.connect(address)
    except OSError:
        wire.close()
        return None
    return wire


class Wire:
    """A socket that was laid, and who reads it."""

    def __init__(
        self, sock: socket.socket, ready: Callable[[], None], received: Callable[[bytes, tuple[Any, ...]], None]
    ) -> None:
        """`ready` reads a datagram that has come; `received` gets those of a moment ago, which may be anybody's."""
        self.send: Callable[[bytes | memoryview], object] = sock.send
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                received(*sock.recvfrom(LONGEST))
        self._loop.add_reader(sock.fileno(), ready)

    def close(self) -> None:
        """Let the first socket have everything again."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
