"""A node that hears nothing from the store for long lets go of those it can do nothing for."""

from __future__ import annotations

import asyncio

import pytest

from server.nodes import blind
from server.nodes.blind import SENT_AWAY_AFTER, is_served, look, watch
from server.running import running
from tests.server.rooms import House
from tests.signaling.people import ANN, BOB, HOST


@pytest.mark.parametrize(("away", "times"), [(0.0, 0), (SENT_AWAY_AFTER - 1, 0), (SENT_AWAY_AFTER, 1)])
def test_it_bears_a_failover_and_sends_nobody_about_for_it(away: float, times: int) -> None:
    sent: list[float] = []

    def send_away() -> int:
        sent.append(away)
        return 2

    look(away, send_away)

    assert len(sent) == times


@pytest.mark.parametrize(
    ("company", "unsure", "served"),
    [(True, False, True), (True, True, True), (False, False, False), (None, False, True), (None, True, False)],
)
async def test_it_is_of_use_to_whoever_is_in_a_session_that_goes_on(
    company: bool | None, unsure: bool, served: bool
) -> None:
    """Carried elsewhere, a session goes on unseen: so those stay who miss nothing."""
    house = House()
    await house.started()
    room = await house.saved()

    for who in (ANN, HOST):
        assert is_served(room, who, serves=lambda visit, participant: company, unsure=unsure) is served


async def test_it_is_of_no_use_to_who_waits_or_whom_it_does_not_know() -> None:
    house = House()
    await house.started()
    room = await house.saved()

    def serves(visit: str, participant: str) -> bool:
        return True

    assert not is_served(room, BOB, serves=serves, unsure=False)
    assert not is_served(None, ANN, serves=serves, unsure=False)


async def test_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind, "LOOK_EVERY", 0.0)
    seen: list[float] = []
    enough = asyncio.Event()

    def away_for() -> float:
        seen.append(10.0 * len(seen))
        return seen[-1]

    def send_away() -> int:
        enough.set()
        return 1

    async with asyncio.timeout(5), running(watch(away_for=away_for, send_away=send_away), "blind"):
        await enough.wait()

    assert seen[:4] == [0.0, 10.0, 20.0, 30.0]
