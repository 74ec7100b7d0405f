"""Where a server is and how to sign in there, and connections as redis-py makes them, within our limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.redis_link.faults import NotConnected, fault_behind

NAME: Final = "CARELOBBY_REDIS_URL"
_OPTIONS: Final = {"db", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"}
"""What may stand behind the `?`. Limits are ours, and a certificate is always verified."""
_PARTS: Final = {"connection_class", "host", "port", "path", "username", "password"}


class BadStoreUrl(ValueError):
    """The store's URL cannot be used. The text holds none of it, since it may hold a password."""


class Address:
    """Where a server is, and how to sign in there."""

    def __init__(self, kind: type[AbstractConnection], settings: dict[str, Any]) -> None:
        """`kind`, `settings`: redis-py's class of connections, and what it is made with."""
        self.kind = kind
        self._settings = settings
        self.moved: list[Callable[[], None]] = []
        """Called when the address is known to lead to another server than before."""

    @property
    def server(self) -> tuple[str, int]:
        """Host and port."""
        return self._settings.get("host", "localhost"), self._settings.get("port", 6379)

    @property
    def sign_in(self) -> dict[str, Any]:
        """What is told to redis-py beside host and port."""
        return {name: value for name, value in self._settings.items() if name not in ("host", "port")}

    def at(self, host: str, port: int) -> Address:
        """Return another server's address, with the same way to sign in."""
        return Address(self.kind, {**self._settings, "host": host, "port": port})

    def settings(self, patience: float) -> dict[str, Any]:
        """Return what a connection is made with. It waits `patience` seconds at a time, and never repeats anything."""
        return {
            **self._settings,
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "retry": Retry(NoBackoff(), 0),
            # Replies as the server sends them, on every version we run on, and nothing that comes unasked.
            "protocol": 2,
            # Without it, a connection's first words are CLIENT SETINFO, which not every account may say.
            "driver_info": None,
        }

    def connection(self, patience: float) -> AbstractConnection:
        """Return a connection that is not yet made."""
        return self.kind(**self.settings(patience))

    async def ask(self, *command: str, patience: float) -> Any:
        """Return the reply to one command over a connection of its own. Raise `NotConnected` or `StoreFault`."""
        connection = self.connection(patience)
        try:
            async with asyncio.timeout(patience):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command(*command)
                return await connection.read_response()
        except (RedisError, OSError) as error:  # a timeout is an OSError, too
            raise fault_behind(error) or NotConnected from error
        finally:
            await connection.disconnect(nowait=True)

    async def look(self, patience: float) -> None:
        """Find out whether the address leads elsewhere by now, where that can be asked."""

    def __repr__(self) -> str:
        return f"Address({self._settings.get('path') or self._settings.get('host', 'localhost')!r})"


def address_of(url: str) -> Address:
    """Return what `redis://`, `rediss://` or `unix://` says of one server. Raise `BadStoreUrl`."""
    try:
        said: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        raise BadStoreUrl(
            f"{NAME} must begin with redis://, rediss:// or unix://, or the first two with +sentinel or +cluster, "
            "and be well-formed."
        ) from None
    if url.startswith("unix:") and not said.get("path"):
        raise BadStoreUrl(f"{NAME} names no socket: write unix:///path.")
    if not said.keys() <= _OPTIONS | _PARTS:
        raise BadStoreUrl(f"{NAME} may have the options {', '.join(sorted(_OPTIONS))}, and no others.")
    address = Address(said.pop("connection_class", Connection), said)
    try:
        address.connection(1.0)
    except (TypeError, RedisError):
        raise BadStoreUrl(f"{NAME} has an option that does not go with its beginning.") from None
    return address
