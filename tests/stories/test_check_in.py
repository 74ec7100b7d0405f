"""A client opens the link, checks in and waits; the provider is told, once."""

from __future__ import annotations

import pytest

from loadtests.participants import Told
from tests.stories.conftest import Day


async def test_the_provider_is_told_at_once_that_a_client_is_ready(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    client = await day.client_in(booked)

    ok = await client.check_in()
    entered = await provider.hear("queue.entered")
    ready = await provider.hear("client.ready")

    assert entered["entry"]["client"] == {"id": "ana", "name": "Client ana"}
    assert entered["entry"]["appointment"] == booked.id
    assert entered["entry"]["rev"] == 1
    assert entered["entry"]["place"] == {"state": "CO", "kind": "home"}
    assert ready["entry"] == entered["entry"]["id"]
    assert ready["version"] == ok["version"]
    assert ready["epoch"] and ready["seq"] and ready["at"]


async def test_nobody_is_told_before_the_client_checks_in(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    client = await day.client_in(booked)

    await provider.ask("ping")

    assert client.view["phase"] == "scheduled"
    assert not provider.heard("queue.entered")
    assert not provider.heard("client.ready")


async def test_a_client_who_checked_in_before_the_provider_came_is_in_the_first_view(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()

    provider = await day.provider_in()

    assert [entry["client"]["id"] for entry in provider.view["waiting"]] == ["ana"]


async def test_without_consent_nobody_waits(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    client = await day.client_in(booked)

    for consent in ({"consent": None}, {"consent": {"version": "0"}}):
        with pytest.raises(Told) as refusal:
            await client.check_in(**consent)
        assert refusal.value.code == "consent_required"

    await provider.ask("sync")
    assert not provider.heard("client.ready")


async def test_checking_in_twice_is_one_arrival(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    client = await day.client_in(booked)

    await client.check_in(key="first")
    await client.check_in(key="first")
    await client.check_in()
    await provider.hear("client.ready")
    await provider.ask("ping")

    assert not provider.heard("client.ready")


async def test_a_client_sees_the_provider_come_and_go(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()
    assert (await client.hear("waiting.changed"))["status"] == "away"

    provider = await day.provider_in()
    assert (await client.hear("waiting.changed"))["status"] == "available"

    await provider.ask("set_status", status="late", minutes=10)
    told = await client.hear("waiting.changed")
    assert (told["status"], told["minutes"]) == ("late", 10)


async def test_words_to_one_waiting_client_reach_no_other(day: Day) -> None:
    one, other = await day.book("ana"), await day.book("ben")
    provider = await day.provider_in()
    ana, ben = await day.client_in(one), await day.client_in(other)
    await ana.check_in()
    await ben.check_in()
    entry = (await provider.hear("queue.entered", lambda m: m["entry"]["client"]["id"] == "ana"))["entry"]["id"]

    await provider.ask("tell_waiting", entry=entry, text="Two minutes more")

    told = await ana.hear("waiting.changed", lambda m: "text" in m)
    assert told["text"] == "Two minutes more"
    assert "seq" not in told and "epoch" not in told
    await ben.ask("ping")
    assert not [m for m in ben.heard("waiting.changed") if "text" in m]
