"""Browsers with fake devices, and a running service with the demo practice of its own for each story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from tests.stories.service import Service
from tests.stories.worlds import alive

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
PREFERENCES: dict[str, str | float | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # Without H264 of a stranger's server, and without other questions to the world.
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


async def open_chromium(playwright: Playwright, path: str, *more: str) -> Browser:
    """Start a Chromium."""
    return await playwright.chromium.launch(executable_path=path, headless=True, args=[*ARGUMENTS, *more])


async def open_firefox(playwright: Playwright, path: str) -> Browser:
    """Start a Firefox: the system's own, by its own remote protocol."""
    return await playwright.firefox.launch(
        channel="moz-firefox", executable_path=path, headless=True, firefox_user_prefs=PREFERENCES
    )


@asynccontextmanager
async def browsing(chromium: str, *more: str) -> AsyncIterator[Browser]:
    """A browser with arguments of its own."""
    async with async_playwright() as playwright:
        running = await open_chromium(playwright, chromium, *more)
        yield running
        await running.close()


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with browsing(chromium) as running:
        yield running


@pytest_asyncio.fixture
async def browsers(chromium: str, firefox: str, request: pytest.FixtureRequest) -> AsyncIterator[list[Browser]]:
    """The client's and the provider's."""
    opening = {"chromium": (open_chromium, chromium), "firefox": (open_firefox, firefox)}
    async with async_playwright() as playwright:
        running: dict[str, Browser] = {}
        for name in set(request.param):
            start, path = opening[name]
            running[name] = await start(playwright, path)
        yield [running[name] for name in request.param]
        for one in running.values():
            await one.close()


@pytest_asyncio.fixture
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    service = Service(tmp_path_factory.mktemp("demo") / "var")
    async with alive(service):
        yield service
