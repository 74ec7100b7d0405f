"""What is over is over at every node, and once at each."""

from __future__ import annotations

import pytest

from server.nodes.errands import Shut
from tests.server.nodes.stage import City, settled

OVER = Shut("sign_in", "abc", 4512)


@pytest.fixture
async def city() -> City:
    return await City().opened()


async def test_it_ends_here_at_once_and_at_the_others_soon(city: City) -> None:
    city.one.many.shutting.everywhere(OVER)
    assert (city.one.shut, city.two.shut) == ([OVER], [])

    await settled()

    assert (city.one.shut, city.two.shut) == ([OVER], [OVER])


async def test_a_node_that_hears_nothing_is_told_again_and_keeps_nobody_waiting(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(city.one.many.errands, "_patience", 0)
    monkeypatch.setattr(city.two.many, "letter", lambda letter: None)

    city.one.many.shutting.everywhere(OVER)
    assert city.one.shut == [OVER]
    for _ in range(5):
        await settled()

    assert city.two.shut == []
    assert "two did not hear that a sign_in is over: Unavailable" in caplog.messages
