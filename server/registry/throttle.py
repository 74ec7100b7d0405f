"""Guessing is slowed down by network: so many failures in a span, then nothing more until it is over."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import msgspec

from server.ports import Clock
from server.ports.documents import Secrets
from server.registry.names import digest
from signaling.policy import MINUTE

FAILURES = 10
WINDOW = 30 * MINUTE


def network(address: str) -> str:
    """Return what counts as one source: an IPv4 address or an IPv6 /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "local"  # a unix socket has no address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Counts failures of one `what` (`join`, `sign-in`, `knock`) from one network."""

    secrets: Secrets
    clock: Clock

    async def failed(self, what: str, address: str, *, most: int = FAILURES, window: int = WINDOW) -> int | None:
        """Count one more; return the seconds to wait if it was one too many."""
        source = digest(f"{what} {network(address)}")
        count = await self.secrets.count("failures", source, window)
        if count == most:
            until = self.clock() + window
            await self.secrets.put("blocked", source, msgspec.msgpack.encode(until), window)
        if count <= most:
            return None
        return await self.blocked(what, address) or -(-window // 1000)

    async def blocked(self, what: str, address: str) -> int | None:
        """Return the seconds to wait if this network failed too often; count nothing."""
        found = await self.secrets.get("blocked", digest(f"{what} {network(address)}"))
        if found is None:
            return None
        return max(1, -(-(msgspec.msgpack.decode(found, type=int) - self.clock()) // 1000))
