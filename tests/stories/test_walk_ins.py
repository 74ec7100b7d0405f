"""Somebody without a link: shown apart, matched by a provider's click and by nothing else, and known again."""

from __future__ import annotations

import json

import httpx
import pytest

from loadtests.participants import Closed, Participant, Told
from tests.stories.conftest import Day
from tests.stories.test_hand_off import record_of
from tests.stories.worlds import Balancer


def browser(day: Day) -> httpx.AsyncClient:
    """A browser of its own: it keeps its cookies, and loads its page from whichever node."""
    transport = Balancer(day.world.nodes)
    return httpx.AsyncClient(base_url=day.world.public, transport=transport, headers={"Origin": day.world.public})


async def knock(day: Day, page: httpx.AsyncClient, name: str, device: str = "page") -> Participant:
    body = {"practice": day.ehr.practice, "provider": day.provider, "display_name": name}
    knocked = await page.post("/v1/knock", json=body)
    knocked.raise_for_status()
    for name, value in knocked.cookies.items():  # by hand: the balancer's nodes are other hosts to the cookie jar
        page.headers["Cookie"] = f"{name}={value}"
    person = day.person(device)
    await person.join(knocked.json()["ticket"])
    return person


async def test_even_the_same_name_is_matched_by_nobody_but_the_provider(day: Day) -> None:
    booked = await day.book("ana")
    provider, stranger = await day.provider_in(), await day.walk_in("Client ana")
    await stranger.check_in(display_name="Client ana")
    entry = (await provider.hear("queue.entered"))["entry"]
    view = await provider.ask("sync")

    assert entry["verified"] is False
    assert "appointment" not in entry
    assert [one["id"] for one in view["unverified"]] == [entry["id"]]
    assert view["waiting"] == []
    with pytest.raises(Told) as nobody:
        await provider.ask("start", appointment=booked.id)
    assert nobody.value.code == "not_ready"
    assert "appointment" not in stranger.view

    await provider.ask("start", entry=entry["id"], appointment=booked.id)
    assert (await stranger.hear("visit.started"))["visit"] == booked.visit
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    (client,) = (await record_of(day, booked.visit))["facts"]["clients"]
    assert (client["id"], client["identity"], client["outcome"]) == ("ana", "matched", "attended")


async def test_a_walk_in_who_reloads_the_page_keeps_the_place(day: Day) -> None:
    provider = await day.provider_in()
    async with browser(day) as page:
        before = await knock(day, page, "Cleo")
        await before.check_in(display_name="Cleo")
        entry = (await provider.hear("queue.entered"))["entry"]
        await provider.hear("client.ready")
        await before.close()

        after = await knock(day, page, "Cleo")

    assert after.view["phase"] == "waiting"
    (waits,) = (await provider.ask("sync"))["unverified"]
    assert (waits["id"], waits["since"]) == (entry["id"], entry["since"])
    assert not provider.heard("client.ready")
    await provider.ask("start", entry=entry["id"])
    await after.hear("visit.started")


async def test_another_person_at_the_same_browser_is_somebody_else(day: Day) -> None:
    provider = await day.provider_in()
    async with browser(day) as page:
        cleo = await knock(day, page, "Cleo")
        await cleo.check_in(display_name="Cleo")
        dara = await knock(day, page, "Dara", device="another")

    assert dara.view["phase"] == "scheduled"
    assert "Cleo" not in json.dumps(dara.view)
    await dara.check_in(display_name="Dara")
    assert len((await provider.ask("sync"))["unverified"]) == 2
    assert not cleo.heard("displaced")


async def test_who_comes_by_the_link_of_a_seat_that_was_given_away_takes_it_by_a_click(day: Day) -> None:
    booked = await day.book("ana")
    provider, stranger = await day.provider_in(), await day.walk_in("Cleo Canary")
    await stranger.check_in(display_name="Cleo Canary")
    entry = (await provider.hear("queue.entered"))["entry"]
    await provider.ask("start", entry=entry["id"], appointment=booked.id)
    await stranger.hear("visit.started")

    with pytest.raises(Closed) as waits:
        await day.client_in(booked, device="anas-own")
    assert waits.value.code == 4509
    ana = await day.client_in(booked, device="anas-own", takeover=True)

    assert await stranger.closing() == 4509
    assert ana.view["phase"] == "in_progress"
    (mine,) = [one for one in ana.view["participants"] if one["you"]]
    assert mine["name"] == "Client ana"
    assert "Canary" not in json.dumps(ana.view)
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    (client,) = (await record_of(day, booked.visit))["facts"]["clients"]
    assert (client["id"], client["identity"]) == ("ana", "link")


async def test_a_walk_in_whom_nobody_knows_has_a_visit_of_their_own(day: Day) -> None:
    booked = await day.book("ana")
    provider, stranger = await day.provider_in(), await day.walk_in("Cleo")
    await stranger.check_in(display_name="Cleo")
    entry = (await provider.hear("queue.entered"))["entry"]

    visit = (await provider.ask("start", entry=entry["id"]))["visit"]
    await stranger.hear("visit.started")
    await stranger.ask("end", visit=visit)
    await provider.ask("finish", visit=visit)

    facts = (await record_of(day, visit))["facts"]
    assert visit != booked.visit
    assert facts["appointment"] is None
    assert [(one["id"], one["identity"]) for one in facts["clients"]] == [(None, "walk_in")]
