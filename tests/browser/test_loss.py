"""On a network that loses packets pictures go on: what is missing is asked for, and comes again."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.bench_freezes import watch
from tests.browser.people import eventually, in_session
from tests.browser.weather import Weather
from tests.stories.service import Service

WATCHED = 8.0
"""Seconds in which no picture freezes. A machine whose cores are all taken may freeze one, so a few are tried."""
LEAST_FRAMES = 80


async def test_no_picture_freezes_though_every_twentieth_packet_is_lost(browser: Browser, demo: Service) -> None:
    weather = Weather()
    people = await in_session(browser, demo, way=weather)
    weather.up = weather.down = 0.05

    async def smooth() -> bool:
        seen = await watch(people, WATCHED)
        assert all(one.resent > 0 for one in seen), "nothing was lost, or nothing was asked for"
        return all(one.freezes == 0 and one.decoded >= LEAST_FRAMES for one in seen)

    await eventually(smooth, 4 * WATCHED)
    weather.close()
    assert [person.wrong for person in people] == [[], []]


async def test_where_many_are_lost_each_packet_of_the_voice_holds_the_one_before(
    browser: Browser, demo: Service
) -> None:
    """The sender hears of the loss, and adds what was said before (Opus' own): a browser looks for a while first."""
    weather = Weather()
    people = await in_session(browser, demo, way=weather)

    async def spare() -> list[int]:
        return [await person.counted("inbound-rtp", "audio", "fecPacketsReceived") for person in people]

    async def helped() -> bool:
        return all(await spare())

    assert await spare() == [0, 0]
    weather.up = weather.down = 0.12

    await eventually(helped, 90.0)
    weather.close()
    assert [person.wrong for person in people] == [[], []]
