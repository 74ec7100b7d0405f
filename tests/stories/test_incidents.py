"""What went wrong elsewhere, one story for each incident of others that this service must never repeat.

Some are told at more length where they belong; in a real browser, or beside what they are about:

| incident | told here, and at length in |
|---|---|
| 1 live video for those who wait | `test_start.py`, `tests/server/test_perform.py`, `tests/signaling/test_view.py` |
| 2 all let in at once | `test_start.py`, `tests/signaling/test_starting.py` |
| 3 admitted for ever | `tests/signaling/test_rejoining.py`, `tests/signaling/test_permissions.py` |
| 4 a policy that flipped | `tests/signaling/test_permissions.py`, `tests/server/web/test_api.py` |
| 5 an id taken for an identity | `test_bad_input.py`, `tests/server/web/test_resumption.py` |
| 6 crossed through the mode switch | `test_audio_only.py`, `tests/signaling/test_modality.py` |
| 7 a link to the latest call | `test_bad_input.py`, `tests/server/test_registry_appointments.py` |
| 8 names in addresses, calls to third parties | `tests/server/web/test_headers.py`, `tests/browser/test_visit.py` |
| 9 scanners of mail | `tests/server/web/test_tickets.py` |
| 10 one's reply given to another | `tests/server/redis_link/`; the floors of versions: `tests/test_packaging.py` |
| 11 the host in the lobby | `test_lost_connection.py`, `tests/browser/test_visit.py` |
| 12 stuck after a cancel, and its kin | `test_bad_input.py`, `tests/signaling/test_notices.py` |
| 13 the cluster gone for longer than its store | `test_store_away.py`, `test_draining.py` |
| 14 two tabs kick one another out | `test_two_tabs.py`, `tests/signaling/test_presence.py` |
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtests.ehr import Booked
from loadtests.participants import Closed, Participant, Told
from tests.stories.conftest import Day, day_at
from tests.stories.media_peer import MediaPeer, until
from tests.stories.service import Service
from tests.stories.test_end_and_rejoin import in_session
from tests.stories.test_store_away import frozen
from tests.stories.worlds import alive

STATIC = Path(__file__).resolve().parents[2] / "static"
PAGES = ("/", "/join", "/provider")


async def phase(person: Participant) -> str:
    return str((await person.ask("sync"))["phase"])


async def test_01_who_waits_is_sent_nothing_of_the_live_visit(day: Day) -> None:
    """Incident 1: people in the waiting room were sent the live video, and its key."""
    booked, provider, client = await in_session(day)
    later = await day.client_in(await day.book("ben"))
    await later.check_in()
    async with MediaPeer(provider) as one, MediaPeer(client) as other, MediaPeer(later) as curious:
        await one.connect()
        await other.connect()
        await until(lambda: one.frames["video"] > 5 and other.frames["video"] > 5)
        with pytest.raises(Told) as refused:
            await curious.connect()
        await client.ask("chat", text="between us")
        await later.ask("ping")
        view = await later.ask("sync")

    assert refused.value.code == "refused"
    assert not curious.frames
    got = json.dumps([later.welcome, later.view, view, *later.heard()])
    for secret in (booked.visit, booked.id, "ana", "ice_servers", "participants", "v=0", "candidate", "between us"):
        assert secret not in got


async def test_02_when_the_provider_comes_and_starts_only_the_one_they_named_is_let_in(day: Day) -> None:
    """Incident 2: who came early was let in when the moderator signed in; Start admitted all who waited."""
    first, second = await day.book("ana"), await day.book("ben")
    ana, ben = await day.client_in(first), await day.client_in(second)
    walks_in = await day.walk_in("Cleo")
    await ana.check_in()
    await ben.check_in()
    await walks_in.check_in(display_name="Cleo")

    provider = await day.provider_in()
    assert [await phase(one) for one in (ana, ben, walks_in)] == ["waiting"] * 3
    await provider.ask("start", appointment=second.id)

    await ben.hear("visit.started")
    assert [await phase(one) for one in (ana, ben, walks_in)] == ["waiting", "in_progress", "waiting"]
    assert not ana.heard("visit.started")
    assert not walks_in.heard("visit.started")


async def test_03_admission_is_for_one_segment_and_ends_with_a_kick(day: Day) -> None:
    """Incident 3: an admitted guest passed by the lobby for ever, even after having been sent away."""
    booked, provider, client = await in_session(day)
    await provider.ask("end", visit=booked.visit)
    with pytest.raises(Told) as after_end:
        await client.ask("media.offer", peer="p", round=1, sdp="v=0")
    again = await day.client_in(booked)
    assert again.view["phase"] == "ended"
    assert "participants" not in again.view

    other = await day.book("ben", "eva", group=True)
    ben, eva = await day.client_in(other, "ben"), await day.client_in(other, "eva")
    await ben.check_in()
    await eva.check_in()
    await provider.ask("start", appointment=other.id)
    (seat,) = [one for one in (await ben.hear("visit.started"))["participants"] if one["you"]]
    await provider.ask("remove", participant=seat["id"])
    assert await ben.closing() == 4511
    with pytest.raises(Closed) as kicked:
        back = await day.client_in(other, "ben", device="tablet")
        await back.closing()
        raise Closed(back.closed_with or 0)

    assert after_end.value.code == "refused"
    assert kicked.value.code in (4510, 4511)
    assert await phase(eva) == "in_progress"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"type": "start"}, "not_found"),
        ({"type": "start", "appointment": None}, "not_found"),
        ({"type": "start", "appointment": "*"}, "not_found"),
        ({"type": "start", "appointment": True}, "bad_message"),
        ({"type": "start", "entries": "all"}, "not_found"),
        ({"type": "admit"}, "bad_message"),
        ({"type": "admit", "entry": "ent_unknown"}, "not_found"),
        ({"type": "admit_all"}, "unknown_type"),
        ({"type": "set_status", "status": "open"}, "bad_message"),
    ],
)
async def test_04_what_is_missing_or_unknown_lets_nobody_in(day: Day, request_: dict[str, Any], code: str) -> None:
    """Incident 4: an upgrade flipped the guest policy; here no value and no unknown value admits anybody."""
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()

    with pytest.raises(Told) as refused:
        await provider.ask(**request_)

    assert refused.value.code == code
    assert await phase(client) == "waiting"
    assert not client.heard("visit.started")


async def test_04_a_policy_that_nobody_knows_is_refused_and_changes_nothing(day: Day) -> None:
    """Incident 4: not one word of a policy is guessed at."""
    headers = {"Authorization": f"Bearer {day.world.operator_key}"}
    async with httpx.AsyncClient(base_url=day.world.nodes[0].url) as operator:
        for policies in ({"guests": "ALWAYS_ACCEPT"}, {"audio_only": "sometimes"}, {"names_in_group": "yes"}, None):
            said = {"name": "Practice", "policies": policies}
            answer = await operator.put(f"/v1/practices/{day.ehr.practice}", headers=headers, json=said)
            assert answer.status_code == 422


async def test_05_somebody_elses_id_in_a_message_moves_nobody(day: Day) -> None:
    """Incident 5: a bad token with another user's id threw the victim out."""
    booked, provider, victim = await in_session(day)
    theirs = victim.welcome["connection"]
    intruder = await day.client_in(await day.book("ben"))

    claim = {"connection": theirs, "secret": "x" * 43, "epoch": "", "seq": 0}
    for hello in (
        {"resume": claim, "device": "phone"},
        {"ticket": "x" * 43, "device": "phone", "takeover": True, "participant": "ana", "connection": theirs},
    ):
        stranger = day.person("phone")
        await stranger.open()
        await stranger.send({"type": "hello", "protocol": 1, **hello})
        assert await stranger.closing() in (4100, 4500)
    for request in (
        {"type": "end", "visit": booked.visit, "by": "provider", "participant": "ana"},
        {"type": "leave", "visit": booked.visit, "participant": "ana"},
        {"type": "rejoin", "visit": booked.visit},
    ):
        with pytest.raises(Told):
            await intruder.ask(**request)

    assert await phase(victim) == "in_progress"
    assert not victim.heard("displaced")
    assert not victim.heard("visit.ended")
    await victim.ask("ping")
    await provider.ask("ping")


