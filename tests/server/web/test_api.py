"""The EHR's API, as an EHR meets it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from server.registry import room_id
from signaling.events import Cancelled
from signaling.policy import MINUTE
from signaling.proposals import NO_FEE
from tests.server.world import NOW, OPERATOR_KEY, URL, World, bearer

APPOINTMENT: dict[str, Any] = {
    "providers": ["amy"],
    "clients": [{"id": "ann", "name": "Ann Lee", "payer": "Aetna", "service_code": "90834"}],
    "start": NOW,
    "duration_minutes": 50,
}


class Ehr:
    """A practice's program with its key."""

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.key = key

    async def __call__(self, method: str, path: str, body: object = None) -> httpx.Response:
        options: dict[str, Any] = {} if body is None else {"json": body}
        return await self.world.asked(method, path, headers=bearer(self.key), **options)


async def ehr(world: World, practice: str = "elm") -> Ehr:
    return Ehr(world, await world.practice(practice))


@pytest.fixture
async def elm() -> Ehr:
    elm = await ehr(World())
    assert (await elm("PUT", "/v1/providers/amy", {"name": "Dr. Amy", "licences": ["CO"]})).status_code == 201
    return elm


async def test_the_operator_makes_changes_and_deletes_a_practice() -> None:
    operator = Ehr(World(), OPERATOR_KEY)
    body = {
        "name": "Oak",
        "time_zone": "America/Denver",
        "help": "Call 1",
        "backup": "Call 2",
        "consent": {"version": "3", "text": "Yes."},
        "policies": {
            "rejoin_window_minutes": 0.5,
            "no_show_minutes": 720,
            "late_minutes": 5,
            "early_minutes": 7.5,
            "window_before_minutes": 30,
            "window_after_minutes": 0,
            "audio_only_by_payer": {"Aetna": "forbidden"},
        },
    }

    made = await operator("PUT", "/v1/practices/oak", body)
    changed = await operator("PUT", "/v1/practices/oak", body)

    assert made.status_code == 201
    assert made.json()["api_key"]
    assert changed.status_code == 200
    assert changed.json() == {"id": "oak", "name": "Oak", "time_zone": "America/Denver"}
    policy = await operator.world.registry.practices.get("oak")
    assert policy is not None
    assert (policy.rejoin_window, policy.no_show_after) == (30_000, 12 * 3_600_000)
    assert (policy.late_after, policy.early_before) == (5 * MINUTE, 450_000)
    assert (policy.window_before, policy.window_after) == (30 * MINUTE, 0)
    assert (policy.audio_only_for("Aetna"), policy.audio_only_for(None)) == ("forbidden", "allowed")
    assert (policy.practice.backup, policy.practice.consent.version) == ("Call 2", "3")
    assert (await operator("DELETE", "/v1/practices/oak")).status_code == 204
    assert (await operator("DELETE", "/v1/practices/oak")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"name": ""}, "$.name"),
        ({"time_zone": "Mars/Olympus"}, "$.time_zone"),
        ({"time_zone": "../etc/passwd"}, "$.time_zone"),
        ({"policies": {"rejoin_window": 15}}, "$.policies"),
        ({"policies": {"audio_only": "sometimes"}}, "$.policies.audio_only"),
        ({"policies": {"grace_minutes": -1}}, "$.policies.grace_minutes"),
        ({"policies": {"window_before_minutes": "5"}}, "$.policies.window_before_minutes"),
        ({"policies": {"window_after_minutes": 8 * 24 * 60}}, "$.policies.window_after_minutes"),
        ({"policies": {"late_minutes": -1}}, "$.policies.late_minutes"),
        ({"policies": {"early_minutes": None}}, "$.policies.early_minutes"),
        ({"consent": {"text": "Yes."}}, "$.consent"),
    ],
)
async def test_a_practice_that_makes_no_sense_is_refused_with_the_place(wrong: dict[str, Any], at: str) -> None:
    answer = await Ehr(World(), OPERATOR_KEY)("PUT", "/v1/practices/oak", {"name": "Oak"} | wrong)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert [one["at"] for one in answer.json()["errors"]] == [at]
    assert "sometimes" not in answer.text


async def test_a_provider_is_told_their_room_and_gets_an_account(elm: Ehr) -> None:
    again = await elm("PUT", "/v1/providers/amy", {"name": "Dr. Amy Adams"})
    account = {"username": "Amy", "password": "correct horse battery"}

    assert again.status_code == 200
    assert again.json() == {"id": "amy", "name": "Dr. Amy Adams", "licences": [], "room": room_id("elm", "amy")}
    assert (await elm("PUT", "/v1/providers/amy/account", account)).status_code == 201
    assert (await elm("PUT", "/v1/providers/amy/account", account)).json() == {"provider": "amy", "username": "amy"}
    assert (await elm("PUT", "/v1/providers/zoe/account", account)).status_code == 404
    assert (await elm("PUT", "/v1/providers/amy/account", account | {"password": "short"})).status_code == 422
    await elm("PUT", "/v1/providers/bob", {"name": "Dr. Bob"})
    assert (await elm("PUT", "/v1/providers/bob/account", account)).json()["code"] == "conflict"


