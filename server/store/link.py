"""One connection to Redis: bytes out, parsed replies in, in order. It knows nothing of what they mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from msgspec import Struct
from redis.asyncio.connection import parse_url

INCOMPLETE: Final = object()
_NOT_YET: Final = ("redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster")


class BadStoreUrl(ValueError):
    """The store's URL cannot be used. The text holds none of it, since it may hold a password."""


class NotConnected(Exception):
    """The connection could not be made, or is gone."""


class StoreFault(Exception):
    """The store answered with an error. Only its code is told: the rest may quote what was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the store answered {code}")
        self.code = code


def fault(reply: Exception) -> StoreFault:
    """Return an error reply as an exception."""
    return StoreFault(str(reply).partition(" ")[0])


class Address(Struct, frozen=True, kw_only=True):
    """Where the store is, and how to sign in there."""

    path: str | None = None
    """Of a unix socket; otherwise `host` and `port`."""
    host: str = "localhost"
    port: int = 6379
    tls: bool = False
    authorities: str | None = None
    """A file of certificate authorities to trust instead of the system's."""
    username: str | None = None
    password: str | None = None
    db: int = 0

    def __repr__(self) -> str:
        return f"Address({self.path or self.host!r})"

    def sign_in(self) -> list[bytes]:
        """Return the first commands of a connection, packed. The last is PING: the server is really there."""
        commands: list[tuple[str | int, ...]] = []
        if self.password is not None:
            commands.append(("AUTH", self.username or "default", self.password))
        if self.db:
            commands.append(("SELECT", self.db))
        commands.append(("PING",))
        return [pack(*command) for command in commands]


def address_of(url: str) -> Address:
    """Return what `redis://`, `rediss://` or `unix://` says. Raise `BadStoreUrl`."""
    scheme = url.partition("://")[0]
    if scheme in _NOT_YET:
        raise BadStoreUrl("Sentinel and Cluster are not supported yet: set CARELOBBY_REDIS_URL to one primary server.")
    try:
        said = cast(dict[str, Any], parse_url(url))
    except ValueError:
        raise BadStoreUrl("CARELOBBY_REDIS_URL must be a well-formed redis://, rediss:// or unix:// URL.") from None
    if scheme == "unix" and not said.get("path"):
        raise BadStoreUrl("CARELOBBY_REDIS_URL begins with unix:// and names no socket.")
    return Address(
        path=said.get("path") if scheme == "unix" else None,
        host=said.get("host", "localhost"),
        port=said.get("port", 6379),
        tls=scheme == "rediss",
        authorities=said.get("ssl_ca_certs"),
        username=said.get("username"),
        password=said.get("password"),
        db=said.get("db", 0),
    )


def pack(*command: str | bytes | int) -> bytes:
    """Return a command as it goes over the wire."""
    return cast(bytes, hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub allows one argument only


class Link(asyncio.Protocol):
    """A signed-in connection. It is never mended: when it is lost, open another."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._received: Callable[[Any], None] = self._signing_in
        self._lost: Callable[[], None] | None = None
        self._signed_in: asyncio.Future[None] = loop.create_future()
        self._awaited = 0
        self.heard = 0.0
        """When the server last said anything, by the loop's clock."""
        self._time = loop.time

    @classmethod
    async def open(
        cls, address: Address, *, received: Callable[[Any], None], lost: Callable[[], None], patience: float
    ) -> Link:
        """Connect and sign in within `patience` seconds. Raise `NotConnected` or `StoreFault`.

        From then on `received` is called with each reply (error replies as `hiredis.ReplyError`), `lost` once.
        """
        loop = asyncio.get_running_loop()
        link: Link | None = None
        try:
            async with asyncio.timeout(patience):
                if address.path is not None:
                    _, link = await loop.create_unix_connection(cls, address.path)
                else:
                    tls = ssl.create_default_context(cafile=address.authorities) if address.tls else None
                    _, link = await loop.create_connection(cls, address.host, address.port, ssl=tls)
                commands = address.sign_in()
                link._awaited = len(commands)
                link.write(b"".join(commands))
                await link._signed_in
        except OSError as error:  # a timeout is one, too
            if link is not None:
                link.abort()
            raise NotConnected from error
        except BaseException:
            if link is not None:
                link.abort()
            raise
        if link._transport is None:  # it went in the very tick in which it came
            raise NotConnected
        link._received, link._lost = received, lost
        return link

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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the loop)."""
        self._transport = cast(asyncio.Transport, transport)

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
        if not self._signed_in.done():
            self._signed_in.set_exception(NotConnected())
        self._gone()

    def _gone(self) -> None:
        self._received = _ignore
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    def _signing_in(self, reply: Any) -> None:
        self._awaited -= 1
        if self._signed_in.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            self._signed_in.set_exception(fault(reply))
        elif self._awaited == 0:
            self._signed_in.set_result(None)


def _ignore(reply: Any) -> None:
    """Drop what was still buffered when the connection was given up."""
