"""Waiting: honest words, a kept place, a door that opens and closes in time, and nobody who waits for ever."""

from __future__ import annotations

import asyncio
import time

import pytest

from loadtests.participants import Told
from tests.stories.conftest import Day
from tests.stories.practice_rules import rules
from tests.stories.test_hand_off import record_of

MINUTE = 60_000


async def test_who_steps_away_keeps_the_place(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    entry = (await provider.hear("queue.entered"))["entry"]

    await client.ask("step_away")
    away = (await provider.hear("queue.changed", lambda m: m["entry"]["away"]))["entry"]
    await client.ask("come_back")
    back = (await provider.hear("queue.changed", lambda m: not m["entry"]["away"]))["entry"]

    assert (away["id"], away["since"]) == (back["id"], back["since"]) == (entry["id"], entry["since"])
    await provider.ask("ping")
    assert len(provider.heard("client.ready")) == 1


async def test_those_who_wait_are_told_how_the_provider_is_and_of_nobody_else(day: Day) -> None:
    await rules(day, away_seconds=0.5)
    live, later = await day.book("ana"), await day.book("ben")
    provider, ana, ben = await day.provider_in(), await day.client_in(live), await day.client_in(later)
    await ben.check_in()
    assert (await ben.hear("waiting.changed"))["status"] == "available"

    await provider.ask("set_status", status="late", minutes=10)
    late = await ben.hear("waiting.changed", lambda m: m["status"] == "late")
    assert late["minutes"] == 10
    await provider.ask("set_status", status="available")
    await ben.hear("waiting.changed", lambda m: m["status"] == "available")
    await ana.check_in()
    await provider.ask("start", appointment=live.id)
    await ben.hear("waiting.changed", lambda m: m["status"] == "with_someone")
    await provider.ask("end", visit=live.visit)
    await ben.hear("waiting.changed", lambda m: m["status"] == "available")
    await provider.drop()
    await ben.hear("waiting.changed", lambda m: m["status"] == "away")
    again = await day.provider_in()
    back = await ben.hear("waiting.changed", lambda m: m["status"] == "available")

    assert "ahead" not in back
    assert set(back) - {"_at"} == {"type", "epoch", "seq", "at", "version", "status"}
    assert [entry["client"]["id"] for entry in again.view["waiting"]] == ["ben"]


async def test_a_place_in_line_is_shown_only_where_the_practice_says_so(day: Day) -> None:
    hidden = await day.client_in(await day.book("ana"))
    await hidden.check_in()
    await rules(day, show_position=True)
    first, second = await day.client_in(await day.book("ben")), await day.client_in(await day.book("eva"))
    await first.check_in()
    await second.check_in()

    shown = await second.hear("waiting.changed", lambda m: "ahead" in m)
    await first.ask("leave")
    moved = await second.hear("waiting.changed", lambda m: m.get("ahead", 9) < shown["ahead"])

    assert moved["ahead"] == shown["ahead"] - 1
    assert "ahead" not in await hidden.ask("sync")
    assert all("ahead" not in told for told in hidden.heard("waiting.changed"))


async def test_who_dropped_has_the_place_for_the_grace_and_a_new_one_by_the_link(day: Day) -> None:
    await rules(day, grace_minutes=0.03)
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await provider.hear("client.ready")

    await client.drop()
    assert (await provider.hear("queue.left"))["reason"] == "gone"
    again = await day.client_in(booked)

    assert again.view["phase"] == "scheduled"
    await again.check_in()
    await provider.hear("client.ready")


async def test_nobody_checks_in_long_before_the_start_or_after_the_end(day: Day) -> None:
    now = int(time.time() * 1000)
    early = await day.client_in(await day.book("ana", start=now + 8 * 60 * MINUTE))

    with pytest.raises(Told) as refused:
        await early.check_in()

    assert refused.value.code == "refused"
    assert early.view["appointment"]["opens"] > now


async def test_who_waits_in_vain_is_let_go_in_the_end_and_it_was_not_their_fault(day: Day) -> None:
    await rules(day, waiting_limit_minutes=0.1, no_show_minutes=0.1)
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()

    assert (await client.hear("visit.closed"))["outcome"] == "provider_absent"
    assert await client.closing() == 4510
    facts = (await record_of(day, booked.visit))["facts"]
    assert [one["outcome"] for one in facts["clients"]] == ["provider_absent"]
    assert facts["segments"] == []


async def test_who_waits_for_a_group_that_goes_on_without_them_is_let_go_alone(day: Day) -> None:
    await rules(day, waiting_limit_minutes=0.1, no_show_minutes=0.1)
    booked = await day.book("ana", "ben", group=True)
    provider = await day.provider_in()
    ana, ben = await day.client_in(booked, "ana"), await day.client_in(booked, "ben")
    await ana.check_in()
    await provider.ask("start", appointment=booked.id)
    await ben.check_in()

    assert (await ben.hear("visit.closed"))["outcome"] == "provider_absent"
    assert await ben.closing() == 4510
    await asyncio.sleep(0)
    assert (await ana.ask("sync"))["phase"] == "in_progress"
    assert not ana.heard("visit.closed")
