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
        """There as long as there are wires."""

    def lay(self, first: asyncio.DatagramTransport, address: tuple[str, int]) -> Wire | None:
        """Return a wire at the port of the `first` socket, connected to `address`; None if the system has none."""
        sock: socket.socket | None = None
        try:
            # Only sockets of this very user share a port so, and only because both say that they do.
            with socket.socket(fileno=os.dup(first.get_extra_info("socket").fileno())) as same:
                same.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                here = same.getsockname()
                sock = socket.socket(same.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(here)
            sock.connect(address)
            self._watch(sock.fileno())
        except (AttributeError, OSError):
            if sock is not None:
                sock.close()
            return None
        return Wire(self, sock)

    def _watch(self, wire: int) -> None:
        epoll = self._epoll or select.epoll()
        epoll.register(wire, select.EPOLLIN)
        self._readers[wire] = _nobody
        if self._epoll is None:
            self._epoll = epoll
            asyncio.get_running_loop().add_reader(epoll.fileno(), self._ready)

    def read(self, wire: int, reader: Callable[[], None]) -> None:
        """Have `reader` called whenever there is something to be read from a wire, if only an error."""
        self._readers[wire] = reader

    def cut(self, wire: int) -> None:
        """Forget a wire whose descriptor is still open."""
        epoll = self._epoll
        del self._readers[wire]
        if epoll is None:
            return
        epoll.unregister(wire)
        if not self._readers:
            self._epoll = None
            asyncio.get_running_loop().remove_reader(epoll.fileno())
            epoll.close()

    def _ready(self) -> None:
        readers = self._readers
        if self._epoll is not None:
            for wire, _ in self._epoll.poll(0, AT_ONCE):
                readers.get(wire, _nobody)()  # it may have been cut by one before it


def _nobody() -> None:
    """Read nothing."""


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
