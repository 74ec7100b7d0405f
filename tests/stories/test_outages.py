"""The whole service is away for longer than a client is waited for: nobody is a no-show for that."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest

from loadtests.ehr import Ehr
from loadtests.participants import Participant
from tests.stories.conftest import Day
from tests.stories.service import Service
from tests.stories.test_hand_off import record_of

NO_SHOW = 0.2
"""Minutes."""
AWAY = 14.0
"""Seconds; longer than that, and longer than a restart takes."""


@pytest.fixture
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    service = Service(tmp_path_factory.mktemp("outage") / "var")
    await service.start()
    yield service
    await service.stop()
    assert "Traceback" not in service.log()


@pytest.fixture
async def day(own: Service) -> AsyncIterator[Day]:
    """A day of a practice that waits for nobody for long."""
    practice = f"practice-{secrets.token_hex(4)}"
    async with Ehr(own.url, own.operator_key, practice) as ehr, httpx.AsyncClient(base_url=own.url) as operator:
        changed = await operator.put(
            f"/v1/practices/{practice}",
            headers={"Authorization": f"Bearer {own.operator_key}"},
            json={
                "name": "Hasty",
                "consent": {"version": "1", "text": "A story."},
                "policies": {"no_show_minutes": NO_SHOW},
            },
        )
        changed.raise_for_status()
        day = Day(ehr, await ehr.provider("dr-rivera", "Dr. Rivera"), [])
        yield day
        for person in day.people:
            await person.close()


async def test_a_service_that_was_away_over_the_no_show_time_calls_nobody_a_no_show(day: Day, own: Service) -> None:
    comes, stays_away = await day.book("ana"), await day.book("ben")

    await own.kill()
    await asyncio.sleep(AWAY)
    await own.start()

    # Whom it kept out may come now, for as long as anybody is waited for.
    ana = Participant(own.url, device="phone")
    day.people.append(ana)
    view = await ana.join(await day.ehr.client_ticket(comes.tokens["ana"]))
    assert view["phase"] == "scheduled"
    await ana.check_in()
    await asyncio.sleep(60 * NO_SHOW)
    record = await record_of(day, stays_away.visit)
    assert [client["outcome"] for client in record["facts"]["clients"]] == ["technical_failure"]
    assert record["facts"]["faults"] == ["outage"]
    assert (await ana.ask("ping"))["type"] == "ok", "who came in the end is waited with"


async def test_without_an_outage_who_does_not_come_is_a_no_show(day: Day) -> None:
    booked = await day.book("ben")

    await asyncio.sleep(60 * NO_SHOW)

    record = await record_of(day, booked.visit)
    assert [client["outcome"] for client in record["facts"]["clients"]] == ["no_show"]
