"""Visits, their participants and peers: who is carried to whom, and until when."""

from __future__ import annotations

import asyncio
import gc
import random
import struct
from typing import Any

import pytest

from server.media import rtcp, seam
from server.media.alive import DOUBT, KNOCK
from server.media.check import Probe, until
from server.media.node import MOST_PEERS, Track
from server.media.peer import MOST_EARLY, Peer
from server.media.rtp import payload_at
from signaling.errors import BadSdp, StaleRound, TooMany
from tests.server.media.conftest import Stage
from tests.server.media.descriptions import CHROMIUM, CHROMIUM_AUDIO, CHROMIUM_VIDEO, FIREFOX, describe

OPUS, VP8 = 96, 97
"""The payload types that aiortc gives."""


def speak(probe: Probe, line: int, *words: bytes, first: int = 1) -> None:
    """Send a packet for each word on one of the lines."""
    kind = OPUS if probe.connection.getTransceivers()[line].kind == "audio" else VP8
    for number, word in enumerate(words, first):
        probe.send(struct.pack("!BBHII", 0x80, kind, number, 960 * number, probe.ssrc(line)) + word)


def heard(probe: Probe) -> list[bytes]:
    """Return the words that were received."""
    return [packet[payload_at(packet) :] for packet in probe.received if not 192 <= packet[1] <= 223]


def asked_for_keyframes(probe: Probe) -> int:
    """Return how many keyframes were asked for."""
    parts = [part for packet in probe.received if 192 <= packet[1] <= 223 for part in rtcp.parts(packet)]
    return sum((part.kind, part.format) == (rtcp.PAYLOAD_FEEDBACK, rtcp.PLI) for part in parts)


async def connected(stage: Stage, *probes: Probe) -> None:
    """Return when all of them can send, and the node knows it."""
    await until(lambda: all(p.connected for p in probes) and stage.node.counts().connected == len(probes))


