"""A client is ready, and the provider will know: on each device, after a reload, after a node died, until seen."""

from __future__ import annotations

import asyncio

from loadtests.participants import Participant
from loadtests.receiver import Receiver
from tests.stories.conftest import Day, at_two_nodes
from tests.stories.practice_rules import rules
from tests.stories.test_co_provider import co_provider_in

MANY = 6


async def arrivals(person: Participant, count: int) -> list[str]:
    """Return the entries of so many notices, in order; one more among those that came by now is a fault."""
    entries = [(await person.hear("client.ready"))["entry"] for _ in range(count)]
    await person.ask("ping")
    assert not person.heard("client.ready")
    return entries


async def unacknowledged(person: Participant) -> list[str]:
    """Return the entries that a page which asks for everything would ring for."""
    return [entry["id"] for entry in (await person.ask("sync"))["waiting"] if not entry["acknowledged"]]


async def test_several_clients_at_once_ring_once_each_on_every_device(day: Day) -> None:
    booked = [await day.book(f"client-{number}") for number in range(MANY)]
    laptop, tablet = await day.provider_in("laptop"), await day.provider_in("tablet")
    clients = [await day.client_in(one) for one in booked]

    await asyncio.gather(*(client.check_in() for client in clients))
    at_laptop, at_tablet = await arrivals(laptop, MANY), await arrivals(tablet, MANY)

    assert at_laptop == at_tablet
    assert len(set(at_laptop)) == MANY
    assert sorted(await unacknowledged(tablet)) == sorted(at_laptop)


async def test_a_notice_that_is_answered_on_one_device_is_answered_on_all_and_the_others_still_ring(day: Day) -> None:
    ana, ben = await day.client_in(await day.book("ana")), await day.client_in(await day.book("ben"))
    laptop, tablet = await day.provider_in("laptop"), await day.provider_in("tablet")
    await ana.check_in()
    await ben.check_in()
    first, second = await arrivals(laptop, 2)

    await laptop.ask("acknowledge", entry=first)
    told = await tablet.hear("queue.changed", lambda m: m["entry"]["acknowledged"])

    assert told["entry"]["id"] == first
    assert await unacknowledged(tablet) == await unacknowledged(laptop) == [second]


async def test_a_notice_is_there_after_a_reload_until_it_is_answered(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))
    before = await day.provider_in()
    await client.check_in()
    (entry,) = await arrivals(before, 1)

    await before.drop()
    after = day.elsewhere(before, "laptop")
    await after.join(await day.ehr.provider_ticket(day.provider))
    shown = await unacknowledged(after)
    await after.ask("acknowledge", entry=entry)
    await after.drop()
    again = day.elsewhere(after, "laptop")
    await again.join(await day.ehr.provider_ticket(day.provider))

    assert shown == [entry]
    assert await unacknowledged(again) == []
    assert not again.heard("client.ready")


async def test_who_became_ready_while_the_provider_was_away_is_told_when_they_are_back(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))
    before = await day.provider_in()
    await before.drop()
    await client.check_in()

    again = day.elsewhere(before, "laptop")
    welcome = await again.resume(before)

    assert welcome["recovered"] is True
    assert await arrivals(again, 1) == await unacknowledged(again)


@at_two_nodes
async def test_a_notice_outlives_the_node_of_the_client(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    (entry,) = await arrivals(provider, 1)

    await day.node_of(client).kill()
    await client.closing()
    tablet = day.elsewhere(client, "tablet")
    await tablet.join(await day.ehr.provider_ticket(day.provider))
    back = day.elsewhere(client)
    await back.resume(client)

    assert await unacknowledged(tablet) == await unacknowledged(provider) == [entry]
    assert not provider.heard("client.ready")
    await tablet.ask("start", appointment=booked.id)
    await back.hear("visit.started")


@at_two_nodes
async def test_a_notice_outlives_the_node_of_the_provider_and_one_that_came_meanwhile_is_told(day: Day) -> None:
    provider = await day.provider_in()
    ana, ben = [day.person("phone", node=day.places[provider] + 1) for _ in range(2)]
    for person, name in ((ana, "ana"), (ben, "ben")):
        await person.join(await day.ehr.client_ticket((await day.book(name)).tokens[name]))
    await ana.check_in()
    (known,) = await arrivals(provider, 1)

    await day.node_of(provider).kill()
    await provider.closing()
    await ben.check_in()
    again = day.elsewhere(provider, "laptop")
    welcome = await again.resume(provider)

    assert welcome["recovered"] is True
    (news,) = await arrivals(again, 1)
    assert sorted(await unacknowledged(again)) == sorted([known, news])


@at_two_nodes
async def test_a_co_provider_and_the_host_are_both_told_and_keep_the_notice_when_a_node_dies(day: Day) -> None:
    both = [day.provider, await day.ehr.provider("dr-sato", "Dr. Sato")]
    shared = await day.book("ana", "ben", providers=both, group=True)
    host, co = await day.provider_in(), await co_provider_in(day)
    ana, ben = await day.client_in(shared, "ana"), await day.client_in(shared, "ben")
    await asyncio.gather(ana.check_in(), ben.check_in())
    at_host, at_co = await arrivals(host, 2), await arrivals(co, 2)

    await day.node_of(co).kill()
    await co.closing()
    again = day.elsewhere(co, "co-laptop")
    welcome = await again.resume(co)

    assert at_host == at_co
    assert welcome["recovered"] is True
    assert sorted(await unacknowledged(again)) == sorted(await unacknowledged(host)) == sorted(at_host)
    await again.ask("acknowledge", entry=at_host[0])
    await host.hear("queue.changed", lambda m: m["entry"]["acknowledged"])
    assert await unacknowledged(host) == [at_host[1]]


async def test_the_practice_hears_of_a_notice_that_nobody_answers_and_of_no_other(day: Day) -> None:
    await rules(day, unanswered_minutes=0.1)
    async with Receiver() as receiver:
        events = ["client.ready", "notice.unanswered"]
        made = await day.ehr.call("PUT", "/v1/webhooks/desk", {"url": receiver.url, "events": events})
        receiver.secret = made["secret"]
        first, second = await day.book("ana"), await day.book("ben")
        provider = await day.provider_in()
        ana, ben = await day.client_in(first), await day.client_in(second)
        await ana.check_in()
        (answered,) = await arrivals(provider, 1)
        await provider.ask("acknowledge", entry=answered)
        await ben.check_in()
        (rings,) = await arrivals(provider, 1)

        await receiver.wait_for("notice.unanswered")

    told = [body["data"] for body in receiver.bodies if body["type"] == "notice.unanswered"]
    assert told == [{"entry": rings, "visit": second.visit}]
    assert await unacknowledged(provider) == [rings], "it rings on"
