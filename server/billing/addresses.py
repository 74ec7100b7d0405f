"""Which addresses a webhook may reach: only public ones, so that nobody makes us call our own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from server.addresses import is_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host."""


class Unreachable(Exception):
    """The endpoint's host must not, or cannot, be reached. `code`: `address` or `name`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def checked(host: str, port: int, resolve: Resolve, *, allow_private: bool) -> Sequence[str]:
    """Return the addresses of `host`, resolved once. Raise `Unreachable` if a single one of them is closed."""
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError):
        raise Unreachable("name") from None
    if not addresses:
        raise Unreachable("name")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Unreachable("address")
    return addresses


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. It also reads 2130706433, 0x7f.1 and their like: so what it says is checked."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
