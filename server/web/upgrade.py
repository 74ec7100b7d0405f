"""Who may have a WebSocket at all: looked at before the upgrade, and refused like any HTTP request.

uvicorn hands every upgrade of every path to the `ws=` class, past all middleware; so this is the whole door.
"""

from __future__ import annotations

import email.utils
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from server.web.headers import security_headers
from signaling.fields import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

PATH: Final = "/v1/ws"
SUBPROTOCOLS: Final = (Subprotocol(SUBPROTOCOL_JSON), Subprotocol(SUBPROTOCOL_MSGPACK))
"""The first that a browser offers, in this order, is taken."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upgrade that is not granted."""

    status: int
    code: str
    """PROTOCOL.md's, as everywhere."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Gate:
    """The rules, and the answer to whom they keep out."""

    def __init__(self, *, origins: Collection[str], https: bool) -> None:
        """`origins` are the pages that may connect, as browsers write them: scheme, host, and port if unusual."""
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._headers = tuple(security_headers(https=https))

    def judge(self, request: Request, *, full: bool, draining: bool) -> Refusal | None:
        """Return why `request` is refused, or None if it may go on."""
        if request.path.partition("?")[0] != PATH:
            return Refusal(404, "not_found")
        origins = request.headers.get_all("Origin")
        # Every browser sends it, so that a foreign page is known by it; a program has none, and needs a ticket anyway.
        if len(origins) > 1 or any(origin.lower() not in self._origins for origin in origins):
            return Refusal(403, "forbidden")
        if draining or full:
            return Refusal(503, "unavailable", {"Retry-After": "1" if draining else "5"})
        offered = {
            name.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")
        }
        if offered.isdisjoint(SUBPROTOCOLS):
            return Refusal(400, "bad_message")
        return None

    def response(self, refusal: Refusal) -> Response:
        """Return the HTTP response of a refusal: RFC 9457, with the headers that every response has."""
        status = HTTPStatus(refusal.status)
        body = msgspec.json.encode(
            {"type": "about:blank", "title": status.phrase, "status": status.value, "code": refusal.code}
        )
        headers = Headers(
            {
                "Date": email.utils.formatdate(usegmt=True),
                "Connection": "close",
                "Content-Length": str(len(body)),
                "Content-Type": "application/problem+json",
            }
        )
        headers.update(refusal.headers)
        headers.update(self._headers)
        return Response(status.value, status.phrase, headers, body)
