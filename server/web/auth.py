"""Who is asking: API keys by `Authorization: Bearer`, providers by the sign-in cookie, pages by their origin."""

from __future__ import annotations

import hmac

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from server.registry.documents import SignIn
from server.registry.names import digest
from server.web.problems import Problem
from server.web.services import Services

OPERATOR_SCOPES = frozenset({"practices", "metrics"})


class Principal(Struct, frozen=True):
    """The holder of a key."""

    id: str
    """For the trail: the key's id, or `operator`."""
    practice: str | None
    """None: the operator, who belongs to none."""
    scopes: frozenset[str]


class SignedIn(Struct, frozen=True):
    """The holder of a sign-in cookie."""

    sign_in: SignIn
    hash: str
    """The cookie's digest."""


async def bearer(services: Services, request: Request) -> Principal | None:
    """Return whose key the request carries; None if it carries none or one that is unknown."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    # Digests are compared, so neither the key's length nor a common beginning shows in the time.
    if hmac.compare_digest(digest(token), digest(services.operator_key)):
        return Principal(id="operator", practice=None, scopes=OPERATOR_SCOPES)
    key = await services.registry.keys.find(token)
    return None if key is None else Principal(id=key.id, practice=key.practice, scopes=frozenset(key.scopes))


async def demand(services: Services, request: Request, scope: str) -> Principal:
    """Return whose key the request carries. Raise 401 without a good key, 403 without the scope."""
    principal = await bearer(services, request)
    if principal is None:
        raise Problem("bad_credentials")
    if scope not in principal.scopes:
        raise Problem("forbidden")
    return principal


async def signed_in(services: Services, request: Request) -> SignedIn | None:
    """Return the provider's sign-in, if its cookie is good; its idle time begins anew."""
    token = request.cookies.get(cookie_name(services))
    if not token:
        return None
    found = await services.registry.sign_ins.find(token)
    return None if found is None else SignedIn(found, digest(token))


def same_origin(services: Services, request: Request) -> None:
    """Raise 403 for a request that a page of a foreign origin makes.

    Browsers send `Origin` with every POST; a program that sends none has no cookie that was not given to it.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin not in services.origins:
        raise Problem("forbidden")
    if origin is None and request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Problem("forbidden")


def cookie_name(services: Services) -> str:
    """Return the cookie's name; browsers hold `__Host-` to Secure, Path=/ and no Domain."""
    return "__Host-carelobby" if services.secure else "carelobby"


def set_cookie(services: Services, response: Response, token: str) -> None:
    """Give the browser its sign-in. It ends with the browser, or when it was idle for too long."""
    response.set_cookie(
        cookie_name(services), token, path="/", secure=services.secure, httponly=True, samesite="strict"
    )


def knock_cookie_name(services: Services) -> str:
    """Return the name of the cookie by which a walk-in is known again."""
    return f"{cookie_name(services)}-knock"


def set_knock_cookie(services: Services, response: Response, token: str) -> None:
    """Let the browser be known again when it knocks again. It ends with the browser."""
    response.set_cookie(
        knock_cookie_name(services), token, path="/", secure=services.secure, httponly=True, samesite="strict"
    )


def clear_cookie(services: Services, response: Response) -> None:
    """Take the sign-in from the browser."""
    response.delete_cookie(cookie_name(services), path="/", secure=services.secure, httponly=True, samesite="strict")


def address(request: Request) -> str:
    """Return where the request comes from, as the server sees it (its proxy settings decide)."""
    return "" if request.client is None else request.client.host
