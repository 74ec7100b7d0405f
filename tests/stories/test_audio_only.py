"""Without a camera, or by choice, a visit is audio-only: everyone sees it, and the record carries it."""

from __future__ import annotations

import pytest

from loadtests.participants import Told
from tests.stories.conftest import Day
from tests.stories.media_peer import MediaPeer, until
from tests.stories.test_hand_off import record_of


async def test_an_audio_only_visit_carries_sound_alone_and_says_why(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in(media="audio", audio_reason="no_camera", devices={"camera": False, "microphone": True})
    assert (await provider.hear("queue.entered"))["entry"]["media"] == "audio"
    await provider.ask("start", appointment=booked.id)
    started = await provider.hear("visit.started")
    (shown,) = [p for p in started["participants"] if p["role"] == "client"]
    assert (shown["mode"], shown["mode_reason"]) == ("audio", "no_camera")

    async with MediaPeer(provider) as one, MediaPeer(client, audio_only=True) as other:
        await one.connect()
        await other.connect()
        await until(lambda: one.frames["audio"] > 20 and other.frames["audio"] > 20)
        assert one.frames["video"] == 0
        await client.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)

    (who,) = (await record_of(day, booked.visit))["facts"]["clients"]
    assert who["connected_ms"]["video"] == 0
    assert who["connected_ms"]["audio"] > 0
    (span,) = who["audio_only"]
    assert (span["reason"], span["said_by"]) == ("no_camera", "client")


async def test_the_flag_of_an_offer_is_seen_by_the_other(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await provider.ask("start", appointment=booked.id)
    await client.hear("visit.started")

    async with MediaPeer(client, audio_only=True) as peer:
        await peer.connect()
        told = await provider.hear("participant.changed", lambda m: m["participant"]["role"] == "client")

    assert told["participant"]["mode"] == "audio"


async def test_an_offer_that_is_refused_leaves_the_flag_and_the_record_alone(day: Day) -> None:
    booked = await day.book("ana")
    provider, client = await day.provider_in(), await day.client_in(booked)
    await client.check_in()
    await provider.ask("start", appointment=booked.id)
    await client.ask("media.mode", mode="audio", reason="bandwidth")
    mode = await provider.hear("media.mode")
    assert (mode["mode"], mode["reason"], mode["by"]) == ("audio", "bandwidth", "participant")

    with pytest.raises(Told) as refusal:
        await client.ask("media.offer", peer="p", round=1, sdp="v=0..", audio_only=False)

    assert refusal.value.code == "bad_sdp"
    view = await client.ask("sync")
    (me,) = [p for p in view["participants"] if p["you"]]
    assert (me["mode"], me["mode_reason"]) == ("audio", "bandwidth")
    await provider.ask("end", visit=booked.visit)
    await provider.ask("finish", visit=booked.visit)
    (who,) = (await record_of(day, booked.visit))["facts"]["clients"]
    assert len(who["audio_only"]) == 1
