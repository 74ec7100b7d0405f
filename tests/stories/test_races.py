"""Two want different things at the same moment: one has it, and the other is told how things are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest

from loadtests.participants import Participant, Told
from tests.stories.conftest import Day
from tests.stories.test_end_and_rejoin import in_session

LOST = {"stale", "refused", "not_found", "not_ready", "busy"}


async def both(*asked: Awaitable[Any]) -> tuple[list[Any], list[Told]]:
    """Ask at once; return what was granted, and what was refused."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Told)]
    granted = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(granted) + len(refused) == len(asked), answers
    assert {one.code for one in refused} <= LOST
    return granted, refused


async def rev_of(provider: Participant, appointment: str) -> int:
    view = await provider.ask("sync")
    return int(next(one["rev"] for one in view["appointments"] if one["id"] == appointment))


async def test_of_two_who_end_for_the_rev_they_saw_one_wins_and_the_other_sees_the_new_one(day: Day) -> None:
    booked, provider, client = await in_session(day)
    rev = await rev_of(provider, booked.id)

    granted, refused = await both(
        provider.ask("end", visit=booked.visit, expect=rev), client.ask("end", visit=booked.visit, expect=rev)
    )

    assert (len(granted), len(refused)) == (1, 1)
    assert refused[0].code == "stale"
    assert refused[0].error["visit"]["phase"] == "ended"
    for person in (provider, client):
        await person.hear("visit.ended")
        await person.ask("ping")
        assert not person.heard("visit.ended")


async def test_a_start_and_a_cancellation_leave_a_visit_or_none(day: Day) -> None:
    for _ in range(3):
        booked = await day.book("ana")
        provider, client = await day.provider_in(), await day.client_in(booked)
        await client.check_in()

        won, _ = await both(provider.ask("start", appointment=booked.id), cancelled(day, booked.id))

        view = await provider.ask("sync")
        live = [visit for visit in view["visits"] if visit["phase"] == "in_progress"]
        assert len([answer for answer in won if answer]) == 1
        if any(answer.get("type") == "ok" for answer in won):
            assert [visit["id"] for visit in live] == [booked.visit]
            await client.hear("visit.started")
            await provider.ask("end", visit=booked.visit)
            await provider.ask("finish", visit=booked.visit)
        else:
            assert live == []
            assert (await client.hear("visit.closed"))["outcome"] in ("cancelled", "late_cancel")
            assert not client.heard("visit.started")


async def cancelled(day: Day, appointment: str) -> dict[str, Any]:
    """Cancel; nothing is returned if the visit was faster."""
    try:
        return dict(await day.ehr.call("POST", f"/v1/appointments/{appointment}/cancel", {}))
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 409
        return {}


@pytest.mark.parametrize("other", ["leave", "remove"])
async def test_an_admission_and_a_departure_leave_the_client_in_or_out(day: Day, other: str) -> None:
    booked = await day.book("ana", "ben", group=True)
    provider = await day.provider_in()
    ana, ben = await day.client_in(booked, "ana"), await day.client_in(booked, "ben")
    await ana.check_in()
    await provider.ask("start", appointment=booked.id)
    await ben.check_in()
    (waits,) = (await provider.ask("sync"))["waiting"]
    second = await day.provider_in("another-laptop")

    goes = ben.ask("leave") if other == "leave" else second.ask("remove", entry=waits["id"])
    await both(provider.ask("admit", entry=waits["id"]), goes)

    view = await provider.ask("sync")
    assert view["waiting"] == []
    (seat,) = [c["seat"] for a in view["appointments"] for c in a["clients"] if c["id"] == "ben"]
    assert seat in (("in", "out") if other == "leave" else ("in", "removed"))
    shown = [one for visit in view["visits"] for one in visit["participants"] if one.get("client") == "ben"]
    assert bool(shown) is (seat == "in")


async def test_an_end_and_a_leave_end_one_segment_once(day: Day) -> None:
    booked, provider, client = await in_session(day)

    granted, _ = await both(provider.ask("end", visit=booked.visit), client.ask("leave"))

    assert len(granted) == 1
    (visit,) = (await provider.ask("sync"))["visits"]
    assert (visit["phase"], visit["segment"]) == ("ended", 1)


async def test_the_same_click_sent_again_and_again_is_one_click(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()

    replies = await asyncio.gather(*(provider.ask("start", appointment=booked.id, key="k1") for _ in range(5)))

    assert {(reply["visit"], reply["rev"]) for reply in replies} == {(booked.visit, 2)}
    with pytest.raises(Told) as reused:
        await provider.ask("end", visit=booked.visit, key="k1")
    assert reused.value.code == "key_reused"
    await client.hear("visit.started")
    await client.ask("ping")
    assert not client.heard("visit.started")
