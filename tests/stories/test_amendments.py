"""A closed visit's outcome was wrong: billing gets another revision, and the first one stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loadtests.receiver import Receiver
from tests.stories.conftest import Day
from tests.stories.test_end_and_rejoin import in_session
from tests.stories.test_hand_off import record_of


async def amend(day: Day, visit: str, **body: Any) -> dict[str, Any]:
    answer = await day.ehr.call("POST", f"/v1/visits/{visit}/amendments", body)
    return dict(answer["record"])


async def revisions(day: Day, visit: str, count: int) -> list[dict[str, Any]]:
    for _ in range(100):
        found = [record for record in await day.records() if record["visit"] == visit]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.1)  # the archiver's own pace; there is nothing to wait for on the wire
    raise AssertionError("no further revision within 10 s")


async def closed_visit(day: Day) -> str:
    booked, provider, _ = await in_session(day)
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    await record_of(day, booked.visit)
    return booked.visit


async def test_an_amendment_is_a_further_revision_and_the_first_one_stays(day: Day) -> None:
    visit = await closed_visit(day)

    said = await amend(day, visit, reason="came late", outcomes=[{"client": "ana", "outcome": "late_arrival"}])
    first, second = await revisions(day, visit, 2)
    latest = (await day.ehr.call("GET", f"/v1/visits/{visit}/record"))["record"]

    assert [first["revision"], second["revision"]] == [1, 2]
    assert first["id"] == second["id"]
    assert first["facts"]["clients"][0]["outcome"] == "attended"
    assert second["facts"]["clients"][0]["outcome"] == "late_arrival"
    assert second["facts"]["segments"] == first["facts"]["segments"]
    assert second["amendment"]["reason"] == "came late"
    assert said == second == latest


async def test_two_amendments_in_one_breath_are_both_kept_in_order(day: Day) -> None:
    visit = await closed_visit(day)

    await amend(day, visit, reason="one", outcomes=[{"client": "ana", "outcome": "left_early"}])
    await amend(day, visit, reason="two", outcomes=[{"client": "ana", "outcome": "attended", "service_code": None}])
    found = await revisions(day, visit, 3)

    assert [record["revision"] for record in found] == [1, 2, 3]
    assert [record["facts"]["clients"][0]["outcome"] for record in found] == ["attended", "left_early", "attended"]
    assert [record["facts"]["clients"][0]["no_fee"] for record in found] == [False, False, True]
    assert "no_fee" in found[-1]["proposals"]["clients"][0]["flags"]


async def test_billing_is_told_and_the_trail_says_who_did_it(day: Day) -> None:
    async with Receiver() as receiver:
        body = {"url": receiver.url, "events": ["record.created", "record.amended"]}
        receiver.secret = (await day.ehr.call("PUT", "/v1/webhooks/billing", body))["secret"]
        visit = await closed_visit(day)
        said = await amend(day, visit, reason="came late", outcomes=[{"client": "ana", "outcome": "late_arrival"}])
        await receiver.wait_for("record.amended")

    assert [told["type"] for told in receiver.bodies] == ["record.created", "record.amended"]
    assert receiver.bodies[1]["data"] == said
    trail = (await day.ehr.call("GET", "/v1/audit?limit=500"))["entries"]
    (mine,) = [entry for entry in trail if entry["action"] == "visit.amended"]
    assert (mine["target"], mine["detail"]) == (visit, "2")
    assert mine["by"].startswith("key_")


async def test_what_is_not_closed_cannot_be_amended(day: Day) -> None:
    booked, _, _ = await in_session(day)

    with pytest.raises(Exception, match="409"):
        await amend(day, booked.visit, reason="too soon")
    with pytest.raises(Exception, match="404"):
        await amend(day, "vis_unknown", reason="no such visit")


async def test_an_amendment_has_a_reason_and_names_clients_of_the_visit(day: Day) -> None:
    visit = await closed_visit(day)

    for body in (
        {"outcomes": []},
        {"reason": ""},
        {"reason": "x", "outcomes": [{"client": "zoe", "outcome": "attended"}]},
        {"reason": "x", "outcomes": [{"client": "ana", "outcome": "vanished"}]},
        {"reason": "x", "outcomes": [{"client": "ana", "outcome": "attended"}] * 2},
    ):
        with pytest.raises(Exception, match="422"):
            await amend(day, visit, **body)
