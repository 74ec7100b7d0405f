"""Keys with their scopes; signing in and out."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from server.registry.names import digest
from server.registry.throttle import WINDOW
from server.web.problems import HANDLERS
from server.web.routes import OPERATIONS, routes
from tests.server.world import OPERATOR_KEY, World, bearer

PASSWORD = "correct horse battery"
WITH_KEY = [one for one in OPERATIONS if one.scope is not None]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.practice("elm")
    await world.provider("amy")
    await world.registry.accounts.put("elm", "amy", "amy", PASSWORD, by="key")
    return world


def path(template: str) -> str:
    return template.replace("{id}", "x").replace("{client}", "y")


async def sign_in(world: World, password: str = PASSWORD, username: str = "amy") -> httpx.Response:
    return await world.asked("POST", "/v1/sign-in", json={"username": username, "password": password})


@pytest.mark.parametrize("operation", WITH_KEY, ids=lambda one: f"{one.method} {one.path}")
async def test_every_operation_asks_for_a_key_of_its_scope(world: World, operation: object) -> None:
    one = next(known for known in WITH_KEY if known is operation)
    other = "read" if one.scope != "read" else "write"
    wrong = await world.registry.keys.add("elm", by="operator", scopes=(other,))

    without = await world.asked(one.method, path(one.path))
    unknown = await world.asked(one.method, path(one.path), headers=bearer("guess"))
    scoped = await world.asked(one.method, path(one.path), headers=bearer(wrong))

    assert (without.status_code, without.json()["code"]) == (401, "bad_credentials")
    assert without.content == unknown.content
    assert without.headers["www-authenticate"] == "Bearer"
    assert (scoped.status_code, scoped.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "bearer  ", "abc", "Bearer a b"])
async def test_what_is_no_bearer_key_is_no_key(world: World, header: str) -> None:
    assert (await world.asked("GET", "/v1/records", headers={"Authorization": header})).status_code == 401


async def test_the_operators_key_opens_no_practice(world: World) -> None:
    answer = await world.asked("GET", "/v1/appointments/a1", headers=bearer(OPERATOR_KEY))

    assert answer.status_code == 403


async def test_signing_in_says_who_and_sets_a_cookie_that_no_script_reads(world: World) -> None:
    answer = await sign_in(world)

    assert answer.json() == {
        "provider": {"id": "amy", "name": "Dr. amy"},
        "practice": {"id": "elm", "name": "Practice elm", "time_zone": "UTC"},
    }
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("carelobby=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert world.trail()[-1] == ("amy", "sign_in")


async def test_under_https_the_cookie_is_bound_to_the_host(world: World) -> None:
    services = world.services(public_url="https://visit.example.org", origins=frozenset({"https://visit.example.org"}))
    app = Starlette(routes=routes(services), exception_handlers=HANDLERS)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://visit.example.org") as browser:
        answer = await browser.post("/v1/sign-in", json={"username": "amy", "password": PASSWORD})
        ticket = await browser.post("/v1/tickets", json={})

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-carelobby=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert ticket.status_code == 201


async def test_a_wrong_password_and_an_unknown_name_look_the_same(world: World) -> None:
    wrong, unknown = await sign_in(world, "wrong"), await sign_in(world, username="nobody")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert wrong.headers == unknown.headers
    assert "set-cookie" not in wrong.headers


async def test_ten_wrong_passwords_close_the_door_until_the_window_is_over(world: World) -> None:
    for _ in range(10):
        assert (await sign_in(world, "wrong")).status_code == 401

    refused = await sign_in(world)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate")
    assert refused.headers["retry-after"] == str(WINDOW // 1000)
    world.now += WINDOW
    assert (await sign_in(world)).status_code == 200


async def test_signing_out_ends_the_sign_in_and_takes_the_cookie(world: World) -> None:
    cookies = dict((await sign_in(world)).cookies)

    answer = await world.asked("POST", "/v1/sign-out", json={}, cookies=cookies)

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await world.asked("POST", "/v1/tickets", json={}, cookies=cookies)).status_code == 401
    assert (await world.asked("POST", "/v1/sign-out", json={}, cookies=cookies)).status_code == 204
    assert world.trail()[-1] == ("amy", "sign_out")


async def test_no_password_or_cookie_is_in_the_trail_or_a_name(world: World) -> None:
    cookies = dict((await sign_in(world)).cookies)

    names = repr([*world.secrets, *world.documents]) + repr(world.outbox)

    assert PASSWORD not in names
    assert cookies["carelobby"] not in names


async def test_signing_out_ends_the_connections_of_that_sign_in(world: World) -> None:
    ended: list[str] = []
    app = Starlette(routes=routes(world.services(signed_out=ended.append)), exception_handlers=HANDLERS)
    cookies = dict((await sign_in(world)).cookies)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost:8000", cookies=cookies
    ) as browser:
        await browser.post("/v1/sign-out", json={})

    assert ended == [digest(cookies["carelobby"])]
