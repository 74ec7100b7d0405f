"""In a group, somebody's bad network takes the pictures from them alone; the others go on seeing one another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, Person, eventually, join_urls
from tests.browser.weather import Weather
from tests.stories.service import Service


@pytest_asyncio.fixture
async def weather() -> AsyncIterator[Weather]:
    weather = Weather()
    yield weather
    weather.close()


@pytest.mark.timeout(300)
async def test_a_bad_network_in_a_group_is_nobody_elses_trouble(
    browser: Browser, demo: Service, weather: Weather
) -> None:
    doctor = demo.told["providers"][0]
    (_, name, ana_link), (_, _, ben_link), *_ = join_urls(demo.told, group=True)
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    ana, ben = [await Client.at(browser, demo.url, PHONE) for _ in range(2)]
    await weather.over(ana.page)
    await clinician.sign_in(**doctor["sign_in"])
    await ana.arrive(ana_link)
    await ben.arrive(ben_link)
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Start Session (2 of 3 ready)").click()
    for person in (clinician, ana, ben):
        await pictures(person, 2, missing=0)

    weather.down = 0.35
    await ana.page.locator(".stage-notice").filter(has_text="Your connection is weak").wait_for()
    await pictures(ana, 2, missing=2)
    await ana.sees_and_hears(video=False)
    for person in (clinician, ben):
        await person.page.locator("call-tile .badge").filter(has_text="Weak connection").wait_for()
        await pictures(person, 2, missing=0)
        await person.sees_and_hears()
    assert await clinician.page.locator("call-tile").filter(has_text=name).locator(".badge").count() == 1

    weather.down = 0.0
    await pictures(ana, 2, missing=0, within=90)
    assert await ana.page.locator(".stage-notice").is_hidden()
    assert (clinician.wrong, ana.wrong, ben.wrong) == ([], [], [])


async def pictures(person: Person, others: int, *, missing: int, within: float = 30.0) -> None:
    """Wait until so many others are shown, so many of them without a picture."""

    async def shown() -> bool:
        tiles = person.page.locator("call-tile")
        return await tiles.count() == others and await person.page.locator("call-tile.no-picture").count() == missing

    await eventually(shown, within)
