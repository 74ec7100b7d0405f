"""Peers with the server alone: a warm one waits unheard until it is a visit's, and nobody hears an echo but its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from server.media import beginning, peer
from server.media.check import Probe, until
from server.media.pool import CHECK, WARM
from signaling.errors import BadSdp, NotFound, StaleRound, TooMany
from tests.server.media.conftest import Stage
from tests.server.media.test_node import asked_for_keyframes, connected, heard, speak

KEYFRAME = b"\x10\x00"
"""The first bytes of one of VP8."""


async def alone(
    stage: Stage, who: str, *kinds: str, peer: str = "peer", purpose: Literal["warm", "check"] = "warm"
) -> Probe:
    """Return a peer of that participant that belongs to no visit, negotiated."""
    probe = stage.probe(*kinds)
    await again(stage, who, probe, peer=peer, purpose=purpose)
    return probe


async def again(
    stage: Stage, who: str, probe: Probe, *, peer: str = "peer", purpose: Literal["warm", "check"] = "warm"
) -> None:
    number = stage.rounds[who, peer] = stage.rounds.get((who, peer), 0) + 1
    answer = await stage.node.alone.offer(
        purpose=purpose, room="room", participant=who, peer=peer, round=number, sdp=await probe.offer()
    )
    assert answer.tracks == ()
    await probe.accept(answer.sdp)


async def warmed(stage: Stage, *probes: Probe) -> None:
    """Return when all of them can send, and the node knows it."""
    await until(lambda: all(p.connected for p in probes) and all(p.state == "connected" for p in stage.node.alone))


async def test_what_comes_on_a_warm_peer_is_counted_and_goes_nowhere(stage: Stage) -> None:
    alice, bob = await alone(stage, "alice"), await alone(stage, "bob")
    await warmed(stage, alice, bob)

    for probe in (alice, bob):
        speak(probe, 0, b"hello")
        speak(probe, 1, b"picture")
    await until(lambda: stage.node.counts().packets_held == 4)

    counts = stage.node.counts()
    assert (counts.packets_received, counts.packets_forwarded, counts.warm, counts.visits) == (4, 0, 2, 0)
    assert (heard(alice), heard(bob)) == ([], [])
    assert asked_for_keyframes(alice) == asked_for_keyframes(bob) == 0
    assert stage.facts == []


async def test_warm_peers_become_a_visits_by_their_next_round_without_another_handshake(stage: Stage) -> None:
    alice, bob = await alone(stage, "alice"), await alone(stage, "bob")
    await warmed(stage, alice, bob)

    first = await stage.negotiate("alice", alice, room="room", warm=True, others=("bob",))
    second = await stage.negotiate("bob", bob, room="room", warm=True, others=("alice",))
    counts = stage.node.counts()
    assert (counts.peers, counts.connected, counts.warm) == (2, 2, 0)
    assert [track.participant for track in (*first.tracks, *second.tracks)] == ["bob", "bob", "alice", "alice"]
    speak(alice, 0, b"hello")
    speak(bob, 1, b"picture of bob")
    await until(lambda: bool(heard(alice) and heard(bob)))

    assert (heard(alice), heard(bob)) == ([b"picture of bob"], [b"hello"])
    assert stage.wishes == []
    await until(lambda: asked_for_keyframes(alice) == asked_for_keyframes(bob) == 1)


async def test_what_is_agreed_on_already_is_not_agreed_on_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await alone(stage, "alice")
    await warmed(stage, alice)
    [waiting] = stage.node.alone
    for work in ("setRemoteDescription", "setLocalDescription"):
        monkeypatch.setattr(waiting._connection, work, None)

    answer = await stage.negotiate("alice", alice, room="room", warm=True)

    assert answer.sdp
    assert (waiting.held, stage.node.counts().warm) == (False, 0)


async def test_a_picture_that_overtook_the_offer_it_belongs_to_is_seen_and_none_from_before_they_were_let_in(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (beginning, peer):
        monkeypatch.setattr(module, "LONGEST", 30.0)  # however slow this machine is
    alice, bob = await alone(stage, "alice"), await alone(stage, "bob")
    await warmed(stage, alice, bob)
    speak(alice, 1, KEYFRAME + b"in the waiting room")
    await until(lambda: stage.node.counts().packets_held == 1)
    stage.later(0.1)
    begun = round(stage.now() * 1000)
    stage.later(0.01)  # the room counts in whole milliseconds
    speak(alice, 1, KEYFRAME + b"in the session", first=2)
    await until(lambda: stage.node.counts().packets_held == 2)

    for who, probe in (("alice", alice), ("bob", bob)):
        await stage.negotiate(who, probe, room="room", warm=True, since=begun)
    await until(lambda: bool(heard(bob)))

    assert heard(bob) == [KEYFRAME + b"in the session"]
    assert asked_for_keyframes(alice) == 0


async def test_of_what_waited_nothing_is_heard_where_nobody_says_since_when_they_are_in(stage: Stage) -> None:
    alice, bob = await alone(stage, "alice"), await alone(stage, "bob")
    await warmed(stage, alice, bob)
    speak(alice, 1, KEYFRAME + b"in the waiting room")
    await until(lambda: stage.node.counts().packets_held == 1)

    for who, probe in (("alice", alice), ("bob", bob)):
        await stage.negotiate(who, probe, room="room", warm=True)
    await until(lambda: asked_for_keyframes(alice) == 1)

    assert heard(bob) == []


async def test_a_warm_peer_meets_one_that_was_not(stage: Stage) -> None:
    alice = await alone(stage, "alice")
    await warmed(stage, alice)
    bob = await stage.enter("bob")

    await stage.negotiate("alice", alice, room="room", warm=True)
    await connected(stage, alice, bob)
    speak(alice, 1, b"picture of alice")
    speak(bob, 1, b"picture of bob")
    await until(lambda: bool(heard(alice) and heard(bob)))

    assert (heard(alice), heard(bob)) == ([b"picture of bob"], [b"picture of alice"])


async def test_nobodys_minutes_begin_before_they_are_in(stage: Stage) -> None:
    alice = await alone(stage, "alice")
    await warmed(stage, alice)
    speak(alice, 1, b"too early")
    await until(lambda: stage.node.counts().packets_held == 1)
    stage.later(2.0)
    begun = round(stage.now() * 1000)

    await stage.negotiate("alice", alice, room="room", warm=True)
    await until(lambda: bool(stage.facts))

    [up] = stage.facts
    assert (up.kind, up.visit, up.participant) == ("media_up", "visit", "alice")
    assert up.at >= begun
    assert stage.node.counts().packets_held == 1


@pytest.mark.parametrize("elsewhere", ["another peer", "another room", "another participant"])
async def test_a_warm_peer_that_is_not_here_can_be_answered_by_nobody(stage: Stage, elsewhere: str) -> None:
    alice = await alone(stage, "alice")
    await warmed(stage, alice)
    offered = await alice.offer()

    for _ in range(2):
        with pytest.raises(NotFound):
            await stage.node.offer(
                visit="visit",
                participant="bob" if elsewhere == "another participant" else "alice",
                peer="px" if elsewhere == "another peer" else "peer",
                round=2,
                sdp=offered,
                audio_only=False,
                room="other" if elsewhere == "another room" else "room",
                warm=True,
            )

    counts = stage.node.counts()
    assert (counts.visits, counts.peers, counts.warm) == (0, 0, 1)


async def test_an_older_round_does_not_take_a_warm_peer(stage: Stage) -> None:
    alice = await alone(stage, "alice")
    await again(stage, "alice", alice)
    stage.rounds["alice", "peer"] = 1

    with pytest.raises(StaleRound):
        await stage.negotiate("alice", alice, room="room", warm=True)

    assert (stage.node.counts().warm, stage.node.counts().visits) == (1, 0)


async def test_a_warm_peer_whose_offer_for_the_visit_is_no_good_is_closed(stage: Stage) -> None:
    alice = await alone(stage, "alice")
    await warmed(stage, alice)
    stranger = await stage.probe().offer()  # of another transport

    with pytest.raises(BadSdp):
        await stage.node.offer(
            visit="visit", participant="alice", peer="peer", round=2, sdp=stranger, audio_only=False, room="room"
        )

    counts = stage.node.counts()
    assert (counts.visits, counts.peers, counts.warm) == (0, 0, 0)


async def test_sound_alone_can_wait_too(stage: Stage) -> None:
    alice = await alone(stage, "alice", "audio")
    bob = await stage.enter("bob")
    await warmed(stage, alice)

    await stage.negotiate("alice", alice, room="room", warm=True, audio_only=True)
    await connected(stage, alice, bob)
    speak(alice, 0, b"hello")
    await until(lambda: heard(bob) == [b"hello"])


# --- How many, and how long


async def test_of_more_warm_peers_than_one_may_have_the_oldest_goes(stage: Stage) -> None:
    for number in range(WARM.each + 1):
        await alone(stage, "alice", "audio", peer=f"p{number}")
    await alone(stage, "bob", "audio", peer="p0")

    assert not stage.node.alone.has("room", "alice", "p0")
    assert [stage.node.alone.has("room", "alice", f"p{n + 1}") for n in range(WARM.each)] == [True] * WARM.each
    assert stage.left == [("room", "alice", "p0")]


async def test_a_full_node_refuses_another_and_keeps_those_who_came_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alone(stage, "alice", "audio")
    await alone(stage, "bob", "audio", purpose="check")
    for pool in (stage.node.alone.warm, stage.node.alone.checks):
        monkeypatch.setattr(pool, "_bounds", replace(pool._bounds, all=1))

    with pytest.raises(TooMany):
        await alone(stage, "carol", "audio")
    with pytest.raises(TooMany):
        await alone(stage, "carol", "audio", purpose="check")

    assert (stage.node.counts().warm, stage.node.counts().checks) == (1, 1)


async def test_a_warm_peer_that_nobody_renews_goes_and_one_that_is_renewed_stays(stage: Stage) -> None:
    await alone(stage, "alice", "audio")
    bob = await alone(stage, "bob", "audio")
    await warmed(stage)
    stage.later(WARM.life - 5)
    await again(stage, "bob", bob)

    stage.later(10)
    await until(lambda: stage.left == [("room", "alice", "peer")])
    stage.later(WARM.life)
    await until(lambda: stage.node.counts().warm == 0)


async def test_a_peer_that_its_browser_closes_is_here_no_more(stage: Stage) -> None:
    alice = await alone(stage, "alice", "audio")
    await warmed(stage, alice)

    await alice.close()
    await until(lambda: stage.left == [("room", "alice", "peer")])

    assert stage.node.counts().warm == 0


async def test_one_that_is_stopped_hears_and_sends_nothing_more(stage: Stage) -> None:
    alice = await alone(stage, "alice", "audio")
    await warmed(stage, alice)

    for _ in range(2):
        stage.node.alone.stop("room", "alice", "peer")

    assert stage.left == [("room", "alice", "peer")]
    with pytest.raises(NotFound):
        await stage.negotiate("alice", alice, room="room", warm=True)


async def test_what_cannot_be_answered_is_not_kept(stage: Stage) -> None:
    for purpose in ("warm", "check"):
        with pytest.raises(BadSdp):
            await stage.node.alone.offer(
                purpose=purpose,  # type: ignore[arg-type]
                room="room",
                participant="alice",
                peer="peer",
                round=1,
                sdp="v=0",
            )

    assert (stage.node.counts().warm, stage.node.counts().checks) == (0, 0)


# --- Echo


async def test_a_check_hears_itself_and_nobody_else(stage: Stage) -> None:
    alice = await alone(stage, "alice", purpose="check")
    bob = await alone(stage, "bob", purpose="check")
    await warmed(stage, alice, bob)

    speak(alice, 0, b"hello")
    speak(alice, 1, b"picture of alice")
    speak(bob, 0, b"good day")
    await until(lambda: len(heard(alice)) == 2 and len(heard(bob)) == 1)

    assert sorted(heard(alice)) == [b"hello", b"picture of alice"]
    assert heard(bob) == [b"good day"]
    assert {int.from_bytes(packet[8:12]) for packet in alice.received}.isdisjoint({alice.ssrc(0), alice.ssrc(1)})
    assert (stage.node.counts().checks, stage.node.counts().packets_held) == (2, 0)
    assert stage.facts == []


async def test_an_echo_ends_by_itself_however_often_it_is_offered(stage: Stage) -> None:
    alice = await alone(stage, "alice", "audio", purpose="check")
    await warmed(stage, alice)

    stage.later(CHECK.life - 1)
    await again(stage, "alice", alice, purpose="check")
    assert stage.node.counts().checks == 1
    stage.later(2)
    await until(lambda: stage.node.counts().checks == 0)

    assert stage.left == [("room", "alice", "peer")]


async def test_another_check_of_the_same_person_takes_the_place_of_the_first(stage: Stage) -> None:
    await alone(stage, "alice", "audio", peer="p1", purpose="check")
    await alone(stage, "alice", "audio", peer="p2", purpose="check")

    assert (stage.node.counts().checks, stage.left) == (1, [("room", "alice", "p1")])


async def test_an_echo_never_becomes_a_visits(stage: Stage) -> None:
    alice = await alone(stage, "alice", purpose="check")
    await warmed(stage, alice)

    with pytest.raises(NotFound):
        await stage.negotiate("alice", alice, room="room", warm=True)


async def test_candidates_are_for_the_peer_that_is_here(stage: Stage) -> None:
    await alone(stage, "alice", "audio")
    host = {"candidate": "candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host"}

    await stage.node.alone.candidates(room="room", participant="alice", peer="peer", candidates=[host])
    await stage.node.alone.candidates(room="room", participant="bob", peer="peer", candidates=[host])
    many = [{"candidate": f"candidate:1 1 udp 1 127.0.0.1 {50001 + n} typ host"} for n in range(40)]
    with pytest.raises(TooMany):
        await stage.node.alone.candidates(room="room", participant="alice", peer="peer", candidates=many)