async def test_06_switching_between_picture_and_sound_leads_to_nobody_elses_visit(day: Day) -> None:
    """Incident 6: patients saw the recordings of others, by way of the switch between audio and video."""
    _, provider, client = await in_session(day)
    sato = await day.ehr.provider("dr-sato", "Dr. Sato")
    beside = await day.ehr.book("apt-beside", sato, ["ben"])
    ben, doctor = await day.client_in(beside), day.person("laptop")
    await doctor.join(await day.ehr.provider_ticket(sato))
    await ben.check_in()
    await doctor.ask("start", appointment=beside.id)
    await ben.hear("visit.started")
    waits = await day.client_in(await day.book("eva"))
    await waits.check_in()

    for mode in ("audio", "video", "audio"):
        await client.ask("media.mode", mode=mode, reason="bandwidth")
        await provider.hear("participant.changed", lambda m, now=mode: m["participant"]["mode"] == now)
    for person in (ben, doctor, waits):
        await person.ask("ping")

    for person in (ben, doctor, waits):
        assert not person.heard("participant.changed")
        assert not person.heard("media.mode")
        assert "ana" not in json.dumps(person.heard())
    view = await ben.ask("sync")
    assert {one["mode"] for one in view["participants"]} == {"video"}
    assert {one["role"] for one in view["participants"]} == {"client", "provider"}


