"""The security headers are on every response, whatever the application does."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.web.headers import SecurityHeaders, security_headers


async def respond(app: Any, path: str = "/") -> tuple[int, dict[str, str], bytes]:
    """Send one GET and return status, headers (each once) and body."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    scope |= {"query_string": b"", "http_version": "1.1", "server": ("x", 80), "client": ("y", 1), "scheme": "http"}
    try:
        await app(scope, receive, send)
    finally:
        respond.last = sent  # type: ignore[attr-defined]
    names = [name for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names)), "a header twice"
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"Cache-Control": "public", "X-Mine": "1"})


async def broken(request: Request) -> Response:
    raise LookupError("of ours")


APP = SecurityHeaders(Starlette(routes=[Route("/", hello), Route("/broken", broken)]), https=True)
EXPECTED = dict(security_headers(https=True))


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nowhere", 404)])
async def test_every_response_has_them_and_nothing_weakens_them(path: str, status: int) -> None:
    code, headers, _ = await respond(APP, path)

    assert code == status
    assert EXPECTED.items() <= headers.items()


async def test_other_headers_stay() -> None:
    _, headers, body = await respond(APP)

    assert (headers["x-mine"], body) == ("1", b"hello")


async def test_an_error_of_ours_has_them_too_and_is_raised_on() -> None:
    with pytest.raises(LookupError):
        await respond(APP, "/broken")

    (start, *_) = respond.last  # type: ignore[attr-defined]
    assert start["status"] == 500
    assert EXPECTED.items() <= {name.decode(): value.decode() for name, value in start["headers"]}.items()


async def test_an_application_that_fails_before_it_answers_is_answered_for() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await respond(SecurityHeaders(fails, https=False))

    start, body = respond.last  # type: ignore[attr-defined]
    assert start["status"] == 500
    assert b'"code":"internal"' in body["body"]


async def test_other_scopes_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await SecurityHeaders(app, https=False)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert seen == ["lifespan"]


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    headers = dict(security_headers(https=False))

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert "camera=(self)" in headers["permissions-policy"]
    assert "geolocation=()" in headers["permissions-policy"]


def test_only_https_promises_to_stay_https() -> None:
    assert "strict-transport-security" in dict(security_headers(https=True))
    assert "strict-transport-security" not in dict(security_headers(https=False))
