"""One connection to Redis: bytes out, parsed replies in, in order. It knows nothing of what they mean.

redis-py connects, speaks TLS and signs in; then we take its stream over. Its own reading and writing costs a task
and two timers a command, which the room's commit and the news of it should not pay (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from redis.exceptions import RedisError

from server.redis_link.address import Address
from server.redis_link.faults import NotConnected, fault_behind

INCOMPLETE: Final = object()


def pack(*command: str | bytes | int) -> bytes:
    """Return a command as it goes over the wire."""
    return cast(bytes, hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub allows one argument only


class Link(asyncio.Protocol):
    """A signed-in connection. It is never mended: when it is lost, open another."""

    def __init__(self, writer: asyncio.StreamWriter, received: Callable[[Any], None], lost: Callable[[], None]) -> None:
        """Take over a connected stream that has nothing more to read."""
        self._stream = writer  # held, since a stream that is forgotten closes its transport
        self._transport: asyncio.WriteTransport | None = writer.transport
        self._reader = hiredis.Reader(notEnoughData=INCOMPLETE)
        self._received = received
        self._lost: Callable[[], None] | None = lost
        self._time = asyncio.get_running_loop().time
        self.heard = self._time()
        """When the server last said anything, by the loop's clock."""
        writer.transport.set_protocol(self)

    @classmethod
    async def open(
        cls, address: Address, *, received: Callable[[Any], None], lost: Callable[[], None], patience: float
    ) -> Link:
        """Connect and sign in within `patience` seconds. Raise `NotConnected` or `StoreFault`.

        From then on `received` is called with each reply (error replies as `hiredis.ReplyError`), `lost` once.
        """
        connection = address.connection(patience)
        try:
            async with asyncio.timeout(patience):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("PING")  # the server is really there
                await connection.read_response()
            reader, writer = connection._reader, connection._writer
            if reader is None or writer is None or writer.is_closing() or reader.at_eof():
                raise NotConnected  # it went in the very tick in which it came
            # redis-py has no public way to hand its stream over; test_pipe.py holds that this one works.
            connection._reader = connection._writer = None
        except (RedisError, OSError) as error:  # a timeout is an OSError, too
            raise fault_behind(error) or NotConnected from error
        finally:
            if connection.is_connected:
                await connection.disconnect(nowait=True)
        return cls(writer, received, lost)

    def write(self, data: bytes) -> None:
        """Send; if the connection is gone, `lost` says so, or has said so."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once, without sending what is buffered. `lost` is called before this returns."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._gone()

    def data_received(self, data: bytes) -> None:
        """Parse and hand on (called by the loop)."""
        self.heard = self._time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not INCOMPLETE:
                self._received(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever is concerned (called by the loop)."""
        self._transport = None
        self._gone()

    def _gone(self) -> None:
        self._received = _ignore
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()


def _ignore(reply: Any) -> None:
    """Drop what was still buffered when the connection was given up."""
