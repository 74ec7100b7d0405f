"""What the store's URL says: one server, a service that sentinels watch over, or a cluster.

    redis://[user:password@]host[:port][/db]            one server; rediss:// by TLS
    unix://[user:password@]/path                        one server on this machine
    redis+sentinel://[user:password@]host[:port],.../service[/db]
    redis+cluster://[user:password@]host[:port],...

With several hosts, user and password are those of the servers. Sentinels that want a password of their own get it as
`?sentinel_username=...&sentinel_password=...`. `rediss+...` speaks TLS with all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from server.redis_link.address import NAME, Address, BadStoreUrl, address_of
from server.redis_link.sentinel import SentinelAddress, Sentinels

SENTINEL_PORT: Final = 26379
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Seeds:
    """Servers of a cluster, of which at least one should answer: it knows the others."""

    addresses: tuple[Address, ...]


def place_of(url: str) -> Address | Seeds:
    """Return where the store is. Raise `BadStoreUrl`."""
    scheme, plus, kind = url.partition("://")[0].partition("+")
    if not plus:
        return address_of(url)
    if scheme not in ("redis", "rediss") or kind not in ("sentinel", "cluster"):
        return address_of(url)  # which says what may stand there
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise BadStoreUrl(f"{NAME} is not well-formed.") from None
    sign_in, at, hosts = parts.netloc.rpartition("@")
    if not all(hosts.split(",")):
        raise BadStoreUrl(f"{NAME} must name at least one host, and no empty one: host:port,host:port.")
    path = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    if kind == "cluster":
        if path or "db" in options:
            raise BadStoreUrl(f"{NAME}: a cluster has one database; end the URL after the hosts.")
        return Seeds(tuple(address_of(_single(scheme, sign_in + at, host, options)) for host in hosts.split(",")))
    if not path or len(path) > 2 or (len(path) == 2 and not path[1].isdecimal()):
        raise BadStoreUrl(f"{NAME} must name the service: {scheme}+sentinel://host:port,host:port/service, then /db.")
    user, password = (options.pop(name, "") for name in _SENTINEL_OPTIONS)
    own = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    tls = {name: value for name, value in options.items() if name != "db"}
    sentinels = [address_of(_single(scheme, own, _with_port(host), tls)) for host in hosts.split(",")]
    server = address_of(_single(scheme, sign_in + at, "localhost", options, *path[1:]))
    return SentinelAddress(Sentinels(sentinels, path[0]), server)


def _single(scheme: str, sign_in: str, host: str, options: dict[str, str], db: str = "") -> str:
    """Return the URL of one of several servers."""
    return f"{scheme}://{sign_in}{host}/{db}" + (f"?{urlencode(options)}" if options else "")


def _with_port(host: str) -> str:
    """Return the host of a sentinel with its port."""
    return host if re.search(r":\d*$", host) and not host.endswith("]") else f"{host}:{SENTINEL_PORT}"
