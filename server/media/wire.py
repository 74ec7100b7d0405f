"""A wire: a second socket at the port of one that ICE uses, connected to the other side of the pair in use.

What comes from there comes to the wire, and the first socket hears everybody else, as before. A connected socket costs
less both ways: the kernel knows the route, and nobody makes an address of each datagram. Where one cannot be had, there
is none, and the first socket does it all.

A connected socket also hears when nobody listens on the other side, which anybody can say (ICMP is not signed). uvloop
gives a socket up for that. So wires are watched by an epoll of their own, to which it is one more thing to be read.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

Address = tuple[str, int]

LONGEST: Final = 2048
"""Bytes of a datagram that came before the wire was laid; longer ones are nobody's."""
AT_ONCE: Final = 64
"""Wires that are read before the loop does anything else."""


class Wires:
    """All wires of one event loop."""

    def __init__(self) -> None:
        self._readers: dict[int, Callable[[], None]] = {}
        """By descriptor."""
        self._epoll: select.epoll | None = None

    def lay(self, transport: asyncio.DatagramTransport, address: Address) -> Wire | None:
        """Return a wire at the port of `transport`, connected to `address`; None if the system has none."""
        try:
            # Only sockets of this very user share a port so, and only because both say that they do.
            with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as first:
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                family, here = first.family, first.getsockname()
            epoll = self._epoll = self._epoll or select.epoll()
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except (AttributeError, OSError):
            return None
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(here)
            sock.connect(address)
            epoll.register(sock.fileno(), select.EPOLLIN)
        except OSError:
            sock.close()
            return None
        return Wire(self, sock)

    def read(self, wire: int, reader: Callable[[], None]) -> None:
        """Have `reader` called whenever there is something to be read from a wire, if only an error."""
        if not self._readers and self._epoll is not None:
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._ready)
        self._readers[wire] = reader

    def cut(self, wire: int) -> None:
        """Forget a wire; its descriptor is still open."""
        if self._epoll is not None:
            self._epoll.unregister(wire)
        if self._readers.pop(wire, None) is not None and not self._readers and self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _ready(self) -> None:
        readers = self._readers
        if self._epoll is not None:
            for wire, _ in self._epoll.poll(0, AT_ONCE):
                reader = readers.get(wire)
                if reader is not None:  # else it was cut by one before it
                    reader()


class Wire:
    """One of them. Whoever has it reads it by `receive_into`, when it is told to."""

    __slots__ = ("_socket", "_wires", "receive_into", "send")

    def __init__(self, wires: Wires, sock: socket.socket) -> None:
        self._wires, self._socket = wires, sock
        self.receive_into: Callable[[memoryview], int] = sock.recv_into
        self.send: Callable[[bytes | memoryview], object] = sock.send

    def begin(self, reader: Callable[[], None], received: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        """Have `reader` called from now on; `received` gets what came a moment ago, which may be anybody's."""
        self._wires.read(self._socket.fileno(), reader)
        with suppress(OSError):
            while True:
                received(*self._socket.recvfrom(LONGEST))

    def cut(self) -> None:
        """Let the first socket have everything again."""
        if self._socket.fileno() >= 0:
            self._wires.cut(self._socket.fileno())
            self._socket.close()
