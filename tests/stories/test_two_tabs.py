"""A link used on two devices: one is active, the other waits for a click, and they do not kick one another."""

from __future__ import annotations

import pytest

from loadtests.participants import Closed
from tests.stories.conftest import Day


async def test_a_second_device_waits_for_a_click_and_the_first_notices_nothing(day: Day) -> None:
    booked = await day.book("ana")
    phone = await day.client_in(booked, device="phone")
    await phone.check_in()

    with pytest.raises(Closed) as closed:
        await day.client_in(booked, device="tablet")

    assert closed.value.code == 4509
    await phone.ask("ping")
    assert not phone.heard("displaced")


async def test_on_the_click_it_takes_over_and_the_older_stays_out(day: Day) -> None:
    booked = await day.book("ana")
    provider = await day.provider_in()
    phone = await day.client_in(booked, device="phone")
    await phone.check_in()
    await provider.hear("client.ready")

    tablet = await day.client_in(booked, device="tablet", takeover=True)

    await phone.hear("displaced")
    assert await phone.closing() == 4509
    assert tablet.view["phase"] == "waiting"
    await provider.ask("ping")
    assert not provider.heard("client.ready")


async def test_a_tab_that_dropped_is_shown_that_another_one_checked_in_meanwhile(day: Day) -> None:
    """Nothing that it missed says so: its own form would stay on the screen."""
    booked = await day.book("ana")
    first = await day.client_in(booked, device="first tab")
    await first.drop()
    second = await day.client_in(booked, device="second tab")
    await second.check_in()
    await second.drop()

    again = day.elsewhere(first, device="first tab")
    welcome = await again.resume(first)

    assert welcome["recovered"] is False
    assert (again.view["phase"], again.view["checked_in"]) == ("waiting", True)


async def test_a_tab_that_checked_in_and_dropped_at_once_has_missed_nothing(day: Day) -> None:
    tab = await day.client_in(await day.book("ana"), device="first tab")
    await tab.check_in()
    await tab.drop()

    assert (await day.elsewhere(tab, device="first tab").resume(tab))["recovered"] is True


async def test_a_reload_of_the_same_device_needs_no_click(day: Day) -> None:
    booked = await day.book("ana")
    before = await day.client_in(booked, device="phone")
    await before.check_in()

    after = await day.client_in(booked, device="phone")

    assert after.view["phase"] == "waiting"
    assert after.view["checked_in"] is True


async def test_a_ticket_is_good_once(day: Day) -> None:
    booked = await day.book("ana")
    ticket = await day.ehr.client_ticket(next(iter(booked.tokens.values())))
    await (first := day.person("phone")).join(ticket)

    with pytest.raises(Closed) as closed:
        await day.person("phone").join(ticket)

    assert closed.value.code == 4500
    await first.ask("ping")
