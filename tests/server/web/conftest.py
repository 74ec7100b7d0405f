"""What every test of the WebSocket side may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.server.web.stage import Node, World, served


@pytest_asyncio.fixture
async def node() -> AsyncIterator[Node]:
    """One node, with a world of its own."""
    async with served(World()) as node:
        yield node
