"""The whole service is away for longer than a client is waited for: nobody is a no-show for that."""

from __future__ import annotations

import asyncio

import httpx

from tests.stories.conftest import Day
from tests.stories.test_hand_off import record_of
from tests.stories.worlds import Balancer

NO_SHOW = 0.1
"""Minutes that are enough to come back in."""
AWAY = 12.0
"""Seconds; longer than that, and longer than a restart takes."""


async def rules(day: Day, **policies: object) -> None:
    """Give the practice other rules, for appointments that are made from now on."""
    body = {"name": "Hasty", "consent": {"version": "1", "text": "A story."}, "policies": policies}
    headers = {"Authorization": f"Bearer {day.world.operator_key}"}
    async with httpx.AsyncClient(transport=Balancer(day.world.nodes), base_url=day.world.public) as operator:
        changed = await operator.put(f"/v1/practices/{day.ehr.practice}", headers=headers, json=body)
    changed.raise_for_status()


async def test_a_service_that_was_away_over_the_no_show_time_calls_nobody_a_no_show(day: Day) -> None:
    await rules(day, no_show_minutes=NO_SHOW)
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
    await rules(day, no_show_minutes=0.02)

    booked = await day.book("ben")

    record = await record_of(day, booked.visit)
    assert [client["outcome"] for client in record["facts"]["clients"]] == ["no_show"]
