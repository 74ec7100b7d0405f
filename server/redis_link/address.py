"""Where Redis is: a URL, read by redis-py, and connections as redis-py makes them, within our limits."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_NOT_YET: Final = ("redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster")
_OPTIONS: Final = {"db", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"}
"""What may stand behind the `?`. Limits are ours, and a certificate is always verified."""
_PARTS: Final = {"connection_class", "host", "port", "path", "username", "password"}


class BadStoreUrl(ValueError):
    """The store's URL cannot be used. The text holds none of it, since it may hold a password."""


class Address:
    """Where the store is, and how to sign in there."""

    def __init__(self, kind: type[AbstractConnection], settings: dict[str, Any]) -> None:
        """`kind`, `settings`: redis-py's class of connections, and what it is made with."""
        self.kind = kind
        self._settings = settings

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

    def __repr__(self) -> str:
        return f"Address({self._settings.get('path') or self._settings.get('host', 'localhost')!r})"


def address_of(url: str) -> Address:
    """Return what `redis://`, `rediss://` or `unix://` says. Raise `BadStoreUrl`."""
    scheme = url.partition("://")[0]
    if scheme in _NOT_YET:
        raise BadStoreUrl(
            "CARELOBBY_REDIS_URL: Sentinel and Cluster are not supported yet; give the URL of one primary server."
        )
    try:
        said: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        raise BadStoreUrl(
            "CARELOBBY_REDIS_URL must begin with redis://, rediss:// or unix:// and be well-formed."
        ) from None
    if scheme == "unix" and not said.get("path"):
        raise BadStoreUrl("CARELOBBY_REDIS_URL names no socket: write unix:///path.")
    if not said.keys() <= _OPTIONS | _PARTS:
        raise BadStoreUrl(f"CARELOBBY_REDIS_URL may have the options {', '.join(sorted(_OPTIONS))}, and no others.")
    address = Address(said.pop("connection_class", Connection), said)
    try:
        address.connection(1.0)
    except (TypeError, RedisError):
        raise BadStoreUrl("CARELOBBY_REDIS_URL has an option that does not go with its beginning.") from None
    return address