async def test_a_room_may_go_its_own_way_from_the_next_visit_on(elm: Ehr) -> None:
    await elm("PUT", "/v1/appointments/a1", APPOINTMENT)
    amy = {"name": "Dr. Amy", "room": {"show_position": True, "grace_minutes": 2}}
    assert (await elm("PUT", "/v1/providers/amy", amy)).status_code == 200
    second = await elm("PUT", "/v1/appointments/a2", APPOINTMENT)

    room = elm.world.rooms[room_id("elm", "amy")]

    assert (room.policy.show_position, room.policy.grace) == (True, 2 * MINUTE)
    opened = room.visits[second.json()["visit"]].policy
    assert (opened.show_position, opened.grace) == (True, 2 * MINUTE)
    await Ehr(elm.world, OPERATOR_KEY)("PUT", "/v1/practices/elm", {"name": "Elm", "policies": {"grace_minutes": 9}})
    room = elm.world.rooms[room_id("elm", "amy")]
    assert (room.policy.show_position, room.policy.grace) == (True, 2 * MINUTE)
    for wrong, at in (({"grace_minutes": -1}, "$.room.grace_minutes"), ({"colour": "red"}, "$.room")):
        answer = await elm("PUT", "/v1/providers/amy", {"name": "Dr. Amy", "room": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, at)


async def test_an_appointment_has_twelve_clients_at_most_however_they_are_named(elm: Ehr) -> None:
    people = [{"id": f"c{n}", "name": f"C {n}"} for n in range(13)]
    group = APPOINTMENT | {"group": True}
    await elm("PUT", "/v1/groups/g1", {"name": "Tuesday", "clients": people, "providers": ["amy"]})

    too_many = [
        await elm("PUT", "/v1/appointments/g", group | {"clients": people}),
        await elm("PUT", "/v1/appointments/g", group | {"clients": [], "group": "g1"}),
    ]

    for answer in too_many:
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert answer.json()["errors"][0]["at"] == "$.clients"
    assert (await elm("PUT", "/v1/appointments/g", group | {"clients": people[:12]})).status_code == 201
    assert (await elm("PUT", "/v1/appointments/h", group | {"clients": people[1:], "group": "g1"})).status_code == 201


async def test_the_same_put_answers_with_the_same_link(elm: Ehr) -> None:
    made = await elm("PUT", "/v1/appointments/a1", APPOINTMENT)
    again = await elm("PUT", "/v1/appointments/a1", APPOINTMENT)

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json() == (await elm("GET", "/v1/appointments/a1")).json()
    shown = made.json()
    [client] = shown.pop("clients")
    assert shown.pop("visit").startswith("vis_")
    assert shown == {
        "id": "a1",
        "state": "open",
        "start": NOW,
        "end": NOW + 50 * 60_000,
        "providers": ["amy"],
        "group": False,
    }
    assert (client["id"], client["name"]) == ("ann", "Ann Lee")
    page, _, secret = client["join_url"].partition("#")
    assert page == f"{URL}/join"
    assert len(secret) == 43


async def test_a_start_may_be_written_with_its_offset(elm: Ehr) -> None:
    answer = await elm("PUT", "/v1/appointments/a1", APPOINTMENT | {"start": "2027-01-15T09:00:00+01:00"})

    assert answer.json()["start"] == 1_800_000_000_000


async def test_a_group_lends_an_appointment_its_members_and_providers(elm: Ehr) -> None:
    group = {
        "name": "Tuesday group",
        "initials": "TG",
        "service_code": "90853",
        "clients": [
            {"id": "ann", "name": "Ann"},
            {"id": "ben", "name": "Ben", "service_code": "H0005"},
            {"id": "cat", "name": "Cat", "service_code": None},
        ],
        "providers": ["amy"],
    }
    assert (await elm("PUT", "/v1/groups/g1", group)).status_code == 201
    again = await elm("PUT", "/v1/groups/g1", group)
    assert (again.status_code, again.json()["clients"]) == (200, group["clients"])

    answer = await elm("PUT", "/v1/appointments/a1", {"group": "g1", "start": NOW, "duration_minutes": 90})

    assert answer.status_code == 201
    assert answer.json()["group"] is True
    assert [one["id"] for one in answer.json()["clients"]] == ["ann", "ben", "cat"]
    visit = elm.world.rooms[room_id("elm", "amy")].visits[answer.json()["visit"]]
    assert [seat.service_code for seat in visit.seats.values()] == ["90853", "H0005", NO_FEE]


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"providers": []}, "$.providers"),
        ({"providers": ["zoe"]}, "$.providers[0]"),
        ({"providers": ["amy", "amy"]}, "$.providers"),
        ({"providers": ["a/b"]}, "$.providers[0]"),
        ({"clients": []}, "$.clients"),
        ({"clients": [{"id": "ann"}]}, "$.clients[0]"),
        ({"clients": [{"id": "ann", "name": "A"}, {"id": "ann", "name": "B"}], "group": True}, "$.clients"),
        ({"clients": [{"id": "ann", "name": "A"}, {"id": "ben", "name": "B"}]}, "$.group"),
        ({"group": "nowhere"}, "$.group"),
        ({"start": "tomorrow"}, "$.start"),
        ({"start": "2027-01-15T09:00:00"}, "$.start"),
        ({"start": "1960-01-15T09:00:00Z"}, "$.start"),
        ({"start": -5}, "$.start"),
        ({"duration_minutes": 0}, "$.duration_minutes"),
        ({"duration_minutes": "50"}, "$.duration_minutes"),
    ],
)
async def test_an_appointment_that_makes_no_sense_is_refused_with_the_place(
    elm: Ehr, wrong: dict[str, Any], at: str
) -> None:
    answer = await elm("PUT", "/v1/appointments/a1", APPOINTMENT | wrong)

    assert answer.status_code == 422
    assert [one["at"] for one in answer.json()["errors"]] == [at]
    assert (await elm("GET", "/v1/appointments/a1")).status_code == 404


