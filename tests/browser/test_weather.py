"""On a bad network the picture gives way and the voice goes on; both are told, and it comes back by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import Person, end, eventually, in_session, join_urls, records
from tests.browser.weather import Weather
from tests.stories.service import Service

WITHHELD_WITHIN = 15
"""Seconds: 4 to 7 of bad signs, reports each second, and a machine that is busy."""
BACK_WITHIN = 45
"""10 s without bad signs, of which one may come 7.5 s late, and 5 s of trying."""


@pytest_asyncio.fixture
async def weather() -> AsyncIterator[Weather]:
    weather = Weather()
    yield weather
    weather.close()


@pytest.mark.timeout(300)
async def test_the_voice_goes_on_where_the_network_carries_no_picture(
    browser: Browser, demo: Service, weather: Weather
) -> None:
    client, clinician = await in_session(browser, demo, way=weather)
    doctor = demo.told["providers"][0]["id"]
    name = next(name for provider, name, _ in join_urls(demo.told) if provider == doctor)

    weather.down = 0.3
    await notice(client, "Your connection is weak: sound only until it is better.", WITHHELD_WITHIN)
    await notice(clinician, f"{name}'s connection is weak. They hear you.", 2)
    await client.page.locator("call-tile.no-picture").wait_for()
    before = await client.decoded()
    await client.sees_and_hears(video=False)
    assert (await client.decoded())["video"] == before["video"], "no picture of the other goes there"
    await clinician.sees_and_hears()  # the way to the clinician is good
    assert await clinician.page.locator("call-tile.no-picture").count() == 0

    weather.down = 0.0
    await no_notice(client, BACK_WITHIN)
    await no_notice(clinician, 2)
    for person in (client, clinician):
        await person.sees_and_hears()
    assert await client.page.locator("call-tile.no-picture").count() == 0

    await end(clinician)
    await clinician.click("Finish Session")
    await clinician.screen("room")
    (record,) = await records(demo)
    (told,) = record["facts"]["clients"]
    (span,) = told["audio_only"]
    assert (span["reason"], span["said_by"]) == ("bandwidth", "server")
    assert 10_000 < span["to"] - span["from"] <= told["connected_ms"]["audio"]
    assert told["connected_ms"]["video"] > 5_000
    assert (span["from"], span["to"], "audio") in [(i["from"], i["to"], i["modality"]) for i in told["intervals"]]
    assert (client.wrong, clinician.wrong) == ([], [])


async def notice(person: Person, text: str, within: float) -> None:
    """Wait until a notice is shown."""
    await person.page.locator(".stage-notice").filter(has_text=text).wait_for(timeout=1000 * within)


async def no_notice(person: Person, within: float) -> None:
    """Wait until no notice is shown."""

    async def gone() -> bool:
        return await person.page.locator(".stage-notice").is_hidden()

    await eventually(gone, within)