async def test_07_an_older_link_leads_to_its_own_appointment_and_not_to_the_latest(day: Day) -> None:
    """Incident 7: an older link joined people to the most recent call."""
    older, newer = await day.book("ana"), await day.book("ana")
    provider, there = await day.provider_in(), await day.client_in(newer)
    await there.check_in()
    await provider.ask("start", appointment=newer.id)
    await there.hear("visit.started")

    by_the_older = await day.client_in(older, device="tablet")

    assert by_the_older.view["appointment"]["id"] == older.id
    assert by_the_older.view["phase"] == "scheduled"
    assert newer.visit not in json.dumps([by_the_older.view, *by_the_older.heard()])
    assert await phase(there) == "in_progress"
    await provider.ask("end", visit=newer.visit)
    await provider.ask("finish", visit=newer.visit)
    assert (await day.ehr.join(next(iter(newer.tokens.values())))).status_code == 404
    assert await phase(by_the_older) == "scheduled"


async def test_08_no_name_is_in_an_address_and_no_page_calls_anybody_else(day: Day) -> None:
    """Incident 8: the waiting room's address with the clinician's name reached third parties."""
    made = await day.ehr.call(
        "PUT",
        "/v1/appointments/apt-1",
        {
            "providers": [day.provider],
            "clients": [{"id": "c-77", "name": "Quilla Canary"}],
            "start": int(time.time() * 1000),
            "duration_minutes": 50,
        },
    )
    (client,) = made["clients"]
    address, _, secret = client["join_url"].partition("#")
    assert len(secret) >= 43, "the secret is in the fragment, which no browser sends"
    assert address == f"{day.world.public}/join"

    async with httpx.AsyncClient(base_url=day.world.nodes[0].url) as browser:
        for page in (*PAGES, f"/p/{day.ehr.practice}/telehealth"):
            answer = await browser.get(page, follow_redirects=True)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert not re.search(r"https?://|\*", policy)
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert not re.search(r"(?:src|href|action)=[\"']?(?:https?:)?//", answer.text)
            for name in ("Rivera", "Quilla", "Canary"):
                assert name not in answer.text
    foreign = re.compile(r"(?:fetch|import|WebSocket|EventSource|sendBeacon)\s*\(?\s*[\"'`](?:https?|wss?)://")
    for file in STATIC.rglob("*.js"):
        assert not foreign.search(file.read_text(encoding="utf-8")), file.name
    for file in STATIC.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", file.read_text(encoding="utf-8")), file.name


