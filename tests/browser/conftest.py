"""A Chromium with fake devices, and a running service with the demo practice of its own for each story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

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


@asynccontextmanager
async def browsing(chromium: str, *more: str) -> AsyncIterator[Browser]:
    """A browser with arguments of its own."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, headless=True, args=[*ARGUMENTS, *more])
        yield running
        await running.close()


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with browsing(chromium) as running:
        yield running


@pytest_asyncio.fixture
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    service = Service(tmp_path_factory.mktemp("demo") / "var")
    async with alive(service):
        yield service
