"""Candidates of browsers: which of them are worth a check, and how many.

A host name is never resolved and no end of candidates is told: the first costs a second and asks the network, the
second makes aioice give up before a peer-reflexive check arrives.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiortc import RTCIceCandidate

from server.media.networks import Networks

LIMIT: Final = 32
"""How many candidates of one peer are looked at."""

# RFC 8839 section 5.1: foundation, component, transport, priority, address, port, "typ", type.
_GRAMMAR: Final = re.compile(
    r"(?:a=)?(?:candidate:)?([A-Za-z0-9+/]{1,32}) 1 udp ([0-9]{1,10}) ([0-9A-Fa-f.:]{2,45}) ([0-9]{1,5})"
    r" typ (host|srflx|relay)(?: .*)?",
    re.IGNORECASE | re.ASCII,
)


ANYWHERE: Final = Networks()


def parse(text: object, networks: Networks = ANYWHERE) -> RTCIceCandidate | None:
    """Return the candidate, or None if it is none that could be used here.

    That leaves out: empty ones (the end), other components than RTP, TCP, `.local` names, anything misspelt, addresses
    that no browser can have (unspecified, multicast) and, unless `private`, those that are not globally routable:
    otherwise a client could have the server knock at any door inside.
    """
    found = _GRAMMAR.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= 512 else None
    if found is None:
        return None
    foundation, priority, host, port, kind = found.groups()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if not networks.admits(address):
        return None
    if not 0 < int(port) < 65_536 or not 0 < int(priority) < 2**32:
        return None
    return RTCIceCandidate(
        component=1,
        foundation=foundation,
        ip=str(address),
        port=int(port),
        priority=int(priority),
        protocol="udp",
        type=kind.lower(),
    )


def read(items: Iterable[Any]) -> list[str]:
    """Return the candidate lines of a `media.candidates` message; whatever has another form is left out."""
    lines = (item.get("candidate") for item in items if isinstance(item, dict))
    return [line for line in lines if isinstance(line, str) and line.strip()]


def hosts(found: Sequence[str], *, loopback: bool) -> list[str]:
    """Return the addresses to listen on. 127.0.0.1 only when asked for, or when the machine has no other."""
    return [*found, "127.0.0.1"] if loopback or not found else list(found)
