"""The ICE servers a participant is told of after admission: ours alone, with credentials that soon run out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

LIFETIME: Final = 10 * 60
"""Seconds that credentials are good for; an allocation that was made with them goes on."""


class IceServers:
    """Makes RTCIceServer objects (W3C WebRTC, 4.2.4) for one participant at a time."""

    def __init__(
        self,
        servers: Sequence[tuple[Sequence[str], str]],
        *,
        clock: Callable[[], int],
        random: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`servers`: (addresses, secret shared with the TURN server, or nothing). `clock`: ms UTC."""
        self._servers = tuple((tuple(urls), secret) for urls, secret in servers)
        self._clock = clock
        self._random = random

    def __call__(self) -> tuple[dict[str, Any], ...]:
        """Return the servers, with fresh credentials where one has a secret."""
        return tuple(self._one(urls, secret) for urls, secret in self._servers)

    def _one(self, urls: Sequence[str], secret: str) -> dict[str, Any]:
        if not secret:
            return {"urls": list(urls)}
        # coturn's `use-auth-secret`: the name says until when, and the password proves that we said so. The rest of
        # the name is random: a TURN server's log must not tell who talked when.
        name = f"{self._clock() // 1000 + LIFETIME}:{self._random()}"
        proof = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
        return {"urls": list(urls), "username": name, "credential": base64.b64encode(proof).decode()}
