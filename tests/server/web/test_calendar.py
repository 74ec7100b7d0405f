"""What a calendar is given of an appointment: when, and where to click."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from icalendar import Calendar

from server.registry import room_id
from tests.server.test_registry_appointments import close
from tests.server.world import NOW, URL, World, bearer, plan

PATH = "/v1/appointments/a1/clients/ann/calendar.ics"


@pytest.fixture
async def world() -> World:
    world = World()
    world.key = await world.practice("elm")  # type: ignore[attr-defined]
    await world.provider("amy")
    await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    return world


async def asked(world: World, path: str = PATH) -> httpx.Response:
    return await world.asked("GET", path, headers=bearer(world.key))  # type: ignore[attr-defined]


async def calendar(world: World) -> tuple[str, dict[str, Any]]:
    """The method, and the one event's properties."""
    answer = await asked(world)
    assert answer.status_code == 200
    whole = Calendar.from_ical(answer.content)
    (event,) = whole.walk("VEVENT")
    assert answer.headers["content-type"] == f"text/calendar; charset=utf-8; method={whole['METHOD']}"
    return str(whole["METHOD"]), {name: value.to_ical().decode() for name, value in event.items()}


async def test_it_says_when_and_where_to_click_and_neither_who_nor_why(world: World) -> None:
    found = await world.registry.appointments.get("elm", "a1")
    assert found is not None
    link = f"{URL}/join#{found.appointment.clients[0].token}"

    method, event = await calendar(world)

    assert method == "PUBLISH"
    assert (event["DTSTART"], event["DTEND"]) == ("20270115T080000Z", "20270115T085000Z")
    assert (event["URL"], event["LOCATION"], event["SUMMARY"]) == (link, link, "Online appointment")
    told = (await asked(world)).text.replace("\r\n ", "").replace(link, "").replace(event["UID"], "")
    for name in ("Client", "Dr.", "amy", "ann", "ben", "Practice", "elm", "a1"):
        assert name not in told
    assert all(len(line) <= 75 for line in (await asked(world)).content.split(b"\r\n"))


async def test_a_change_keeps_the_entry_and_counts_up(world: World) -> None:
    _, first = await calendar(world)
    await world.registry.appointments.put("elm", "a1", plan("ann", "ben"), by="key")
    _, same = await calendar(world)
    await world.registry.appointments.put("elm", "a1", plan("ann", "ben", minutes=25), by="key")
    _, shorter = await calendar(world)
    await world.registry.appointments.new_link("elm", "a1", "ann", by="key")
    _, linked = await calendar(world)

    events = (first, same, shorter, linked)
    assert {event["UID"] for event in events} == {first["UID"]}
    assert [event["SEQUENCE"] for event in events] == ["0", "0", "1", "2"]
    assert shorter["DTEND"] == "20270115T082500Z"
    assert linked["URL"] != shorter["URL"]


async def test_a_move_to_another_host_counts_up_too(world: World) -> None:
    await world.provider("bob")
    later = NOW + 3 * 24 * 3_600_000
    await world.registry.appointments.put("elm", "a2", plan("ann", start=later), by="key")
    before = Calendar.from_ical((await asked(world, PATH.replace("a1", "a2"))).content).walk("VEVENT")[0]

    await world.registry.appointments.put("elm", "a2", plan("ann", start=later, provider="bob"), by="key")
    after = Calendar.from_ical((await asked(world, PATH.replace("a1", "a2"))).content).walk("VEVENT")[0]

    assert (before["UID"], before["SEQUENCE"], after["SEQUENCE"]) == (after["UID"], 0, 1)


async def test_a_cancel_takes_the_entry_away_and_holds_no_link(world: World) -> None:
    _, before = await calendar(world)

    await world.registry.appointments.cancel("elm", "a1", by="key")
    method, after = await calendar(world)

    assert (method, after["STATUS"]) == ("CANCEL", "CANCELLED")
    assert after["UID"] == before["UID"]
    assert int(after["SEQUENCE"]) > int(before["SEQUENCE"])
    assert "URL" not in after
    assert "LOCATION" not in after


async def test_of_what_is_over_the_entry_stays_without_its_link(world: World) -> None:
    close(world, "a1")

    method, event = await calendar(world)

    assert (method, event["STATUS"]) == ("PUBLISH", "CONFIRMED")
    assert "URL" not in event


async def test_each_client_has_an_entry_of_their_own(world: World) -> None:
    _, ann = await calendar(world)
    ben = Calendar.from_ical((await asked(world, PATH.replace("ann", "ben"))).content).walk("VEVENT")[0]

    assert ann["UID"] != ben["UID"]
    assert ann["URL"] != ben["URL"]


@pytest.mark.parametrize("path", [PATH.replace("a1", "a9"), PATH.replace("ann", "zoe")])
async def test_nobody_elses_is_given(world: World, path: str) -> None:
    assert (await asked(world, path)).status_code == 404
    assert (await world.asked("GET", PATH)).status_code == 401
    assert world.rooms[room_id("elm", "amy")].visits
