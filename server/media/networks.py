"""Where candidates of browsers may be: a client must not have this server knock at doors inside."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from server.addresses import is_public

Address = IPv4Address | IPv6Address

NEVER: Final = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",  # this machine
        "::1",
        "169.254.0.0/16",  # link-local; clouds tell their machines secrets there
        "fe80::/10",
        "100.100.100.200",  # such secrets in other clouds
        "fd00:ec2::254",
    )
)
"""What no setting opens in production."""


class Networks:
    """A list of networks, each of them open or closed; the narrowest that holds an address decides."""

    def __init__(self, entries: Iterable[str] = (), *, local: bool = True) -> None:
        """`entries`: networks, with a `!` before those that are closed. The open Internet is open; what else is not
        named is as `local` says, and so is `NEVER`: it is for development, where all may be on one machine.
        """
        self._local = local
        self._entries = [(ip_network(entry.lstrip("!")), not entry.startswith("!")) for entry in entries]
        self._entries.sort(key=lambda entry: entry[0].prefixlen, reverse=True)

    def admits(self, address: Address) -> bool:
        """Tell whether a candidate may be there."""
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_unspecified or plain.is_multicast or (not self._local and _is_in(plain, NEVER)):
            return False
        for network, is_open in self._entries:
            if plain in network:
                return is_open
        return self._local or is_public(str(plain))


def _is_in(address: Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
