"""Webhook endpoints of a practice: where to, which events, signed with what."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec.structs import replace

from server.addresses import is_public
from server.ports.documents import Changed
from server.registry.documents import Webhook
from server.registry.errors import Invalid
from server.registry.shelf import Deed, Shelf

LIVE_SECRETS = 2
"""So many keys sign at a time, so that a receiver can change over."""
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The endpoints of all practices."""

    shelf: Shelf
    random_bytes: Callable[[int], bytes]
    private: bool = False
    """Plain http and private addresses are allowed (development, tests, a receiver in the same network)."""

    async def put(
        self, practice: str, id: str, url: str, events: tuple[str, ...], *, rotate: bool = False, by: str
    ) -> str | None:
        """Save an endpoint; return its new secret, if one was made. It is shown this once."""
        check_url(url, private=self.private)
        old = await self.shelf.get(practice, Webhook, id)
        secret = None
        keys = () if old is None else old.secrets
        if not keys or rotate:
            secret = "whsec_" + base64.b64encode(self.random_bytes(32)).decode()
            keys = (secret, *keys)[:LIVE_SECRETS]
        deed = Deed(practice, by, "webhook.created" if old is None else "webhook.changed", id)
        await self.shelf.put(practice, id, Webhook(id=id, url=url, events=events, secrets=keys), deed)
        return secret

    async def delete(self, practice: str, id: str, *, by: str) -> bool:
        """Remove an endpoint; False if there was none."""
        return await self.shelf.delete(practice, Webhook, id, Deed(practice, by, "webhook.deleted", id))

    async def gone(self, practice: str, id: str) -> None:
        """Note that the receiver answered 410: nothing more is sent until the practice puts the endpoint anew."""
        webhook, version = await self.shelf.versioned(practice, Webhook, id)
        if webhook is None or not webhook.active:
            return
        with suppress(Changed):  # put anew in this moment
            deed = Deed(practice, "system", "webhook.gone", id)
            await self.shelf.put(practice, id, replace(webhook, active=False), deed, expected=version)

    async def get(self, practice: str, id: str) -> Webhook | None:
        """Return an endpoint, with its secrets: for the courier."""
        return await self.shelf.get(practice, Webhook, id)

    async def of(self, practice: str) -> tuple[Webhook, ...]:
        """Return all endpoints of a practice, with their secrets: for the courier."""
        return tuple((await self.shelf.all(practice, Webhook)).values())


def check_url(url: str, *, private: bool) -> None:
    """Raise `Invalid` for an address we would not send to.

    The courier decides once more about the address it connects to: a name can lead anywhere.
    """
    at = "$.url"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Invalid(at, "must be a URL") from None
    if len(url) > LONGEST_URL or not url.isascii() or any(letter <= " " for letter in url):
        raise Invalid(at, f"must be at most {LONGEST_URL} printable ASCII characters")
    if not host or port == 0:
        raise Invalid(at, "must name a host")
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise Invalid(at, "must begin with https://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Invalid(at, "must have no credentials and no fragment")
    if not private and not _may_be_public(host):
        raise Invalid(at, "must be a public host")


def _may_be_public(host: str) -> bool:
    host = host.rstrip(".").lower()
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return is_public(host)
    # Resolvers read 0x7f.1, 017700000001 or 2130706433 as addresses; a public name ends in a word.
    last = host.rpartition(".")[2]
    word = last.replace("-", "").isalnum() and not last[0].isdigit()
    return "." in host and word and last not in {"localhost", "local", "internal"}
