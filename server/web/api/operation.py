"""One operation of the API: a row of the table that routes, checks and OpenAPI are made from."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.registry.names import is_id
from server.web import auth
from server.web.auth import Principal
from server.web.problems import FieldError, Problem
from server.web.services import Services

BODY_LIMIT = 256 * 1024
PAGE = 100
"""So many rows a list has, unless `limit` asks otherwise."""
LONGEST_PAGE = 500
LAST_CURSOR = 2**63 - 1

B = TypeVar("B")


class Nothing(Struct, frozen=True):
    """An empty object."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: who asks is known and may, ids and body have their form."""

    services: Services
    request: Request
    by: Principal | None
    """None: an operation without a key."""

    @property
    def who(self) -> str:
        """Who asks, for the trail; nobody in particular where no key is asked for."""
        return "" if self.by is None else self.by.id

    @property
    def practice(self) -> str:
        """The practice of the caller's key. Raise 403 for the operator's, which has none."""
        if self.by is None or self.by.practice is None:
            raise Problem("forbidden")
        return self.by.practice

    def id(self, name: str = "id") -> str:
        """Return an id from the path."""
        id: str = self.request.path_params[name]
        return id

    def after(self) -> int:
        """Return the cursor; without one a list begins at the first row."""
        return self._number("after", 0, LAST_CURSOR)

    def limit(self) -> int:
        """Return how many rows are asked for."""
        return max(1, self._number("limit", PAGE, LONGEST_PAGE))

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.request.query_params.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
            raise Problem("invalid", errors=(FieldError(at=f"query.{name}", why=f"must be a number up to {most}"),))
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation says, where 200 and a body are not enough."""

    body: Struct | None
    status: int = 200


Handler = Callable[[Call, B], Awaitable[Struct | Answer | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[B]):
    """What can be asked, by whom, with which body, and how it is answered."""

    method: str
    path: str
    summary: str
    handler: Handler[B]
    body: type[B]
    answer: type[Struct] | None
    """None: 204, nothing to say; or `text`."""
    scope: str | None
    """Of the API key; None: no key is asked for."""
    browser: bool = False
    """A page asks: its origin is looked at."""
    query: tuple[str, ...] = ()
    text: str | None = None
    """The answer is text of this type."""
    created: bool = False
    """201 is among the answers."""
    problems: tuple[str, ...] = ()
    """Codes beyond those that any operation with such a key, path and body has."""

    async def perform(self, services: Services, request: Request) -> Response:
        """Check a request, do it, and encode the answer."""
        if self.browser:
            auth.same_origin(services, request)
        by = None if self.scope is None else await auth.demand(services, request, self.scope)
        for name, value in request.path_params.items():
            if not is_id(value):
                why = "must be 1 to 64 of A-Z a-z 0-9 . _ -"
                raise Problem("invalid", errors=(FieldError(at=f"path.{name}", why=why),))
        said = await self.handler(Call(services, request, by), await read(request, self.body))
        if isinstance(said, Response):
            return said
        answer = said if isinstance(said, Answer) else Answer(said)
        if answer.body is None:
            return Response(status_code=204)
        return encoded(answer.body, answer.status)


def encoded(body: Struct, status: int = 200) -> Response:
    """Return `body` as JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def read(request: Request, shape: type[B]) -> B:
    """Return the request's body. Raise 413 or 422."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise Problem("too_large")
    try:
        return msgspec.json.decode(bytes(raw) or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise Problem("invalid", errors=(_told(str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem("invalid", errors=(FieldError(at="$", why="must be JSON in UTF-8"),)) from None


def _told(sentence: str) -> FieldError:
    what, _, where = sentence.partition(" - at `")
    # msgspec quotes an unknown value of an enumeration; the caller knows it, and others need not read it in a log.
    return FieldError(at=where.rstrip("`") or "$", why=re.sub(r"^(Invalid enum value) .*", r"\1", what))


def routes(services: Services, operations: Sequence[Operation[Any]]) -> list[Route]:
    """Return one route for each path, so that another method is answered with all that are allowed."""
    by_path: dict[str, dict[str, Operation[Any]]] = {}
    for operation in operations:
        methods = by_path.setdefault(operation.path, {})
        methods[operation.method] = operation
    return [_route(services, path, methods) for path, methods in by_path.items()]


def _route(services: Services, path: str, methods: dict[str, Operation[Any]]) -> Route:
    async def endpoint(request: Request) -> Response:
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            raise HTTPException(405)
        return await operation.perform(services, request)

    return Route(path, endpoint, methods=list(methods))
