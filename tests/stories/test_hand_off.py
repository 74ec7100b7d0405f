"""A closed visit's record reaches billing once: in the pull side, and at a webhook that checks signatures."""

from __future__ import annotations

import asyncio

from loadtests.receiver import Receiver
from tests.stories.conftest import Day
from tests.stories.media_peer import MediaPeer, until
from tests.stories.test_end_and_rejoin import in_session


async def record_of(day: Day, visit: str) -> dict[str, object]:
    for _ in range(100):
        for record in await day.records():
            if record["visit"] == visit:
                return record
        await asyncio.sleep(0.1)  # the archiver's own pace; there is nothing to wait for on the wire
    raise AssertionError("no record within 10 s")


async def test_one_visit_with_a_rejoin_is_one_record_with_two_segments(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await client.ask("end", visit=booked.visit)
    await client.ask("rejoin", visit=booked.visit)
    await provider.ask("rejoin", visit=booked.visit)
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)

    record = await record_of(day, booked.visit)

    facts = record["facts"]
    assert record["revision"] == 1
    assert facts["appointment"] == booked.id
    assert len(facts["segments"]) == 2
    assert all(segment["ended_at"] >= segment["started_at"] for segment in facts["segments"])
    (who,) = facts["clients"]
    assert (who["id"], who["outcome"]) == ("ana", "attended")
    assert who["place"] == {"state": "CO", "kind": "home"}
    assert who["consent"]["version"] == "1"
    assert who["privacy"] is True
    assert [r["visit"] for r in await day.records()].count(booked.visit) == 1


async def test_minutes_are_those_in_which_both_were_connected(day: Day) -> None:
    booked, provider, client = await in_session(day)
    async with MediaPeer(provider) as one, MediaPeer(client) as other:
        await one.connect()
        await other.connect()
        await until(lambda: one.frames["video"] > 5 and other.frames["video"] > 5)
        await asyncio.sleep(2)  # something to measure
        await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)

    facts = (await record_of(day, booked.visit))["facts"]

    (segment,) = facts["segments"]
    (who,) = facts["clients"]
    assert 1_500 < who["connected_ms"]["video"] <= segment["ended_at"] - segment["started_at"]


async def test_the_webhook_receives_one_signed_record_and_the_steps_before_it(day: Day) -> None:
    async with Receiver() as receiver:
        events = ["record.created", "client.ready", "visit.started", "visit.ended", "visit.closed"]
        made = await day.ehr.call("PUT", "/v1/webhooks/billing", {"url": receiver.url, "events": events})
        receiver.secret = made["secret"]
        booked, provider, _ = await in_session(day)
        await provider.ask("end", visit=booked.visit)
        await provider.ask("finish", visit=booked.visit)

        await receiver.wait_for("visit.closed")

    assert [body["type"] for body in receiver.bodies] == [
        "client.ready",
        "visit.started",
        "visit.ended",
        "record.created",
        "visit.closed",
    ]
    assert receiver.refused == 0
    record = next(body["data"] for body in receiver.bodies if body["type"] == "record.created")
    assert record["visit"] == booked.visit
    assert record == await record_of(day, booked.visit)


async def test_start_end_and_rejoin_are_in_the_audit_trail(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await client.ask("end", visit=booked.visit)
    await client.ask("rejoin", visit=booked.visit)
    await provider.ask("rejoin", visit=booked.visit)
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    await record_of(day, booked.visit)

    trail = (await day.ehr.call("GET", "/v1/audit?after=0"))["entries"]

    actions = [entry["action"] for entry in trail if entry["target"] == booked.visit]
    assert [a for a in actions if a in ("check_in", "start", "end", "rejoin", "resume", "close")] == [
        "check_in",
        "start",
        "end",
        "rejoin",
        "rejoin",
        "resume",
        "end",
        "close",
    ]