async def test_two_peers_hear_each_other_whoever_came_first(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    bob = await stage.enter("bob")
    await connected(stage, alice, bob)

    speak(alice, 0, b"hello")
    speak(alice, 1, b"picture of alice")
    speak(bob, 0, b"good day")
    speak(bob, 1, b"picture of bob")
    await until(lambda: len(heard(alice)) == len(heard(bob)) == 2)

    assert sorted(heard(bob)) == [b"hello", b"picture of alice"]
    assert sorted(heard(alice)) == [b"good day", b"picture of bob"]
    assert stage.wishes == []
    assert (stage.node.counts().packets_received, stage.node.counts().packets_forwarded) == (4, 4)


async def test_an_answer_tells_whom_its_lines_carry(stage: Stage) -> None:
    first = await stage.negotiate("alice", stage.probe(), others=("bob",))
    second = await stage.negotiate("bob", stage.probe(), others=("alice",))
    alone = await stage.negotiate("carol", stage.probe("audio"))

    assert first.tracks == (Track("0", "bob", "audio", "camera"), Track("1", "bob", "video", "camera"))
    assert second.tracks == (Track("0", "alice", "audio", "camera"), Track("1", "alice", "video", "camera"))
    assert alone.tracks == (Track("0", "alice", "audio", "camera"),)


async def test_sound_alone(stage: Stage) -> None:
    alice, bob = await stage.enter("alice", "audio", audio_only=True), await stage.enter("bob")
    await connected(stage, alice, bob)

    speak(bob, 1, b"picture")
    speak(bob, 0, b"sound")
    speak(alice, 0, b"answer")
    await until(lambda: bool(heard(alice) and heard(bob)))

    assert (heard(alice), heard(bob)) == ([b"sound"], [b"answer"])
    assert stage.wishes == []


async def test_video_can_be_added_in_a_later_round(stage: Stage) -> None:
    alice, bob = await stage.enter("alice", "audio"), await stage.enter("bob")
    await connected(stage, alice, bob)

    alice.add("video")
    answer = await stage.negotiate("alice", alice)
    speak(bob, 1, b"picture of bob")
    speak(alice, 1, b"picture of alice")
    await until(lambda: bool(heard(alice) and heard(bob)))

    assert [track.kind for track in answer.tracks] == ["audio", "video"]
    assert (heard(alice), heard(bob)) == ([b"picture of bob"], [b"picture of alice"])
    assert stage.wishes == []


async def test_a_keyframe_is_asked_for_when_somebody_joins(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    assert asked_for_keyframes(alice) == 0

    bob = await stage.enter("bob")
    await connected(stage, alice, bob)

    await until(lambda: asked_for_keyframes(alice) == 1)


async def test_a_first_picture_that_overtakes_the_handshake_is_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await stage.enter("bob")
    await connected(stage, bob)
    finish = Peer._connection_changed
    monkeypatch.setattr(Peer, "_connection_changed", lambda peer: None)

    alice = await stage.enter("alice")
    await until(lambda: alice.connected)
    speak(alice, 1, b"first", b"picture")
    peer = stage.node._visits["visit"].people["alice"].peers["peer"].peer
    await until(lambda: len(peer._early) == 2)
    finish(peer)
    await until(lambda: len(heard(bob)) == 2)

    assert heard(bob) == [b"first", b"picture"]
    assert stage.node.counts().datagrams_dropped == 0
    monkeypatch.undo()


async def test_what_overtakes_the_handshake_is_limited(stage: Stage) -> None:
    alice = await stage.enter("alice")
    peer = stage.node._visits["visit"].people["alice"].peers["peer"].peer

    for _ in range(1000):
        peer._media(b"\x80 nobody knows whose")

    assert len(peer._early) <= MOST_EARLY
    await connected(stage, alice)
    assert peer._early == []


async def test_video_stops_and_comes_back_with_the_mode(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)
    speak(alice, 1, b"one")
    await until(lambda: heard(bob) == [b"one"])
    asked = asked_for_keyframes(alice)

    stage.node.set_mode(visit="visit", participant="alice", audio_only=True)
    speak(alice, 1, b"two", first=2)
    speak(alice, 0, b"sound")
    await until(lambda: b"sound" in heard(bob))
    stage.node.set_mode(visit="visit", participant="alice", audio_only=False)
    speak(alice, 1, b"three", first=3)
    await until(lambda: b"three" in heard(bob))

    assert heard(bob) == [b"one", b"sound", b"three"]
    await until(lambda: asked_for_keyframes(alice) == asked + 1)


async def test_from_stop_on_not_one_packet_more(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)
    speak(alice, 0, b"before")
    await until(lambda: heard(bob) == [b"before"])
    speak(alice, 0, *[b"after"] * 20, first=2)
    speak(bob, 0, *[b"after"] * 20)

    stage.node.stop("visit")
    forwarded = stage.node.counts().packets_forwarded
    await until(lambda: not alice.connected and not bob.connected)

    assert (heard(alice), heard(bob)) == ([], [b"before"])
    assert stage.node.counts().packets_forwarded == forwarded == 1
    assert (stage.node.counts().visits, stage.node.counts().peers) == (0, 0)


async def test_one_participant_can_be_stopped_and_the_others_go_on(stage: Stage) -> None:
    alice, bob, carol = [await stage.enter(who, "audio", "audio") for who in ("alice", "bob", "carol")]
    await connected(stage, alice, bob, carol)

    stage.node.stop("visit", "bob")
    speak(bob, 0, b"still here?")
    speak(alice, 0, b"without bob")
    await until(lambda: bool(heard(carol)))

    assert (heard(carol), heard(bob)) == ([b"without bob"], [])
    await until(lambda: not bob.connected)
    assert alice.connected and carol.connected


async def test_stopping_what_is_not_there_is_nothing(stage: Stage) -> None:
    stage.node.stop("elsewhere")
    stage.node.stop("elsewhere", "nobody")
    stage.node.set_mode(visit="elsewhere", participant="nobody", audio_only=True)


async def test_an_offer_that_is_stopped_meanwhile_has_no_answer(stage: Stage) -> None:
    probe = stage.probe()
    offer = await probe.offer()

    asking = asyncio.create_task(
        stage.node.offer(visit="visit", participant="alice", peer="p", round=1, sdp=offer, audio_only=False)
    )
    await asyncio.sleep(0)
    stage.node.stop("visit")

    with pytest.raises(StaleRound):
        await asking
    assert stage.node.counts().peers == 0


async def test_a_round_must_be_newer_than_all_before(stage: Stage) -> None:
    probe = await stage.enter("alice")

    with pytest.raises(StaleRound):
        await stage.node.offer(
            visit="visit", participant="alice", peer="peer", round=1, sdp=await probe.offer(), audio_only=False
        )
    assert stage.node.counts().peers == 1


async def test_an_offer_overtaken_by_a_newer_one_has_no_answer(stage: Stage) -> None:
    sdp = await stage.probe().offer()

    def offer(number: int) -> asyncio.Task[object]:
        asking = stage.node.offer(visit="visit", participant="alice", peer="p", round=number, sdp=sdp, audio_only=False)
        return asyncio.create_task(asking)

    older, newer, newest = await asyncio.gather(offer(1), offer(2), offer(3), return_exceptions=True)

    assert [type(older), type(newer)] == [StaleRound, StaleRound]
    assert not isinstance(newest, BaseException)


async def test_a_further_peer_takes_the_place_of_the_oldest(stage: Stage) -> None:
    for number in range(MOST_PEERS):
        await stage.negotiate("alice", stage.probe("audio"), peer=str(number))

    await stage.negotiate("alice", stage.probe("audio"), peer="after a reload")

    assert stage.node.counts().peers == MOST_PEERS
    people = stage.node._visits["visit"].people
    assert list(people["alice"].peers) == [*map(str, range(1, MOST_PEERS)), "after a reload"]


async def test_a_new_peer_takes_over_before_the_old_one_is_closed(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)
    speak(alice, 0, b"old")
    await until(lambda: heard(bob) == [b"old"])

    new = await stage.enter("alice", peer="new")
    await connected(stage, alice, bob, new)
    speak(new, 0, b"new", first=30_000)
    speak(bob, 0, b"to both")
    await until(lambda: len(heard(bob)) == 2 and bool(heard(alice)) and bool(heard(new)))
    await alice.close()
    await until(lambda: stage.node.counts().peers == 2)
    speak(new, 0, b"newer", first=30_001)
    await until(lambda: len(heard(bob)) == 3)

    assert heard(bob) == [b"old", b"new", b"newer"]
    numbers = [struct.unpack_from("!H", packet, 2)[0] for packet in bob.received if packet[1] == OPUS]
    assert [number - numbers[0] for number in numbers] == [0, 1, 2]
    assert stage.wishes == []


async def test_a_new_peer_that_never_connects_takes_nothing_over(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)

    await stage.node.offer(visit="visit", participant="alice", peer="new", round=1, sdp=CHROMIUM, audio_only=False)
    speak(alice, 0, b"still me")
    await until(lambda: bool(heard(bob)))

    assert heard(bob) == [b"still me"]


async def test_a_peer_that_never_connects_is_given_up(stage: Stage) -> None:
    await stage.node.offer(visit="visit", participant="alice", peer="p", round=1, sdp=FIREFOX, audio_only=False)

    stage.later(31.0)
    await until(lambda: stage.node.counts().peers == 0)
    assert stage.node.counts().visits == 0


@pytest.mark.parametrize("sdp", ["", "v=0", CHROMIUM.replace("actpass", "passive")])
async def test_a_bad_offer_leaves_nothing_behind(stage: Stage, sdp: str) -> None:
    with pytest.raises(BadSdp):
        await stage.node.offer(visit="visit", participant="alice", peer="p", round=1, sdp=sdp, audio_only=False)

    assert (stage.node.counts().visits, stage.node.counts().peers) == (0, 0)


async def test_a_bad_offer_of_a_good_peer_leaves_it_as_it_was(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)

    with pytest.raises(BadSdp):
        await stage.node.offer(visit="visit", participant="alice", peer="peer", round=2, sdp=CHROMIUM, audio_only=False)
    speak(alice, 0, b"hello")
    await until(lambda: heard(bob) == [b"hello"])


async def test_whatever_aiortc_raises_is_a_bad_offer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.media.offer.Book.write", lambda book, offered: "m=nonsense")

    with pytest.raises(BadSdp):
        await stage.node.offer(visit="visit", participant="alice", peer="p", round=1, sdp=CHROMIUM, audio_only=False)

    assert stage.node.counts().peers == 0


async def test_damaged_offers_and_candidates_raise_nothing_else_not_even_behind_our_back(stage: Stage) -> None:
    behind: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: behind.append(context))
    chance = random.Random(11)
    answered = 0

    for number in range(100):
        lines = [line for line in chance.choice([CHROMIUM, FIREFOX]).split("\r\n") if chance.random() > 0.02]
        place = chance.randrange(len(lines))
        lines[place] = "".join(chance.choice([c, c, c, c, c, chance.choice("0aZ /:=\u0661")]) for c in lines[place])
        told: dict[str, Any] = {"visit": str(number % 7), "participant": str(number), "peer": "p", "round": 1}
        try:
            await stage.node.offer(**told, sdp="\r\n".join(lines), audio_only=False)
            answered += 1
        except BadSdp:
            continue
        await stage.node.candidates(**told, candidates=[{"candidate": line} for line in lines[:40]])
    await asyncio.sleep(0.1)
    await stage.node.close()
    gc.collect()
    await asyncio.sleep(0)

    assert 30 < answered < 100
    assert behind == []


# --- Candidates


def without_candidates(sdp: str) -> tuple[str, list[dict[str, object]]]:
    """Return the offer of a browser that trickles, and what it trickles."""
    kept = [line for line in sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of"))]
    found = [line.removeprefix("a=") for line in sdp.splitlines() if line.startswith("a=candidate")]
    return "\r\n".join([*kept, ""]), [{"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0} for text in found]


def deaf(answer: str) -> str:
    """Return an answer without candidates: its peer can be reached, and cannot reach."""
    return without_candidates(answer)[0]


@pytest.mark.parametrize("early", [True, False])
async def test_candidates_may_come_before_the_offer_and_after(stage: Stage, early: bool) -> None:
    probe = stage.probe()
    sdp, candidates = without_candidates(await probe.offer())
    assert candidates
    told: dict[str, Any] = {"visit": "visit", "participant": "alice", "peer": "p", "round": 1}

    if early:
        await stage.node.candidates(**told, candidates=[*candidates, {"candidate": ""}, None])
    answer = await stage.node.offer(**told, sdp=sdp, audio_only=False)
    await probe.accept(deaf(answer.sdp))
    if not early:
        await stage.node.candidates(**told, candidates=[*candidates, {"candidate": ""}, None])

    await connected(stage, probe)


async def test_a_peer_without_candidates_is_found_by_its_checks(stage: Stage) -> None:
    probe = stage.probe()
    sdp, _ = without_candidates(await probe.offer())

    answer = await stage.node.offer(visit="visit", participant="alice", peer="p", round=1, sdp=sdp, audio_only=False)
    await probe.accept(answer.sdp)

    await connected(stage, probe)


async def test_candidates_are_limited(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    many = [{"candidate": f"candidate:1 1 udp 1 192.0.2.9 {port} typ host"} for port in range(1000, 1040)]
    told: dict[str, Any] = {"visit": "visit", "participant": "alice", "round": 1}

    with pytest.raises(TooMany):
        await stage.node.candidates(**told, peer="peer", candidates=many)
    with pytest.raises(TooMany):
        await stage.node.candidates(**told, peer="not yet", candidates=many * 2)
    assert alice.connected


async def test_candidates_of_peers_that_never_offer_are_forgotten(stage: Stage) -> None:
    for number in range(1000):
        await stage.node.candidates(
            visit=f"visit {number}", participant="x", peer="p", round=1, candidates=[{"candidate": "candidate:x"}]
        )
    assert len(stage.node._early) <= 256

    stage.later(31.0)
    await until(lambda: not stage.node._early)
    assert stage.node._timer is None


# --- Groups and screens


async def test_in_a_group_each_further_participant_is_asked_for_by_renegotiation(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    assert stage.wishes == []

    await stage.enter("carol")
    await asyncio.sleep(0)

    assert sorted(wish.participant for wish in stage.wishes) == ["alice", "bob", "carol"]
    assert {(wish.receive_audio, wish.receive_video, wish.reason) for wish in stage.wishes} == {(2, 2, "joined")}
    for who, probe in (("alice", alice), ("bob", bob)):
        probe.add("audio", direction="recvonly")
        probe.add("video", direction="recvonly")
        answer = await stage.negotiate(who, probe)
        others = {"alice", "bob", "carol"} - {who}
        assert {(track.participant, track.kind) for track in answer.tracks} == {
            (other, kind) for other in others for kind in ("audio", "video")
        }
    assert len(stage.wishes) == 3


async def test_everyone_in_a_group_hears_everyone(stage: Stage) -> None:
    names = ("alice", "bob", "carol", "dave")
    probes = {name: await stage.enter(name, "audio") for name in names}
    for name, probe in probes.items():
        for _ in range(2):
            probe.add("audio", direction="recvonly")
        await stage.negotiate(name, probe)
    await connected(stage, *probes.values())

    for name, probe in probes.items():
        speak(probe, 0, name.encode())
    await until(lambda: all(len(heard(probe)) == 3 for probe in probes.values()))

    for name, probe in probes.items():
        assert sorted(heard(probe)) == sorted(other.encode() for other in names if other != name)


async def test_a_second_video_line_is_a_screen_and_the_other_is_asked_for_a_line(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)

    alice.add("video", direction="sendonly")
    await stage.negotiate("alice", alice)
    await asyncio.sleep(0)
    (wish,) = stage.wishes
    bob.add("video", direction="recvonly")
    answer = await stage.negotiate("bob", bob)
    speak(alice, 2, b"screen")
    await until(lambda: bool(heard(bob)))

    assert (wish.participant, wish.receive_audio, wish.receive_video, wish.reason) == ("bob", 1, 2, "screen")
    assert Track("2", "alice", "video", "screen") in answer.tracks
    assert heard(bob) == [b"screen"]
    assert len(stage.wishes) == 1


async def test_who_takes_part_by_audio_may_share_a_screen_and_no_camera(stage: Stage) -> None:
    alice, bob = await stage.enter("alice", audio_only=True), await stage.enter("bob")
    await connected(stage, alice, bob)

    for probe, who, direction in ((alice, "alice", "sendonly"), (bob, "bob", "recvonly")):
        probe.add("video", direction=direction)
        await stage.negotiate(who, probe, audio_only=who == "alice")
    speak(alice, 1, b"camera")
    speak(alice, 2, b"screen")
    await until(lambda: bool(heard(bob)))

    assert heard(bob) == [b"screen"]


async def test_a_screen_on_the_first_line_of_two_people_is_said_to_be_one(stage: Stage) -> None:
    alice, bob = stage.probe("audio", "video"), await stage.enter("bob")
    alice.direct(1, "inactive")
    alice.add("video", direction="sendonly")
    await stage.negotiate("alice", alice)
    await connected(stage, alice, bob)

    assert [(wish.participant, wish.receive_video, wish.reason) for wish in stage.wishes] == [("bob", 1, "tracks")]
    answer = await stage.negotiate("bob", bob)
    assert Track("1", "alice", "video", "screen") in answer.tracks


async def test_who_has_no_line_for_pictures_is_asked_for_one_when_a_screen_is_shared(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob", "audio", audio_only=True)
    await connected(stage, alice, bob)
    assert stage.wishes == []

    alice.add("video", direction="sendonly")
    await stage.negotiate("alice", alice)
    await asyncio.sleep(0)

    (wish,) = stage.wishes
    assert (wish.participant, wish.receive_audio, wish.receive_video, wish.reason) == ("bob", 1, 1, "screen")


async def test_a_camera_on_a_new_line_after_a_stopped_one_is_a_camera(stage: Stage) -> None:
    stopped = CHROMIUM_VIDEO.replace("m=video 9", "m=video 0").replace("a=sendrecv", "a=inactive")
    later = describe(CHROMIUM_AUDIO, stopped, CHROMIUM_VIDEO.replace("mid:1", "mid:2"), mids="0 2")
    alice: dict[str, Any] = {"visit": "visit", "participant": "alice", "peer": "p", "audio_only": False}

    await stage.node.offer(**alice, round=1, sdp=CHROMIUM)
    await stage.negotiate("bob", stage.probe())
    answer = await stage.node.offer(**alice, round=2, sdp=later)
    bobs = await stage.negotiate("bob", stage.probes[-1])

    assert "m=video 0 " in answer.sdp
    assert answer.tracks == (Track("0", "bob", "audio", "camera"), Track("2", "bob", "video", "camera"))
    assert bobs.tracks[1] == Track("1", "alice", "video", "camera")
    assert stage.wishes == []


# --- Facts


def told(stage: Stage, who: str) -> list[str]:
    return [fact.kind for fact in stage.facts if fact.participant == who]


async def test_transport_and_video_are_told_apart(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    assert told(stage, "alice") == ["media_up"]

    speak(alice, 1, b"picture")
    await until(lambda: told(stage, "alice") == ["media_up", "video_up"])


async def test_a_peer_that_says_goodbye_is_down_at_its_last_sign(stage: Stage) -> None:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)
    speak(alice, 1, b"picture")
    await until(lambda: "video_up" in told(stage, "alice"))
    assert stage.node.has_company("visit", "bob")

    await alice.close()
    await until(lambda: "media_down" in told(stage, "alice"))
    assert not stage.node.has_company("visit", "bob"), "there is nobody but oneself"
    assert stage.node.has_company("visit", "alice")
    assert not stage.node.has_company("another visit", "alice")

    at = {fact.kind: fact.at for fact in stage.facts if fact.participant == "alice"}
    assert set(at) == {"media_up", "media_down", "video_up", "video_down"}
    assert at["media_up"] <= at["video_up"] <= at["video_down"] <= at["media_down"]
    assert told(stage, "bob") == ["media_up"]


async def test_silence_for_long_enough_is_down_and_a_muted_microphone_is_not(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    speak(alice, 1, b"picture")
    await until(lambda: "video_up" in told(stage, "alice"))
    peer = stage.node._visits["visit"].people["alice"].peers["peer"].peer

    for _ in range(5):  # reports, as a browser with nothing to say sends them
        stage.later(2.4)
        before = stage.now()
        alice.send(rtcp.write_rr(1))
        await until(lambda before=before: peer.heard.at >= before)  # type: ignore[misc]
    await until(lambda: told(stage, "alice") == ["media_up", "video_up", "video_down"])
    up, down = stage.facts[1:]
    assert 0 <= down.at - up.at < 100  # there was one packet

    deafen(peer)
    stage.later(6.0)
    await until(lambda: told(stage, "alice")[-1] == "media_down")
    assert told(stage, "alice")[-2] == "media_silent"
    assert 12_000 <= stage.facts[-1].at - stage.facts[0].at < 13_000


def deafen(peer: Peer) -> None:
    """Let nothing that it is sent reach a peer any more."""
    for protocol in seam._ice(peer._dtls)._protocols:  # type: ignore[arg-type]
        protocol.datagram_received = lambda data, address: None  # type: ignore[method-assign]


async def test_who_is_not_heard_for_seconds_is_in_doubt_until_they_are_heard_again(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    peer = stage.node._visits["visit"].people["alice"].peers["peer"].peer
    (protocol,) = {pair.protocol for pair in seam._ice(peer._dtls)._nominated.values()}  # type: ignore[arg-type]
    hear = protocol.datagram_received

    deafen(peer)
    stage.later(DOUBT - 0.5)
    await asyncio.sleep(0.2)
    assert told(stage, "alice") == ["media_up"]
    stage.later(0.5)
    await until(lambda: told(stage, "alice") == ["media_up", "media_silent"])
    protocol.datagram_received = hear  # type: ignore[method-assign]

    # Nobody speaks: the node itself asks for a sign.
    await until(lambda: told(stage, "alice") == ["media_up", "media_silent", "media_heard"])


async def test_who_sends_nothing_is_asked_for_a_sign_before_anybody_doubts(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    peer = stage.node._visits["visit"].people["alice"].peers["peer"].peer

    for _ in range(5):
        before = stage.now()
        stage.later(KNOCK + 0.5)
        await until(lambda before=before: peer.heard.at > before + KNOCK)  # type: ignore[misc]

    assert told(stage, "alice") == ["media_up"]


async def test_held_back_video_does_not_count(stage: Stage) -> None:
    alice = await stage.enter("alice")
    await connected(stage, alice)
    speak(alice, 1, b"one")
    await until(lambda: "video_up" in told(stage, "alice"))

    stage.node.set_mode(visit="visit", participant="alice", audio_only=True)
    for number in (2, 3, 4):
        stage.later(2.9)
        speak(alice, 1, b"more", first=number)
        await until(lambda number=number: stage.node.counts().packets_received == number)  # type: ignore[misc]
    await until(lambda: told(stage, "alice") == ["media_up", "video_up", "video_down"])
    stage.node.set_mode(visit="visit", participant="alice", audio_only=False)
    speak(alice, 1, b"again", first=5)
    await until(lambda: told(stage, "alice")[-1] == "video_up")

    _, up, down, again = stage.facts
    assert down.at - up.at < 100
    assert 8_700 <= again.at - up.at < 9_700


async def test_facts_are_the_union_over_a_participants_peers(stage: Stage) -> None:
    old = await stage.enter("alice")
    new = await stage.enter("alice", peer="new")
    await connected(stage, old, new)

    await old.close()
    await until(lambda: stage.node.counts().peers == 1)
    await asyncio.sleep(0.1)

    assert told(stage, "alice") == ["media_up"]
