"""The pages, their files, and what an operator's tools look at."""

from __future__ import annotations

import ipaddress
import mimetypes
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from server.registry.names import is_id
from server.web import auth
from server.web.problems import Problem
from server.web.services import Services

# Which type a suffix has must not depend on the machine's own table: with `nosniff` a wrong one is a dead page.
for _suffix, _type in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
}.items():
    mimetypes.add_type(_type, _suffix)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Sent by a proxy: then a loopback peer says nothing about who asks."""


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of everything that is not the API."""

    async def telehealth(request: Request) -> Response:
        # Served for any well-formed id: whether a practice exists is the lobby's to tell.
        if not is_id(request.path_params["practice"]):
            raise Problem("not_found")
        return FileResponse(services.static / "client.html")

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        reason = await services.ready()
        if reason is not None:
            raise Problem("unavailable", reason=reason, retry_after=1)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if not _on_this_machine(request):
            await auth.demand(services, request, "metrics")
        return Response(await services.metrics(), media_type=None, headers={"Content-Type": METRICS_TYPE})

    return [
        Route("/", _page(services, "index.html")),
        Route("/join", _page(services, "client.html")),
        Route("/p/{practice}/telehealth", telehealth),
        Route("/provider", _page(services, "provider.html")),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Mount("/static", StaticFiles(directory=services.static, check_dir=False)),
    ]


def _page(services: Services, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        return FileResponse(services.static / name)

    return page


def _on_this_machine(request: Request) -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(auth.address(request)).is_loopback
    except ValueError:
        return False