async def test_09_scanners_of_mail_join_nobody_tell_nobody_and_use_nothing_up(day: Day) -> None:
    """Incident 9: scanners fetch links, run scripts, send POSTs and even open what those lead to."""
    booked = await day.book("ana")
    (token,) = booked.tokens.values()
    provider = await day.provider_in()
    async with httpx.AsyncClient(base_url=day.world.nodes[0].url) as scanner:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            for address in ("/join", f"/join?token={token}", "/", f"/p/{day.ehr.practice}/telehealth"):
                await scanner.request(method, address, follow_redirects=True)
    tickets = [(await day.ehr.join(token)).json()["ticket"] for _ in range(20)]
    for ticket in tickets[:3]:  # a script that goes as far as a page can without a click
        visitor = day.person(f"scanner-{ticket[:4]}")
        await visitor.join(ticket)
        await visitor.close()

    await provider.ask("ping")
    assert not provider.heard("client.ready")
    assert not provider.heard("queue.entered")
    assert (await provider.ask("sync"))["waiting"] == []
    client = await day.client_in(booked)
    await client.check_in()
    await provider.hear("client.ready")


async def test_10_callers_who_hang_up_cost_nobody_a_reply(day: Day) -> None:
    """Incident 10: one request's reply was given to another after a caller had gone."""
    booked = await day.book(*(f"c{number}" for number in range(8)), group=True)
    provider = await day.provider_in()
    people = [await day.client_in(booked, client, device=client) for client in booked.tokens]

    async def hang_up(person: Participant) -> None:
        asking = asyncio.create_task(person.check_in())
        await asyncio.sleep(0)
        await person.drop()
        with pytest.raises(Closed):
            await asking

    async def ask_on() -> None:
        for minutes in range(12):
            # Each reply has the number of its own request, or `ask` waits in vain; the view is the room as it is now.
            await provider.ask("set_status", status="late", minutes=minutes)
            view = await provider.ask("sync")
            assert (view["status"], view["minutes"]) == ("late", minutes)

    await asyncio.gather(ask_on(), *(hang_up(person) for person in people))
    names = {one["client"]["id"] for one in (await provider.ask("sync"))["waiting"]}
    assert names <= set(booked.tokens)


async def test_11_a_host_who_drops_is_host_again_and_can_let_others_in(day: Day) -> None:
    """Incident 11: the host dropped, landed in the lobby, and there was nobody to let them in."""
    booked = await day.book("ana", "ben", group=True)
    provider, ana = await day.provider_in(), await day.client_in(booked, "ana")
    await ana.check_in()
    await provider.ask("start", appointment=booked.id)
    await ana.hear("visit.started")

    await provider.drop()
    ben = await day.client_in(booked, "ben")
    await ben.check_in()
    again = day.person("another-laptop")
    view = await again.join(await day.ehr.provider_ticket(day.provider))

    assert again.welcome["role"] == "provider"
    assert [visit["phase"] for visit in view["visits"]] == ["in_progress"]
    (entry,) = view["waiting"]
    assert entry["client"]["id"] == "ben", "of all who wait none is the provider"
    await again.ask("admit", entry=entry["id"])
    await ben.hear("visit.started")
    await again.ask("end", visit=booked.visit)
    await ana.hear("visit.ended")


async def test_12_who_waits_is_told_of_a_cancellation_and_let_go(day: Day) -> None:
    """Incident 12: stuck in the waiting room after the appointment was cancelled."""
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await provider.hear("client.ready")

    await day.ehr.call("POST", f"/v1/appointments/{booked.id}/cancel", {})

    assert (await client.hear("visit.closed"))["outcome"] in ("cancelled", "late_cancel")
    assert await client.closing() == 4510
    await provider.hear("queue.left")
    assert (await provider.ask("sync"))["waiting"] == []


