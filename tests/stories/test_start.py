"""The provider clicks Start Session: exactly that appointment's client is let in."""

from __future__ import annotations

import asyncio
import json

import pytest

from loadtests.participants import Told
from tests.stories.conftest import Day, at_workers_too

pytestmark = at_workers_too


async def test_start_lets_the_client_in_and_tells_both(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    rev = (await provider.hear("queue.entered"))["entry"]["rev"]

    ok = await provider.ask("start", appointment=booked.id, expect=rev)
    at_client, at_provider = await client.hear("visit.started"), await provider.hear("visit.started")

    assert ok["visit"] == at_client["visit"] == at_provider["visit"] == booked.visit
    assert ok["rev"] == rev + 1
    for started in (at_client, at_provider):
        assert started["segment"] == 1
        assert started["appointment"] == booked.id
        assert sorted(p["role"] for p in started["participants"]) == ["client", "provider"]
        assert started["ice_servers"] == []


async def test_another_client_who_waits_stays_out_and_receives_nothing_of_the_visit(day: Day) -> None:
    first, second = await day.book("ana"), await day.book("ben")
    provider = await day.provider_in()
    ana, ben = await day.client_in(first), await day.client_in(second)
    await ana.check_in()
    await ben.check_in()

    await provider.ask("start", appointment=first.id)
    await ana.hear("visit.started")
    await ana.ask("end", visit=first.visit)
    await ana.hear("visit.ended")
    view = await ben.ask("sync")

    assert {m["type"] for m in ben.heard()} <= {"waiting.changed"}
    assert view["phase"] == "waiting"
    assert "participants" not in view and "ice_servers" not in view
    told = json.dumps([ben.view, view, *ben.heard()])
    assert "ana" not in told and first.visit not in told and first.id not in told


async def test_of_two_clicks_on_start_one_wins(day: Day) -> None:
    booked = await day.book("ana")
    provider, tablet = await day.provider_in("laptop"), await day.provider_in("tablet")
    client = await day.client_in(booked)
    await client.check_in()

    answers = await asyncio.gather(
        provider.ask("start", appointment=booked.id, expect=1),
        tablet.ask("start", appointment=booked.id, expect=1),
        return_exceptions=True,
    )

    refusals = [answer for answer in answers if isinstance(answer, Told)]
    assert [refusal.code for refusal in refusals] == ["stale"]
    assert refusals[0].error["visit"]["rev"] == 2
    await client.hear("visit.started")
    await client.ask("ping")
    assert not client.heard("visit.started")


async def test_start_needs_somebody_who_waits(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    await day.client_in(booked)

    with pytest.raises(Told) as refusal:
        await provider.ask("start", appointment=booked.id)

    assert refusal.value.code == "not_ready"


async def test_a_second_start_is_busy_while_a_visit_is_in_progress(day: Day) -> None:
    first, second = await day.book("ana"), await day.book("ben")
    provider = await day.provider_in()
    ana, ben = await day.client_in(first), await day.client_in(second)
    await ana.check_in()
    await ben.check_in()
    await provider.ask("start", appointment=first.id)

    with pytest.raises(Told) as refusal:
        await provider.ask("start", appointment=second.id)

    assert refusal.value.code == "busy"


async def test_the_same_key_gets_the_stored_reply_and_has_one_effect(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()

    first = await provider.ask("start", appointment=booked.id, key="start-1")
    again = await provider.ask("start", appointment=booked.id, key="start-1")
    with pytest.raises(Told) as refusal:
        await provider.ask("start", appointment=booked.id, expect=7, key="start-1")

    assert {k: v for k, v in first.items() if k not in ("re", "_at")} == {
        k: v for k, v in again.items() if k not in ("re", "_at")
    }
    assert refusal.value.code == "key_reused"
    await client.hear("visit.started")
    assert not client.heard("visit.started")


@pytest.mark.parametrize("type", ["start", "admit", "acknowledge", "set_status", "finish", "tell_waiting", "remove"])
async def test_a_client_may_not_send_what_is_the_providers(day: Day, type: str) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()
    fields = {"appointment": booked.id, "entry": "ent_x", "status": "available", "visit": booked.visit, "text": "x"}

    with pytest.raises(Told) as refusal:
        await client.ask(type, **fields)

    assert refusal.value.code == "forbidden"


async def test_a_walk_in_is_shown_apart_and_started_by_its_entry(day: Day) -> None:
    provider = await day.provider_in()
    walk_in = await day.walk_in("Robin")
    await walk_in.check_in(display_name="Robin")
    entry = (await provider.hear("queue.entered"))["entry"]
    assert entry["verified"] is False
    assert "appointment" not in entry

    await provider.ask("start", entry=entry["id"])

    assert (await walk_in.hear("visit.started"))["segment"] == 1
