"""The security headers of every response, errors and refused upgrades included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from anywhere else, ever; `connect-src 'self'` covers the WebSocket."""

_ALLOWED_FEATURES: Final = ("camera", "microphone", "display-capture", "fullscreen")
_DENIED_FEATURES: Final = (
    "accelerometer",
    "browsing-topics",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "magnetometer",
    "midi",
    "payment",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
PERMISSIONS_POLICY: Final = ", ".join(
    (*(f"{feature}=(self)" for feature in _ALLOWED_FEATURES), *(f"{feature}=()" for feature in _DENIED_FEATURES))
)

_PROBLEM_500: Final = b'{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}'


def security_headers(*, https: bool) -> list[tuple[str, str]]:
    """Return the headers, with Strict-Transport-Security if the service is reached by https."""
    headers = [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("permissions-policy", PERMISSIONS_POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex, nofollow"),
    ]
    if https:
        # Two years: what browsers' preload lists ask for.
        headers.append(("strict-transport-security", "max-age=63072000; includeSubDomains"))
    return headers


class SecurityHeaders:
    """ASGI middleware, the outermost: sets the headers on whatever the application answers, or fails to answer."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self._headers = [(name.encode(), value.encode()) for name, value in security_headers(https=https)]
        self._names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. An error of the application before its answer becomes a 500, and is raised again."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in self._names]
                message = {**message, "headers": own + self._headers}
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            if not started:
                await self._fail(send)
            raise

    async def _fail(self, send: Send) -> None:
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(_PROBLEM_500)).encode()),
            *self._headers,
        ]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": _PROBLEM_500})
