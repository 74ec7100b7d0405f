"""An appointment in a client's calendar: its link opens the room, a change moves it, a cancel takes it away."""

from __future__ import annotations

from typing import Any

import httpx
from icalendar import Calendar

from tests.stories.conftest import Day


async def calendar(day: Day, appointment: str, client: str = "ana") -> tuple[str, Any]:
    path = f"/v1/appointments/{appointment}/clients/{client}/calendar.ics"
    async with httpx.AsyncClient(base_url=day.world.nodes[0].url, headers=day.ehr._key, trust_env=False) as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    whole = Calendar.from_ical(answer.content)
    (event,) = whole.walk("VEVENT")
    return str(whole["METHOD"]), event


async def test_the_link_in_the_calendar_is_the_clients_own(day: Day) -> None:
    booked = await day.book("ana")

    method, event = await calendar(day, booked.id)
    token = str(event["URL"]).rpartition("#")[2]
    client = day.person("phone")
    await client.join(await day.ehr.client_ticket(token))

    assert method == "PUBLISH"
    assert client.view["appointment"]["id"] == booked.id
    assert client.view["appointment"]["start"] // 1000 == int(event["DTSTART"].dt.timestamp())


async def test_a_change_moves_the_entry_and_a_cancel_takes_it_away(day: Day) -> None:
    booked = await day.book("ana")
    _, first = await calendar(day, booked.id)
    await day.ehr.book(booked.id, day.provider, ["ana"], duration_minutes=25)
    _, moved = await calendar(day, booked.id)

    await day.ehr.call("POST", f"/v1/appointments/{booked.id}/cancel", {})
    method, gone = await calendar(day, booked.id)

    assert first["UID"] == moved["UID"] == gone["UID"]
    assert first["SEQUENCE"] < moved["SEQUENCE"] < gone["SEQUENCE"]
    assert (method, gone["STATUS"]) == ("CANCEL", "CANCELLED")
    assert "URL" not in gone
