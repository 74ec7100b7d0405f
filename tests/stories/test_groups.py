"""A group and its two providers: who comes in, what the others see of them, and each one's own way out and back."""

from __future__ import annotations

import itertools
import json

import pytest

from loadtests.ehr import Booked
from loadtests.participants import Heard, Participant, Told
from tests.stories.conftest import Day
from tests.stories.test_co_provider import co_provider_in, two_providers
from tests.stories.test_hand_off import record_of


async def group(day: Day, *clients: str) -> tuple[Booked, Participant, Participant, list[Participant]]:
    """A group of two providers, with everybody connected and nobody checked in."""
    booked = await day.book(*clients, group=True, providers=await two_providers(day))
    host, co = await day.provider_in(), await co_provider_in(day)
    return booked, host, co, [await day.client_in(booked, one, device=f"{one}s") for one in clients]


def me(told: Heard) -> str:
    """Whom a list of participants shows as the one who reads it."""
    (mine,) = [one["id"] for one in told["participants"] if one["you"]]
    return str(mine)


async def time_passes(person: Participant, began: Heard) -> None:
    """Mute and unmute until the room's time is later than when a segment `began`: what takes no time is no span."""
    for microphone in itertools.cycle((False, True)):
        await person.ask("media.state", microphone=microphone)
        if (await person.hear("participant.changed"))["at"] > began["at"]:
            return


async def phase(person: Participant) -> str:
    return str((await person.ask("sync"))["phase"])


async def test_start_lets_in_who_is_ready_and_a_co_provider_the_late_one(day: Day) -> None:
    booked, host, co, (ana, ben, eva) = await group(day, "ana", "ben", "eva")
    await ana.check_in()
    await ben.check_in()

    await co.ask("start", appointment=booked.id)
    for person in (host, co, ana, ben):
        assert (await person.hear("visit.started"))["visit"] == booked.visit
    await eva.check_in()
    for _ in range(3):
        late = await co.hear("client.ready")
    assert await phase(eva) == "waiting"

    await co.ask("admit", entry=late["entry"])
    await eva.hear("visit.started")
    await ana.hear("participant.changed", lambda m: m["participant"]["presence"] == "connected")
    assert [await phase(one) for one in (ana, ben, eva)] == ["in_progress"] * 3


async def test_clients_see_one_another_without_names_and_who_waits_sees_nobody(day: Day) -> None:
    booked, host, _, (ana, ben, eva) = await group(day, "ana", "ben", "eva")
    await ana.check_in()
    await ben.check_in(display_name="Benny Canary")
    await host.ask("start", appointment=booked.id)
    seen = {one["name"] for one in (await ana.hear("visit.started"))["participants"] if one["role"] == "client"}
    await eva.check_in()
    waits = await eva.ask("sync")
    await eva.ask("ping")

    assert seen == {"Client ana", "Benny"}
    (to_ben,) = [one for one in (await ben.hear("visit.started"))["participants"] if one["name"].startswith("Client 1")]
    assert to_ben["you"] is False
    told = json.dumps([eva.view, waits, *eva.heard()])
    for other in ("ana", "ben", "Ben", me(await ana.ask("sync")), booked.visit):
        assert other not in told.replace('"Client eva"', "")


async def test_one_is_sent_back_and_one_away_and_each_alone_is_told_why(day: Day) -> None:
    booked, host, co, (ana, ben, eva) = await group(day, "ana", "ben", "eva")
    people = (ana, ben, eva)
    for person in people:
        await person.check_in()
    await host.ask("start", appointment=booked.id)
    ids = [me(await person.hear("visit.started")) for person in people]

    await co.ask("return_to_waiting", participant=ids[1], reason="a moment with the others")
    await host.ask("remove", participant=ids[2], reason="another day")

    back, away = await ben.hear("visit.ended"), await eva.hear("visit.ended")
    assert (back["reason"], back["text"]) == ("returned", "a moment with the others")
    assert (away["reason"], away["text"]) == ("removed", "another day")
    assert await eva.closing() == 4511
    assert [await phase(ana), await phase(ben)] == ["in_progress", "waiting"]
    for person in (ana, host, co):
        await person.ask("ping")
        heard = json.dumps(person.heard())
        assert "a moment" not in heard
        assert "another day" not in heard
    with pytest.raises(Told):
        await ben.ask("rejoin", visit=booked.visit)


async def test_who_leaves_goes_alone_and_comes_back_by_the_link(day: Day) -> None:
    booked, host, _, (ana, ben) = await group(day, "ana", "ben")
    await ana.check_in()
    await ben.check_in()
    await host.ask("start", appointment=booked.id)
    await ben.hear("visit.started")

    await ben.ask("leave")
    left = await ben.hear("visit.ended")
    assert (left["reason"], left["live"]) == ("left", True)
    assert await phase(ana) == "in_progress"
    assert not ana.heard("visit.ended")
    with pytest.raises(Told):
        await ana.ask("end", visit=booked.visit)

    await ben.close()
    again = await day.client_in(booked, "ben", device="tablet")
    assert (again.view["phase"], again.view["live"]) == ("ended", True)
    assert "participants" not in again.view
    await again.ask("rejoin", visit=booked.visit)
    await again.hear("visit.resumed")
    assert await phase(again) == "in_progress"


async def test_after_the_end_it_lives_again_with_one_and_the_others_come_by_their_own_click_or_stay_out(
    day: Day,
) -> None:
    booked, host, co, (ana, ben, eva) = await group(day, "ana", "ben", "eva")
    for person in (ana, ben, eva):
        await person.check_in()
    await host.ask("start", appointment=booked.id)
    await time_passes(eva, await eva.hear("visit.started"))
    await co.ask("end", visit=booked.visit)
    for person in (ana, ben, eva, host, co):
        assert (await person.hear("visit.ended"))["by"] == "co_provider"

    await ana.ask("rejoin", visit=booked.visit)
    assert not ana.heard("visit.resumed")
    await co.ask("rejoin", visit=booked.visit)
    await ana.hear("visit.resumed")
    for person in (ben, eva):
        told = await person.hear("visit.rejoin_pending", lambda m: m.get("live", False))
        assert "participants" not in told
        assert await phase(person) == "ended"
    await ben.ask("rejoin", visit=booked.visit)
    await time_passes(ben, await ben.hear("visit.resumed"))
    assert [await phase(one) for one in (ana, ben, eva)] == ["in_progress", "in_progress", "ended"]

    await host.ask("end", visit=booked.visit)
    await eva.hear("visit.ended")
    await host.ask("finish", visit=booked.visit)
    for person in (ana, ben, eva):
        assert (await person.hear("visit.closed"))["outcome"] == "attended"
    facts = (await record_of(day, booked.visit))["facts"]
    assert len(facts["segments"]) == 2
    spans = {client["id"]: len(client["attended"]) for client in facts["clients"]}
    assert spans == {"ana": 2, "ben": 2, "eva": 1}
    assert facts["group_size"] == 3


async def test_a_client_who_never_came_is_a_no_show_beside_others_who_did(day: Day) -> None:
    booked, host, _, (ana, _) = await group(day, "ana", "ben")
    await ana.check_in()
    await host.ask("start", appointment=booked.id)
    await time_passes(ana, await ana.hear("visit.started"))
    await host.ask("end", visit=booked.visit)

    await host.ask("finish", visit=booked.visit, outcomes=[{"client": "ana", "outcome": "left_early"}])

    facts = (await record_of(day, booked.visit))["facts"]
    assert {one["id"]: one["outcome"] for one in facts["clients"]} == {"ana": "left_early", "ben": "no_show"}
    assert facts["group_size"] == 1
