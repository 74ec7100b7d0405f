"""Who is not heard of for seconds is shown as reconnecting, and not as gone; and as they were when they are back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.conftest import browsing
from tests.browser.people import eventually, in_session
from tests.stories.service import Service


@pytest_asyncio.fixture
async def other_browser(chromium: str) -> AsyncIterator[Browser]:
    async with browsing(chromium) as running:
        yield running


async def renderers(browser: Browser) -> list[int]:
    """Return the processes that run the browser's pages."""
    session = await browser.new_browser_cdp_session()
    found = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    return [int(process["id"]) for process in found["processInfo"] if process["type"] == "renderer"]


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Processes that do nothing until the end of the block, as in a lift or under a lid that was closed."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_client_who_is_not_heard_of_is_shown_as_reconnecting_and_then_as_before(
    browser: Browser, other_browser: Browser, demo: Service
) -> None:
    client, clinician = await in_session(browser, demo, clients=other_browser)
    tile = clinician.page.locator("call-tile")
    badge = tile.locator(".badge").filter(has_text="Reconnecting")
    picture = tile.locator("video")
    assert await badge.count() == 0

    with frozen(await renderers(other_browser)):
        began = time.monotonic()
        await badge.wait_for()
        shown = time.monotonic() - began
        assert not await picture.is_visible()
        await clinician.page.get_by_text("is being reconnected").wait_for()
        assert await clinician.page.get_by_text("has ended").count() == 0
    await eventually(lambda: picture.is_visible())

    assert 2.5 < shown < 7.0, "three seconds, and a look each half second; these machines are slow at times"
    await badge.wait_for(state="detached")
    for person in (client, clinician):
        await person.sees_and_hears()


async def test_a_dropped_socket_alone_takes_no_picture_away(browser: Browser, demo: Service) -> None:
    sockets = """{
      const Whole = WebSocket;
      globalThis.sockets = [];
      globalThis.WebSocket = class extends Whole {
        constructor(...how) {
          if (globalThis.cut) how[0] = "ws://127.0.0.1:1/";
          super(...how);
          globalThis.sockets.push(this);
        }
      };
    }"""
    client, clinician = await in_session(browser, demo, script=sockets)
    tile = clinician.page.locator("call-tile")
    badge = tile.locator(".badge").filter(has_text="Reconnecting")
    before = await clinician.decoded()

    await client.page.evaluate("globalThis.cut = true; globalThis.sockets.forEach((one) => one.close());")
    await badge.wait_for()
    assert await tile.locator("video").is_visible()

    async def goes_on() -> bool:
        return (await clinician.decoded())["video"] > before["video"] + 30

    await eventually(goes_on)
    assert await badge.count() == 1
    await client.page.evaluate("globalThis.cut = false;")
    await badge.wait_for(state="detached")
    assert clinician.wrong == []