async def test_a_cancelled_appointment_says_so_and_can_not_be_changed(elm: Ehr) -> None:
    await elm("PUT", "/v1/appointments/a1", APPOINTMENT)

    answer = await elm("POST", "/v1/appointments/a1/cancel", {"outcome": "late_cancel"})

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["outcome"]) == ("cancelled", "late_cancel")
    assert isinstance(elm.world.facts[-1][1], Cancelled)
    assert (await elm("PUT", "/v1/appointments/a1", APPOINTMENT | {"start": NOW + 1})).status_code == 409
    assert (await elm("POST", "/v1/appointments/a1/cancel")).status_code == 200
    assert (await elm("POST", "/v1/appointments/a2/cancel")).status_code == 404


async def test_a_client_can_be_given_a_new_link(elm: Ehr) -> None:
    [old] = (await elm("PUT", "/v1/appointments/a1", APPOINTMENT)).json()["clients"]

    new = await elm("POST", "/v1/appointments/a1/clients/ann/link")

    assert new.json()["join_url"] != old["join_url"]
    assert (await elm("GET", "/v1/appointments/a1")).json()["clients"] == [new.json()]
    assert (await elm("POST", "/v1/appointments/a1/clients/zoe/link")).status_code == 404


async def test_a_room_shows_what_is_on_today(elm: Ehr) -> None:
    visit = (await elm("PUT", "/v1/appointments/a1", APPOINTMENT)).json()["visit"]

    room = (await elm("GET", "/v1/providers/amy/room")).json()

    assert room["room"] == room_id("elm", "amy")
    assert (room["status"], room["waiting"]) == ("available", [])
    [shown] = room["visits"]
    assert (shown["id"], shown["appointment"], shown["phase"]) == (visit, "a1", "scheduled")
    assert shown["clients"] == [{"client": "ann", "name": "Ann Lee", "seat": "out", "connected": False}]
    assert (await elm("GET", "/v1/providers/zoe/room")).status_code == 404


async def test_a_visit_is_scheduled_then_live_then_a_record(elm: Ehr) -> None:
    later = APPOINTMENT | {"start": NOW + 7 * 24 * 3_600_000}
    visit = (await elm("PUT", "/v1/appointments/a1", later)).json()["visit"]
    assert (await elm("GET", f"/v1/visits/{visit}")).json() == {"id": visit, "phase": "scheduled", "appointment": "a1"}
    assert (await elm("GET", f"/v1/visits/{visit}/record")).status_code == 404

    await elm("PUT", "/v1/appointments/a1", APPOINTMENT)
    live = (await elm("GET", f"/v1/visits/{visit}")).json()
    assert (live["phase"], live["live"]["appointment"]) == ("scheduled", "a1")

    await elm("POST", "/v1/appointments/a1/cancel")
    over = (await elm("GET", f"/v1/visits/{visit}")).json()
    assert over["phase"] == "closed"
    assert over["record"]["visit"] == visit
    assert (await elm("GET", f"/v1/visits/{visit}/record")).json()["record"] == over["record"]
    assert (await elm("GET", "/v1/visits/vis_unknown")).status_code == 404


