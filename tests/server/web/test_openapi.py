"""The description of the API is whole, and says what the API does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from server.web import openapi
from server.web.routes import OPERATIONS, routes
from tests.server.world import URL, World


@pytest.fixture
def described() -> dict[str, Any]:
    return openapi.document(OPERATIONS, version="1", url=URL)


async def test_it_is_served_and_asks_for_no_key() -> None:
    answer = await World().asked("GET", "/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.json()["openapi"] == "3.1.0"


def test_it_describes_every_route_under_v1_and_no_other(described: dict[str, Any]) -> None:
    served = {
        (route.path, method.lower())  # type: ignore[attr-defined]
        for route in routes(World().services())
        if route.path.startswith("/v1/")  # type: ignore[attr-defined]
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }

    told = {(path, method) for path, item in described["paths"].items() for method in item}

    assert told | {("/v1/openapi.json", "get")} == served


def test_no_reference_leads_nowhere(described: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))

    assert references <= set(described["components"]["schemas"])


def test_no_two_operations_have_one_name_or_one_place(described: dict[str, Any]) -> None:
    names = [one["operationId"] for item in described["paths"].values() for one in item.values()]

    assert len(set(names)) == len(names) == len(OPERATIONS)


def test_whoever_reads_it_learns_scopes_bodies_and_problems(described: dict[str, Any]) -> None:
    put = described["paths"]["/v1/appointments/{id}"]["put"]

    assert put["security"] == [{"key": ["write"]}]
    assert set(put["responses"]) == {"200", "201", "401", "403", "409", "413", "422", "503"}
    assert put["responses"]["409"]["description"] == "`conflict`"
    assert put["parameters"][0]["name"] == "id"
    body = described["components"]["schemas"]["AppointmentBody"]
    assert set(body["required"]) == {"start", "duration_minutes"}


def test_every_rule_of_a_practice_is_described_where_it_is_set(described: dict[str, Any]) -> None:
    rules = described["components"]["schemas"]["Policies"]["properties"]

    assert {"window_before_minutes", "window_after_minutes", "late_minutes", "early_minutes"} <= set(rules)
    assert rules["window_before_minutes"]["description"] == "Before the scheduled start: earlier nobody checks in."
    assert rules["window_before_minutes"]["default"] == 300
    clients = described["components"]["schemas"]["AppointmentBody"]["properties"]["clients"]
    assert (clients["maxItems"], clients["description"]) == (12, "May be left to a group.")


def test_paths_of_protocol_md_are_all_there(described: dict[str, Any]) -> None:
    for method, path in [
        ("put", "/v1/practices/{id}"),
        ("delete", "/v1/practices/{id}"),
        ("put", "/v1/providers/{id}"),
        ("put", "/v1/providers/{id}/account"),
        ("post", "/v1/providers/{id}/tickets"),
        ("put", "/v1/groups/{id}"),
        ("put", "/v1/appointments/{id}"),
        ("get", "/v1/appointments/{id}"),
        ("post", "/v1/appointments/{id}/cancel"),
        ("post", "/v1/appointments/{id}/clients/{client}/link"),
        ("get", "/v1/providers/{id}/room"),
        ("get", "/v1/visits/{id}"),
        ("get", "/v1/visits/{id}/record"),
        ("get", "/v1/records"),
        ("put", "/v1/webhooks/{id}"),
        ("delete", "/v1/webhooks/{id}"),
        ("get", "/v1/webhooks/{id}/deliveries"),
        ("post", "/v1/webhooks/{id}/redeliver"),
        ("get", "/v1/audit"),
        ("post", "/v1/join"),
        ("post", "/v1/knock"),
        ("post", "/v1/sign-in"),
        ("post", "/v1/sign-out"),
        ("post", "/v1/tickets"),
    ]:
        assert method in described["paths"][path], f"{method} {path}"
