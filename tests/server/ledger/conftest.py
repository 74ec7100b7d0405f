"""A ledger of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.ledger.ledger import Ledger
from tests.server.ledger.support import AesSealer, fresh_url


@pytest.fixture
async def url(tmp_path: Path) -> str:
    return await fresh_url(tmp_path)


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(url, AesSealer())
    yield opened
    await opened.close()
