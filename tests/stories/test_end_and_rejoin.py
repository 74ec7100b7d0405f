"""Either side ends for both; only when both choose it are they connected again; then the visit closes."""

from __future__ import annotations

import pytest

from loadtests.ehr import Booked
from loadtests.participants import Participant, Told
from tests.stories.conftest import Day, at_workers_too

pytestmark = at_workers_too


async def in_session(day: Day) -> tuple[Booked, Participant, Participant]:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await provider.ask("start", appointment=booked.id)
    await client.hear("visit.started")
    await provider.hear("visit.started")
    return booked, provider, client


@pytest.mark.parametrize("who", ["client", "provider"])
async def test_either_side_ends_for_both(day: Day, who: str) -> None:
    booked, provider, client = await in_session(day)

    await (client if who == "client" else provider).ask("end", visit=booked.visit)

    for side in (client, provider):
        ended = await side.hear("visit.ended")
        assert (ended["visit"], ended["by"], ended["reason"]) == (booked.visit, who, "ended")
        assert 14 * 60_000 < ended["rejoin_until"] - ended["at"] <= 15 * 60_000


@pytest.mark.parametrize("first", ["client", "provider"])
async def test_one_side_alone_opens_nothing_and_both_do(day: Day, first: str) -> None:
    booked, provider, client = await in_session(day)
    one, other = (client, provider) if first == "client" else (provider, client)
    await client.ask("end", visit=booked.visit)

    await one.ask("rejoin", visit=booked.visit)
    await one.ask("rejoin", visit=booked.visit)
    for side in (client, provider):
        pending = await side.hear("visit.rejoin_pending")
        assert pending["agreed"] == [first]
        assert not side.heard("visit.resumed")

    await other.ask("rejoin", visit=booked.visit)
    for side in (client, provider):
        resumed = await side.hear("visit.resumed")
        assert (resumed["visit"], resumed["segment"]) == (booked.visit, 2)


async def test_who_withdraws_is_not_taken_back_in(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await client.ask("end", visit=booked.visit)
    await client.ask("rejoin", visit=booked.visit)

    await client.ask("withdraw", visit=booked.visit)
    await provider.ask("rejoin", visit=booked.visit)

    pending = await provider.hear("visit.rejoin_pending", lambda m: m["agreed"] == ["provider"])
    assert pending["visit"] == booked.visit
    assert not client.heard("visit.resumed")


async def test_finish_closes_the_visit_and_the_link(day: Day) -> None:
    booked, provider, client = await in_session(day)
    with pytest.raises(Told) as refusal:
        await provider.ask("finish", visit=booked.visit)
    assert refusal.value.code == "refused"
    await provider.ask("end", visit=booked.visit)

    await provider.ask("finish", visit=booked.visit)

    assert (await provider.hear("visit.closed"))["outcome"] == "attended"
    assert (await client.hear("visit.closed"))["outcome"] == "attended"
    assert await client.closing() == 4510
    answer = await day.ehr.join(next(iter(booked.tokens.values())))
    assert (answer.status_code, answer.json()["code"]) == (404, "bad_link")


async def test_the_next_visit_begins_while_the_last_may_still_be_rejoined(day: Day) -> None:
    booked, provider, client = await in_session(day)
    await provider.ask("end", visit=booked.visit)
    second = await day.book("ben")
    ben = await day.client_in(second)
    await ben.check_in()
    await provider.ask("start", appointment=second.id)

    await client.ask("rejoin", visit=booked.visit)
    with pytest.raises(Told) as refusal:
        await provider.ask("rejoin", visit=booked.visit)

    assert refusal.value.code == "busy"
    await client.ask("ping")
    assert not client.heard("visit.resumed")
