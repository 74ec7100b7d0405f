"""The whole service is away for longer than a client is waited for: nobody is a no-show for that."""

from __future__ import annotations

import asyncio

import httpx

from tests.stories.conftest import Day
from tests.stories.test_hand_off import record_of

NO_SHOW = 0.1
"""Minutes that are enough to come back in."""
AWAY = 12.0
"""Seconds; longer than that, and longer than a restart takes."""


async def hasty(day: Day, minutes: float) -> None:
    """Let the practice call somebody a no-show after so many minutes."""
    node = day.world.nodes[0]
    async with httpx.AsyncClient(base_url=node.url) as operator:
        changed = await operator.put(
            f"/v1/practices/{day.ehr.practice}",
            headers={"Authorization": f"Bearer {node.operator_key}"},
            json={
                "name": "Hasty",
                "consent": {"version": "1", "text": "A story."},
                "policies": {"no_show_minutes": minutes},
            },
        )
        changed.raise_for_status()


async def test_a_service_that_was_away_over_the_no_show_time_calls_nobody_a_no_show(day: Day) -> None:
    await hasty(day, NO_SHOW)
    comes, stays_away = await day.book("ana"), await day.book("ben")

    await day.world.kill()
    await asyncio.sleep(AWAY)
    await day.world.start()

    # Whom it kept out may come now, for as long as anybody is waited for.
    ana = await day.client_in(comes)
    assert ana.view["phase"] == "scheduled"
    await ana.check_in()
    await asyncio.sleep(60 * NO_SHOW)
    record = await record_of(day, stays_away.visit)
    assert [client["outcome"] for client in record["facts"]["clients"]] == ["technical_failure"]
    assert record["facts"]["faults"] == ["outage"]
    assert (await ana.ask("ping"))["type"] == "ok", "who came in the end is waited with"


async def test_without_an_outage_who_does_not_come_is_a_no_show(day: Day) -> None:
    await hasty(day, 0.02)

    booked = await day.book("ben")

    record = await record_of(day, booked.visit)
    assert [client["outcome"] for client in record["facts"]["clients"]] == ["no_show"]
