"""Signing in and out with a local account."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

from server.registry.shelf import Deed
from server.web import auth
from server.web.api.operation import Call, Nothing, Operation, encoded
from server.web.api.shown import PracticeNamed, ProviderNamed
from server.web.problems import Problem


class SignInBody(Struct, frozen=True):
    """A username and its password."""

    username: Annotated[str, Meta(max_length=200)]
    password: Annotated[str, Meta(max_length=1000)]


class SignInAnswer(Struct, frozen=True):
    """Who is signed in; the cookie comes with it."""

    provider: ProviderNamed
    practice: PracticeNamed


async def sign_in(call: Call, body: SignInBody) -> Response:
    """Check a password and set the cookie; a wrong one and an unknown name are answered alike."""
    registry, address = call.services.registry, auth.address(call.request)
    # Asked before the hash is computed: guessing must not cost us more than it costs the guesser.
    wait = await registry.throttle.blocked("sign-in", address)
    if wait is not None:
        raise Problem("rate", retry_after=wait)
    owner = await registry.accounts.check(body.username, body.password)
    policy = None if owner is None else await registry.practices.get(owner.practice)
    provider = None if owner is None else await registry.providers.get(owner.practice, owner.provider)
    if owner is None or policy is None or provider is None:
        wait = await registry.throttle.failed("sign-in", address)
        raise Problem("bad_credentials") if wait is None else Problem("rate", retry_after=wait)
    await registry.shelf.note(Deed(owner.practice, owner.provider, "sign_in", owner.provider))
    token = await registry.sign_ins.begin(owner.practice, owner.provider)
    info = policy.practice
    answer = encoded(
        SignInAnswer(
            provider=ProviderNamed(id=provider.id, name=provider.name),
            practice=PracticeNamed(id=info.id, name=info.name, time_zone=info.time_zone),
        )
    )
    auth.set_cookie(call.services, answer, token)
    return answer


class SignedIn(Struct, frozen=True):
    """Whether this browser holds a good sign-in cookie."""

    signed_in: bool


async def whether(call: Call, body: Nothing) -> SignedIn:
    """Tell a page that was just opened whether to ask for a sign-in; not knowing is no error."""
    return SignedIn(await auth.signed_in(call.services, call.request) is not None)


async def sign_out(call: Call, body: Nothing) -> Response:
    """End the sign-in and take the cookie; without one it is the same."""
    found = await auth.signed_in(call.services, call.request)
    if found is not None:
        who = found.sign_in
        await call.services.registry.shelf.note(Deed(who.practice, who.provider, "sign_out", who.provider))
        await call.services.registry.sign_ins.end(call.request.cookies[auth.cookie_name(call.services)])
        call.services.signed_out(found.hash)
    answer = Response(status_code=204)
    auth.clear_cookie(call.services, answer)
    return answer


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/v1/sign-in",
        summary="Sign in as a provider; sets the sign-in cookie",
        handler=sign_in,
        body=SignInBody,
        answer=SignInAnswer,
        scope=None,
        browser=True,
        problems=("bad_credentials", "rate"),
    ),
    Operation(
        method="GET",
        path="/v1/sign-in",
        summary="Tell whether this browser is signed in",
        handler=whether,
        body=Nothing,
        answer=SignedIn,
        scope=None,
        browser=True,
    ),
    Operation(
        method="POST",
        path="/v1/sign-out",
        summary="Sign out; clears the sign-in cookie",
        handler=sign_out,
        body=Nothing,
        answer=None,
        scope=None,
        browser=True,
    ),
)
