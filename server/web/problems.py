"""Every HTTP error as `application/problem+json` (RFC 9457) with a stable `code`: no sentence, no trace, no HTML."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.ports import StoreAway
from server.registry.errors import Clash, Invalid, Missing
from signaling.errors import SignalingError

STATUS: Final[Mapping[str, int]] = {
    "bad_message": 400,
    "bad_credentials": 401,
    "forbidden": 403,
    "not_found": 404,
    "bad_link": 404,
    "not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "invalid": 422,
    "rate": 429,
    "internal": 500,
    "unavailable": 503,
}
"""Every code this API answers with, and its status."""
_CODE: Final[Mapping[int, str]] = {status: code for code, status in STATUS.items() if code != "bad_link"}


class FieldError(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request."""

    at: str
    """A path into the body, like `$.clients[0].id`; or `path.id`, `query.after`."""
    why: str
    """For the developer of the calling program; no value is repeated."""


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with our `code`."""

    type: str
    title: str
    status: int
    code: str
    errors: tuple[FieldError, ...] = ()
    reason: str | None = None


class Problem(Exception):
    """Ends a request with an error."""

    def __init__(
        self,
        code: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        reason: str | None = None,
    ) -> None:
        """`retry_after` in seconds."""
        super().__init__(code)
        self.code = code
        self.errors = errors
        self.retry_after = retry_after
        self.reason = reason


def respond(problem: Problem) -> Response:
    """Return the response to a problem; the same problem always gives the same bytes."""
    status = STATUS[problem.code]
    body = ProblemBody(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        code=problem.code,
        errors=problem.errors,
        reason=problem.reason,
    )
    headers = {}
    if problem.code == "bad_credentials":
        headers["WWW-Authenticate"] = "Bearer"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


async def _problem(request: Request, exc: Problem) -> Response:
    return respond(exc)


async def _http(request: Request, exc: HTTPException) -> Response:
    answer = respond(Problem(_CODE.get(exc.status_code, "bad_message")))
    if exc.headers and "Allow" in exc.headers:
        answer.headers["Allow"] = exc.headers["Allow"]
    return answer


async def _missing(request: Request, exc: Exception) -> Response:
    return respond(Problem("not_found"))


async def _clash(request: Request, exc: Exception) -> Response:
    return respond(Problem("conflict"))


async def _invalid(request: Request, exc: Invalid) -> Response:
    return respond(Problem("invalid", errors=(FieldError(at=exc.at, why=exc.why),)))


async def _signaling(request: Request, exc: SignalingError) -> Response:
    return respond(Problem(exc.code if exc.code in STATUS else "conflict", retry_after=1 if exc.temporary else None))


async def _away(request: Request, exc: Exception) -> Response:
    return respond(Problem("unavailable", retry_after=1))


async def _internal(request: Request, exc: Exception) -> Response:
    return respond(Problem("internal"))


HANDLERS: Final[Mapping[Any, Any]] = {
    Problem: _problem,
    HTTPException: _http,
    Missing: _missing,
    Clash: _clash,
    Invalid: _invalid,
    SignalingError: _signaling,
    StoreAway: _away,
    Exception: _internal,
}
"""For `Starlette(exception_handlers=...)`. The last one answers what is our own mistake; Starlette raises it on, so
that it is logged."""
