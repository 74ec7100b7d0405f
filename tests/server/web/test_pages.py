"""Pages, their files, and what an operator's tools look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from server.web.problems import HANDLERS
from server.web.routes import routes
from tests.server.world import OPERATOR_KEY, World, bearer


@pytest.fixture
def static(tmp_path: Path) -> Path:
    static = tmp_path / "static"
    (static / "lib").mkdir(parents=True)
    for name in ("index.html", "client.html", "provider.html"):
        (static / name).write_text(f"<!doctype html><title>{name}</title>")
    (static / "lib" / "visit.js").write_text("export {};")
    (static / "page.css").write_text("body {}")
    (static / "en.json").write_text("{}")
    (static / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret_keys").write_text("k1:not for you")
    (static / "way-out").symlink_to(tmp_path / "secret_keys")
    return static


def visitor(static: Path, client: str = "203.0.113.7", **changes: Any) -> TestClient:
    services = World().services(static=static, **changes)
    app = Starlette(routes=routes(services), exception_handlers=HANDLERS)
    return TestClient(app, client=(client, 40000), raise_server_exceptions=False)


@pytest.fixture
def browser(static: Path) -> Iterator[TestClient]:
    with visitor(static) as browser:
        yield browser


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "index.html"),
        ("/join", "client.html"),
        ("/p/elm/telehealth", "client.html"),
        ("/provider", "provider.html"),
    ],
)
def test_pages_are_found_by_their_addresses(browser: TestClient, path: str, page: str) -> None:
    answer = browser.get(path)

    assert page in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    head = browser.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("/static/lib/visit.js", "text/javascript; charset=utf-8"),
        ("/static/page.css", "text/css; charset=utf-8"),
        ("/static/en.json", "application/json"),
        ("/static/icon.svg", "image/svg+xml"),
    ],
)
def test_files_have_the_types_that_browsers_insist_on(browser: TestClient, path: str, type: str) -> None:
    answer = browser.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == type
    again = browser.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret_keys",
        "/static/..%2fsecret_keys",
        "/static/%2e%2e/secret_keys",
        "/static/lib/..%2f..%2fsecret_keys",
        "/static//etc/passwd",
        "/static/way-out",
        "/static/lib",
        "/static/",
        "/static/lib%00.js",
        "/p/a b/telehealth",
        "/p/../telehealth",
        "/nowhere",
        "/v1/nowhere",
        "/v1/../nowhere",
        "/JOIN",
    ],
)
def test_what_is_not_ours_to_show_is_not_found_in_our_own_words(browser: TestClient, path: str) -> None:
    answer = browser.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert "not for you" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", {"GET", "HEAD"}),
        ("DELETE", "/join", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("GET", "/v1/join", {"POST"}),
        ("POST", "/v1/appointments/a1", {"GET", "HEAD", "PUT"}),
        ("PATCH", "/v1/practices/elm", {"PUT", "DELETE"}),
        ("POST", "/v1/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_told_which_are_allowed(
    browser: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = browser.request(method, path)

    assert answer.status_code == 405
    assert answer.json()["code"] == "not_allowed"
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_process_that_lives_is_healthy_and_one_that_drains_is_not_ready(static: Path) -> None:
    async def draining() -> str | None:
        return "draining"

    ready, not_ready = visitor(static), visitor(static, ready=draining)

    assert ready.get("/readyz").status_code == 200
    assert not_ready.get("/healthz").status_code == 200
    answer = not_ready.get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["code"], answer.json()["reason"]) == ("unavailable", "draining")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_metrics_are_for_this_machine(static: Path, address: str) -> None:
    answer = visitor(static, address).get("/metrics")

    assert answer.text == "# metrics\n"
    assert answer.headers["content-type"].startswith("text/plain")


def test_from_elsewhere_metrics_want_a_key(static: Path) -> None:
    assert visitor(static).get("/metrics").status_code == 401
    assert visitor(static, "127.0.0.1").get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
    assert visitor(static).get("/metrics", headers=bearer(OPERATOR_KEY)).status_code == 200


def test_our_own_mistake_is_told_as_internal_and_nothing_more() -> None:
    async def mistaken(request: Request) -> Response:
        raise RuntimeError("a secret detail")

    app = Starlette(routes=[Route("/", mistaken)], exception_handlers=HANDLERS)

    answer = TestClient(app, raise_server_exceptions=False).get("/")

    assert answer.status_code == 500
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "code": "internal",
    }
