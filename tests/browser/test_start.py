"""Start opens the gate of connections that were there before, and before it nothing was sent on them."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.far import Far
from tests.browser.starting import Starting
from tests.stories.service import Service


async def test_whoever_waits_is_connected_before_the_start_and_sends_nothing_until_then(
    browser: Browser, demo: Service
) -> None:
    starting = Starting(browser, demo, demo.url)

    starts = [await starting.start(warm=warm) for warm in (True, False, True)]

    assert [(one.before, one.used) for one in starts] == [(0, True), (0, False), (0, True)]


async def test_so_it_is_where_the_service_is_far_away(browser: Browser, demo: Service) -> None:
    far = Far(0.025)

    start = await Starting(browser, demo, demo.url, far).start(warm=True)
    far.close()

    assert (start.before, start.used) == (0, True)
    assert min(start.client, start.provider) > 50, "there and back, at least"
