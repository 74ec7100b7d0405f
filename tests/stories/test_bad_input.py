"""Whatever is sent, the answer is a stable code, nothing else changes, and the neighbour notices nothing."""

from __future__ import annotations

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from loadtests.participants import Closed, Told
from tests.stories.conftest import Day
from tests.stories.test_end_and_rejoin import in_session


async def test_links_that_are_unknown_revoked_or_closed_are_alike(day: Day) -> None:
    booked = await day.book("ana")
    old = booked.tokens["ana"]
    await day.ehr.call("POST", f"/v1/appointments/{booked.id}/clients/ana/link")
    cancelled = await day.book("ben")
    await day.ehr.call("POST", f"/v1/appointments/{cancelled.id}/cancel")

    answers = [await day.ehr.join(token) for token in ("x" * 43, "", old, cancelled.tokens["ben"])]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["code"] == "bad_link"


async def test_a_revoked_link_ends_its_open_connection(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()

    await day.ehr.call("POST", f"/v1/appointments/{booked.id}/clients/ana/link")

    assert await client.closing() == 4512


async def test_a_cancelled_appointment_tells_the_waiting_client_at_once(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()

    await day.ehr.call("POST", f"/v1/appointments/{booked.id}/cancel")

    await client.hear("visit.closed")
    assert await client.closing() == 4510
    assert (await provider.hear("queue.left"))["reason"] == "closed"


async def test_malformed_and_unknown_messages_get_their_codes(day: Day) -> None:
    booked = await day.book("ana")
    neighbour = await day.provider_in()
    client = await day.client_in(booked)

    with pytest.raises(Told) as refusal:
        await client.ask("dance")
    assert refusal.value.code == "unknown_type"
    with pytest.raises(Told) as refusal:
        await client.ask("check_in", place="home")
    assert refusal.value.code == "bad_message"
    await client.send_frame("{")
    assert (await client.hear("error"))["code"] == "bad_message"

    assert not neighbour.heard()


async def test_three_bad_messages_close_with_4501(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))

    for _ in range(3):
        await client.send_frame("no json")

    assert await client.closing() == 4501


async def test_a_text_frame_that_is_no_utf_8_closes_with_1007(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))

    await client.send_frame(b'{"type":"ping","id":1,"x":"\xff\xfe"}', text=True)

    assert await client.closing() == 1007


async def test_a_practice_may_be_deleted_while_people_are_connected(day: Day) -> None:
    booked = await day.book("ana")
    client, provider = await day.client_in(booked), await day.provider_in()

    await day.ehr.delete()

    assert (await client.closing(), await provider.closing()) == (4512, 4512)


async def test_a_name_that_would_look_like_something_else_is_not_taken(day: Day) -> None:
    for name in ("Ana\u202enimda", "Ana\u0000", ""):
        with pytest.raises(httpx.HTTPStatusError) as refusal:
            await day.ehr.knock(day.provider, name)
        assert refusal.value.response.json()["code"] == "invalid"


async def test_a_frame_over_64_kib_closes_with_1009(day: Day) -> None:
    client = await day.client_in(await day.book("ana"))

    await client.send_frame("x" * (64 * 1024 + 1))

    assert await client.closing() == 1009


async def test_without_hello_there_is_no_conversation(day: Day) -> None:
    person = day.person("phone")
    await person.open()

    with pytest.raises(Closed):
        await person.ask("sync")


@pytest.mark.parametrize("sdp", ["", "v=0", "x" * 1000, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "a" * 33_000])
async def test_sdp_that_is_none_is_bad_sdp(day: Day, sdp: str) -> None:
    booked, provider, client = await in_session(day)

    with pytest.raises(Told) as refusal:
        await client.ask("media.offer", peer="p", round=1, sdp=sdp)

    assert refusal.value.code == "bad_sdp"
    await provider.ask("ping")
    assert not provider.heard("visit.ended")
    assert booked.visit


async def test_an_offer_before_admission_is_refused(day: Day) -> None:
    booked = await day.book("ana")
    client = await day.client_in(booked)
    await client.check_in()

    with pytest.raises(Told) as refusal:
        await client.ask("media.offer", peer="p", round=1, sdp="v=0", audio_only=False)

    assert refusal.value.code == "refused"


async def test_a_foreign_page_is_refused_before_the_upgrade(day: Day) -> None:
    url = day.world.nodes[0].url.replace("http", "ws", 1) + "/v1/ws"
    for origin, protocols, status in (
        ("https://evil.example", ["carelobby.v1.json"], 403),
        (day.ehr.url, None, 400),
        (day.ehr.url, ["other"], 400),
    ):
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(url, origin=origin, subprotocols=protocols, compression=None, proxy=None):
                pass
        assert refusal.value.response.status_code == status


async def test_a_visit_of_somebody_else_is_not_found(day: Day) -> None:
    booked, _, client = await in_session(day)
    other = await day.client_in(await day.book("ben"))

    for type in ("end", "rejoin", "withdraw"):
        with pytest.raises(Told) as refusal:
            await other.ask(type, visit=booked.visit)
        assert refusal.value.code == "not_found"

    await client.ask("ping")
    assert not client.heard("visit.ended")


async def test_both_subprotocols_say_the_same(day: Day) -> None:
    booked = await day.book("ana")
    binary = day.person("laptop", binary=True)
    await binary.join(await day.ehr.provider_ticket(day.provider))
    text = await day.provider_in("tablet")
    client = await day.client_in(booked)

    await client.check_in()

    one, other = await binary.hear("queue.entered"), await text.hear("queue.entered")
    assert {k: v for k, v in one.items() if k != "_at"} == {k: v for k, v in other.items() if k != "_at"}