async def test_records_and_the_trail_are_read_page_by_page(elm: Ehr) -> None:
    elm.world.records = [{"id": f"rec_{n}", "visit": f"vis_{n}"} for n in range(3)]

    first = (await elm("GET", "/v1/records?limit=2")).json()
    rest = (await elm("GET", f"/v1/records?after={first['next']}")).json()
    end = (await elm("GET", f"/v1/records?after={rest['next']}")).json()

    assert [one["id"] for one in first["records"]] == ["rec_0", "rec_1"]
    assert [one["id"] for one in rest["records"]] == ["rec_2"]
    assert end == {"records": [], "next": rest["next"]}
    assert (await elm("GET", "/v1/audit")).json()["entries"][0]["action"] == "practice.created"


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=9999999999999999999", "limit=501", "after=%D9%A1"])
async def test_a_cursor_that_was_not_ours_is_refused(elm: Ehr, query: str) -> None:
    answer = await elm("GET", f"/v1/records?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == f"query.{query.partition('=')[0]}"


async def test_a_webhook_shows_its_secret_once(elm: Ehr) -> None:
    body = {"url": "https://ehr.example.org/hook", "events": ["visit.closed", "record.created"]}

    made = await elm("PUT", "/v1/webhooks/w1", body)
    again = await elm("PUT", "/v1/webhooks/w1", body)

    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert again.status_code == 200
    assert again.json() == {"id": "w1", **body}
    assert (await elm("PUT", "/v1/webhooks/w2", {"url": "http://10.0.0.1/"})).status_code == 422
    assert (await elm("PUT", "/v1/webhooks/w2", body | {"events": ["tea.ready"]})).status_code == 422
    assert (await elm("GET", "/v1/webhooks/w1/deliveries")).json()["deliveries"][0]["id"] == "dlv_1"
    assert (await elm("POST", "/v1/webhooks/w1/redeliver", {"delivery": "dlv_1"})).status_code == 200
    assert (await elm("POST", "/v1/webhooks/w1/redeliver", {"delivery": "dlv_2"})).status_code == 404
    assert (await elm("DELETE", "/v1/webhooks/w1")).status_code == 204
    assert (await elm("GET", "/v1/webhooks/w1/deliveries")).status_code == 404


async def test_practices_with_the_same_ids_see_nothing_of_one_another(elm: Ehr) -> None:
    oak = await ehr(elm.world, "oak")
    await oak("PUT", "/v1/providers/amy", {"name": "Another Amy"})
    mine = (await elm("PUT", "/v1/appointments/a1", APPOINTMENT)).json()

    assert (await oak("GET", "/v1/appointments/a1")).status_code == 404
    assert (await oak("GET", f"/v1/visits/{mine['visit']}")).status_code == 404
    assert (await oak("GET", "/v1/providers/amy/room")).json()["visits"] == []
    theirs = (await oak("PUT", "/v1/appointments/a1", APPOINTMENT)).json()
    assert theirs["visit"] != mine["visit"]
    assert (await oak("POST", "/v1/appointments/a1/cancel")).status_code == 200
    assert (await elm("GET", "/v1/appointments/a1")).json()["state"] == "open"


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b"{", "$"),
        (b"[]", "$"),
        (b'"\xff"', "$"),
        (b"null", "$"),
        (b"[" * 5000, "$"),
        (b"", "$"),
        (rb'{"name": "\ud800"}', "$"),
    ],
)
async def test_a_body_that_is_no_object_is_refused(elm: Ehr, body: bytes, at: str) -> None:
    answer = await elm.world.asked("PUT", "/v1/providers/amy", headers=bearer(elm.key), content=body)

    assert answer.status_code == 422
    assert [one["at"] for one in answer.json()["errors"]] == [at]


async def test_a_body_without_end_is_refused(elm: Ehr) -> None:
    answer = await elm.world.asked("PUT", "/v1/providers/amy", headers=bearer(elm.key), content=b" " * 300_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("id", ["a b", "a%2Fb", "x" * 65, "%C3%A9", "a%0Ab"])
async def test_an_id_that_is_none_is_refused(elm: Ehr, id: str) -> None:
    answer = await elm("GET", f"/v1/appointments/{id}")

    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_while_the_store_is_away_everything_says_so(elm: Ehr) -> None:
    elm.world.away = True

    for method, path, body in [
        ("GET", "/v1/appointments/a1", None),
        ("PUT", "/v1/appointments/a1", APPOINTMENT),
        ("POST", "/v1/join", {"token": "x"}),
        ("POST", "/v1/sign-in", {"username": "amy", "password": "x"}),
    ]:
        answer = await elm(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
