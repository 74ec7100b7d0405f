"""All routes of the HTTP side; `server/app.py` wraps them into the application."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.web import openapi, pages, tickets
from server.web.api import appointments, calendar, ledger, operation, practices, providers, sign_in, webhooks
from server.web.api.operation import Operation
from server.web.services import Services

VERSION = "0.1.0"
OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    *tickets.OPERATIONS,
    *sign_in.OPERATIONS,
    *practices.OPERATIONS,
    *providers.OPERATIONS,
    *appointments.OPERATIONS,
    *calendar.OPERATIONS,
    *ledger.OPERATIONS,
    *webhooks.OPERATIONS,
)
"""The API: nothing else is answered under /v1 but its description and the WebSocket."""


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of pages and API. Errors are `server.web.problems.HANDLERS`' to answer."""
    description = openapi.document(OPERATIONS, version=VERSION, url=services.public_url)

    async def describe(request: Request) -> Response:
        return JSONResponse(description)

    return [
        *pages.routes(services),
        Route("/v1/openapi.json", describe),
        *operation.routes(services, OPERATIONS),
    ]