async def test_12_each_arrival_rings_though_there_was_one_before(day: Day) -> None:
    """Incident 12: no notice, because the state was `ready` already."""
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    rung = []
    for _ in range(2):
        await client.check_in()
        rung.append((await provider.hear("client.ready"))["entry"])
        await provider.ask("acknowledge", entry=rung[-1])
        await client.ask("leave")
        await provider.hear("queue.left")

    assert len(set(rung)) == 2
    await client.check_in()
    assert (await provider.ask("sync"))["waiting"][0]["acknowledged"] is False


async def test_12_there_is_a_way_back_to_the_call_from_anywhere(day: Day) -> None:
    """Incident 12: no way back to the call."""
    booked, provider, client = await in_session(day)
    await client.close()
    tablet = await day.client_in(booked, device="tablet")
    assert tablet.view["phase"] == "in_progress"
    assert tablet.view["ice_servers"] is not None

    await provider.ask("end", visit=booked.visit)
    await tablet.hear("visit.ended")
    await tablet.close()
    phone = await day.client_in(booked)
    assert phone.view["phase"] == "ended"
    await provider.ask("rejoin", visit=booked.visit)
    await phone.ask("rejoin", visit=booked.visit)
    await phone.hear("visit.resumed")


async def test_12_a_client_can_be_called_again_and_again_in_one_appointment(day: Day) -> None:
    """Incident 12: could not call again, for the room had expired."""
    booked, provider, client = await in_session(day)
    for segment in (2, 3):
        (seat,) = [one for one in (await client.ask("sync"))["participants"] if one["you"]]
        await provider.ask("return_to_waiting", participant=seat["id"], reason="one moment")
        assert await phase(client) == "waiting"
        await provider.ask("start", appointment=booked.id)
        assert (await client.hear("visit.started", lambda m, n=segment: m["segment"] == n))["visit"] == booked.visit


@pytest.fixture
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    service = Service(tmp_path_factory.mktemp("incident") / "var")
    async with alive(service):
        yield service


async def test_13_while_redis_is_gone_the_process_lives_says_so_and_is_back_with_it(own: Service) -> None:
    """Incident 13: Redis was gone for 7 minutes, the cluster for 53, for liveness asked Redis."""
    async for day in day_at(own):
        booked, provider, client = await in_session(day)
        with frozen(day.world):
            async with httpx.AsyncClient(base_url=own.url) as balancer:
                begun = time.monotonic()
                assert (await balancer.get("/healthz")).status_code == 200
                assert time.monotonic() - begun < 1.0
            assert await own.ready() == 503
            await provider.ask("ping")
        begun = time.monotonic()
        while await own.ready() != 200:
            assert time.monotonic() - begun < 5.0
            await asyncio.sleep(0.1)
        assert await phase(client) == "in_progress", "nobody was restarted, and nobody was cut off"
        await provider.ask("end", visit=booked.visit)


async def test_14_two_tabs_do_not_kick_one_another_out(day: Day) -> None:
    """Incident 14: two tabs of one client threw each other out in a loop."""
    booked = await day.book("ana")
    provider, first = await day.provider_in(), await day.client_in(booked, device="tab-1")
    await first.check_in()
    await provider.hear("client.ready")
    for _ in range(3):  # a tab that comes again by itself changes nothing
        assert await refused(day, booked, "tab-2") == 4509
    assert not first.heard("displaced")

    second = await day.client_in(booked, device="tab-2", takeover=True)
    assert await first.closing() == 4509
    for _ in range(3):
        assert await refused(day, booked, "tab-1") == 4509

    assert not second.heard("displaced")
    assert await phase(second) == "waiting"
    await provider.ask("ping")
    assert not provider.heard("client.ready")
    assert not provider.heard("queue.left")


async def refused(day: Day, booked: Booked, device: str) -> int:
    """How a device is sent away that comes without a click."""
    with pytest.raises(Closed) as closed:
        await day.client_in(booked, device=device)
    return closed.value.code
