"""A co-provider hosts the shared appointment, and knows nothing of whoever else comes to that room."""

from __future__ import annotations

import json

import pytest

from loadtests.participants import Participant, Told
from tests.stories.conftest import Day


async def co_provider_in(day: Day, provider: str = "dr-sato") -> Participant:
    """Connect as a provider to the one room of another that they are told of."""
    own = await day.ehr.call("POST", f"/v1/providers/{provider}/tickets", {})
    (shared,) = own["rooms"]
    theirs = await day.ehr.call("POST", f"/v1/providers/{provider}/tickets", {"room": shared["room"]})
    person = day.person("co-laptop")
    await person.join(theirs["ticket"])
    return person


async def two_providers(day: Day) -> list[str]:
    return [day.provider, await day.ehr.provider("dr-sato", "Dr. Sato")]


async def test_a_co_provider_sees_and_hears_of_the_shared_client_alone(day: Day) -> None:
    shared = await day.book("ana", providers=await two_providers(day))
    private = await day.book("ben")
    host, co = await day.provider_in(), await co_provider_in(day)
    ben, ana, stranger = await day.client_in(private), await day.client_in(shared), await day.walk_in("Cleo")

    await ben.check_in()
    await stranger.check_in(display_name="Cleo")
    await ana.check_in()
    entered = await co.hear("queue.entered")
    ready = await co.hear("client.ready")
    for _ in range(3):
        await host.hear("client.ready")
    await ben.ask("leave")
    await host.hear("queue.left")
    view = await co.ask("sync")

    assert entered["entry"]["appointment"] == shared.id
    assert ready["entry"] == entered["entry"]["id"]
    assert co.welcome["role"] == "co_provider"
    assert [one["id"] for one in view["appointments"]] == [shared.id]
    assert [one["id"] for one in view["waiting"]] == [entered["entry"]["id"]]
    assert view["unverified"] == []
    told = json.dumps([co.view, view, entered, ready, *co.heard()])
    assert not co.heard("queue.left") and not co.heard("client.ready") and not co.heard("queue.entered")
    for other in (private.id, private.visit, "ben", "Cleo"):
        assert other not in told


async def test_a_co_provider_starts_and_ends_the_shared_visit_and_no_other(day: Day) -> None:
    shared = await day.book("ana", providers=await two_providers(day))
    private = await day.book("ben")
    host, co = await day.provider_in(), await co_provider_in(day)
    ana, ben = await day.client_in(shared), await day.client_in(private)
    await ana.check_in()
    await ben.check_in()

    with pytest.raises(Told) as refusal:
        await co.ask("start", appointment=private.id)
    assert refusal.value.code == "not_found"
    await co.ask("start", appointment=shared.id)
    started = await ana.hear("visit.started")
    await host.hear("visit.started")
    await co.ask("end", visit=shared.visit)
    ended = await ana.hear("visit.ended")

    roles = {one["id"]: one["role"] for one in started["participants"]}
    assert (roles[day.provider], roles["dr-sato"]) == ("provider", "co_provider")
    assert ended["by"] == "co_provider"
    assert not ben.heard("visit.started")


async def test_a_room_with_nothing_shared_cannot_be_entered(day: Day) -> None:
    await two_providers(day)
    await day.book("ana")
    room = (await day.ehr.call("GET", f"/v1/providers/{day.provider}/room"))["room"]

    own = await day.ehr.call("POST", "/v1/providers/dr-sato/tickets", {})

    assert own["rooms"] == []
    with pytest.raises(Exception, match="404"):
        await day.ehr.call("POST", "/v1/providers/dr-sato/tickets", {"room": room})


async def test_a_co_provider_who_is_taken_off_sees_nothing_more(day: Day) -> None:
    both = await two_providers(day)
    shared = await day.book("ana", providers=both)
    co = await co_provider_in(day)
    ana = await day.client_in(shared)

    await day.ehr.book(shared.id, day.provider, ["ana"])
    host = await day.provider_in()
    await ana.check_in()
    await host.hear("client.ready")
    view = await co.ask("sync")

    assert (view["appointments"], view["waiting"], view["visits"]) == ([], [], [])
    assert not co.heard("client.ready")
