"""Webhook endpoints and what a Standard Webhooks message to one of them looks like.

https://www.standardwebhooks.com: the signature covers id, time and body; with two secrets there are two signatures,
so that a receiver can change its secret without missing a message.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets as chance
from datetime import UTC, datetime
from typing import Final, get_args

import httpx
from msgspec import Struct
from standardwebhooks import Webhook

from server.ports.outbox import WebhookEvent

PREFIX: Final = "whsec_"
HOST: Final = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
"""A name in ASCII, or an address."""
SECRET_BYTES: Final = range(24, 65)
"""What the standard asks of a secret's length."""
EVENTS: Final = frozenset(get_args(WebhookEvent))


class BadEndpoint(Exception):
    """An endpoint cannot be used. `code`: `url`, `secret` or `events`; never the value."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Endpoint(Struct, frozen=True, kw_only=True):
    """One webhook of a practice, as its document keeps it."""

    id: str
    url: str
    secrets: tuple[str, ...]
    """One or two, `whsec_` and base64; the newest first."""
    events: tuple[str, ...] = tuple(sorted(EVENTS))
    """The types it asked for; it is told of no other."""
    active: bool = True
    """False once the receiver answered 410."""

    def __repr__(self) -> str:
        """Leave out the secrets, and the URL, which may hold one."""
        return f"Endpoint({self.id!r})"


def new_secret() -> str:
    """Return a fresh secret."""
    return PREFIX + base64.b64encode(chance.token_bytes(32)).decode()


def check(endpoint: Endpoint, *, allow_private: bool = False) -> None:
    """Raise `BadEndpoint` unless the URL, the secrets and the events can be used. Asks no resolver."""
    address(endpoint.url, allow_private=allow_private)
    if len(endpoint.secrets) not in (1, 2):
        raise BadEndpoint("secret")
    for secret in endpoint.secrets:
        _key(secret)
    if not EVENTS.issuperset(endpoint.events):
        raise BadEndpoint("events")


def address(url: str, *, allow_private: bool = False) -> httpx.URL:
    """Return the parsed URL. Plain http is for private networks in development only. Raise `BadEndpoint`."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        raise BadEndpoint("url") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parsed.scheme not in schemes or parsed.userinfo or parsed.fragment:
        raise BadEndpoint("url")
    if not HOST.fullmatch(parsed.raw_host.decode("ascii")) or not 0 < (parsed.port or 443) < 2**16:
        raise BadEndpoint("url")
    return parsed


def headers(endpoint: Endpoint, message: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers of one try at `now` (ms). Raise `BadEndpoint`."""
    second = now // 1000
    moment = datetime.fromtimestamp(second, UTC)
    signatures = [Webhook(_key(secret)).sign(message, moment, body.decode()) for secret in endpoint.secrets]
    return {
        "content-type": "application/json",
        "user-agent": "carelobby-webhooks/1",
        "webhook-id": message,
        "webhook-timestamp": str(second),
        "webhook-signature": " ".join(signatures),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadEndpoint("secret") from None
    if not secret.startswith(PREFIX) or len(key) not in SECRET_BYTES:
        raise BadEndpoint("secret")
    return key
