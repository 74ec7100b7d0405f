"""Audio first: who stays on a bad network loses the picture and never the voice, and everybody is told."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from server.media import rtcp
from server.media.check import Probe, until
from server.media.congestion import UNLIMITED
from server.media.fitting import LITTLE, VOICE
from server.media.peer import Peer
from server.media.rtcp import Block
from server.media.visit import Visit
from tests.server.media.conftest import Stage
from tests.server.media.test_node import OPUS, VP8, asked_for_keyframes, connected, told

TICK = 0.5
EACH = 25
"""Packets of each line in a tick."""


@dataclass
class Scene:
    """Alice and Bob, who send sound and pictures; time goes by in ticks, and the node looks once in each."""

    stage: Stage
    probes: dict[str, Probe] = field(default_factory=dict)
    sent: int = 1000

    async def begin(self, *names: str) -> None:
        for name in names:
            self.probes[name] = await self.stage.enter(name)
        await connected(self.stage, *self.probes.values())

    @property
    def visit(self) -> Visit:
        return self.stage.node._visits["visit"]

    def peer(self, who: str) -> Peer:
        return self.visit.people[who].peers["peer"].peer

    async def goes_on(self, seconds: float, *, upstream: int = 0, downstream: int = 0) -> None:
        """Alice sends and Bob reports: of each tick's packets so many do not come to the node, or not to Bob."""
        for _ in range(round(seconds / TICK)):
            await self.tick(upstream, downstream)

    async def tick(self, upstream: int, downstream: int) -> None:
        alice, bob, counts = self.probes["alice"], self.probes["bob"], self.stage.node.counts
        came = counts().packets_received
        for line, kind, size in ((0, OPUS, 80), (1, VP8, 800)):
            for number in range(self.sent + upstream, self.sent + EACH):
                head = struct.pack("!BBHII", 0x80, kind, number & 0xFFFF, 960 * number, alice.ssrc(line))
                alice.send(head + bytes(size))
        self.sent += EACH
        await until(lambda: counts().packets_received == came + 2 * (EACH - upstream))
        fraction = 256 * (upstream + downstream) // EACH
        sinks = [line.sink for line in self.peer("bob").lines.values() if line.sink.source and line.sink.started]
        heard_at = self.peer("bob").heard.at
        bob.send(rtcp.write_rr(9, [Block(sink.ssrc, fraction << 24, sink._top, 0, 0, 0) for sink in sinks]))
        await until(lambda: self.peer("bob").heard.at > heard_at)
        self.stage.later(TICK)
        self.stage.node._fit(self.visit, self.stage.now())

    def got(self, line: int) -> int:
        """How many packets Bob got on one of his lines."""
        ssrc = self.peer("bob").lines[str(line)].sink.ssrc
        packets = [packet for packet in self.probes["bob"].received if not 192 <= packet[1] <= 223]
        return sum(int.from_bytes(packet[8:12]) == ssrc for packet in packets)

    async def all_came(self) -> tuple[int, int]:
        """Wait for what is still on its way, and return how many packets Bob got: of sound, and of pictures."""
        sent = self.peer("bob").lines["0"].sink.packets, self.peer("bob").lines["1"].sink.packets
        await until(lambda: (self.got(0), self.got(1)) == sent)
        return sent


def rates(probe: Probe) -> list[int]:
    """What a sender was told that it may take."""
    found = [rtcp.remb(p) for packet in probe.received if 192 <= packet[1] <= 223 for p in rtcp.parts(packet)]
    return [rate for rate, _ in filter(None, found)]


async def test_pictures_give_way_to_the_voice_and_come_back_once_the_network_is_good_again(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    await scene.goes_on(5)
    assert "withheld" not in told(stage, "bob")

    await scene.goes_on(6, downstream=8)
    assert told(stage, "bob")[-1] == "withheld"
    sound, pictures = await scene.all_came()
    await scene.goes_on(5, downstream=8)
    assert await scene.all_came() == (sound + 10 * EACH, pictures), "the voice goes on, the picture does not"
    await until(lambda: LITTLE + VOICE in rates(scene.probes["alice"]))

    asked = asked_for_keyframes(scene.probes["alice"])
    await scene.goes_on(16)
    assert (await scene.all_came())[1] > pictures, "it is tried"
    assert told(stage, "bob")[-1] == "withheld", "and nobody hears of it yet"
    await until(lambda: asked_for_keyframes(scene.probes["alice"]) == asked + 1)
    await scene.goes_on(5)

    assert [kind for kind in told(stage, "bob") if kind != "media_up"] == ["withheld", "restored"]
    assert told(stage, "alice") == ["media_up", "video_up"], "her own network is good"
    await until(lambda: rates(scene.probes["alice"])[-1] == UNLIMITED)
    at = {fact.kind: fact.at for fact in stage.facts if fact.participant == "bob"}
    assert 14_000 < at["restored"] - at["withheld"] < 20_000


async def test_what_the_sender_loses_is_not_the_receivers_fault(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    await scene.goes_on(3)

    await scene.goes_on(4, upstream=8)
    assert "withheld" not in told(stage, "alice")
    await until(lambda: bool(rates(scene.probes["alice"])))
    assert rates(scene.probes["alice"])[-1] == LITTLE + VOICE, "less is asked for first"
    assert scene.peer("bob").lines["1"].sink in scene.peer("alice").lines["1"].source.live

    await scene.goes_on(6, upstream=8)
    assert told(stage, "alice")[-1] == "withheld"
    assert scene.peer("alice").lines["1"].source.live == ()
    assert scene.peer("alice").lines["0"].source.live != ()
    assert told(stage, "bob") == ["media_up"]


async def test_without_pictures_nobody_is_told_of_a_network(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    stage.node.set_mode(visit="visit", participant="alice", audio_only=True)

    await scene.goes_on(15, upstream=4, downstream=8)

    assert {"withheld", "restored"}.isdisjoint({*told(stage, "alice"), *told(stage, "bob")})


async def test_who_goes_audio_only_has_no_picture_that_could_be_withheld(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    await scene.goes_on(8, downstream=8)
    assert told(stage, "bob")[-1] == "withheld"

    stage.node.set_mode(visit="visit", participant="alice", audio_only=True)
    await scene.goes_on(1, downstream=8)

    assert told(stage, "bob")[-1] == "restored"


async def test_who_is_stopped_or_gone_is_told_to_be_weak_no_more(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    await scene.goes_on(8, downstream=8)
    assert told(stage, "bob")[-1] == "withheld"

    stage.node.stop("visit", "bob")
    assert told(stage, "bob")[-1] == "restored"

    await scene.begin("bob")
    await scene.goes_on(8, downstream=8)
    assert told(stage, "bob")[-1] == "withheld"
    await scene.probes["bob"].close()
    await until(lambda: "bob" not in scene.visit.people)
    assert told(stage, "bob")[-2:] == ["media_down", "restored"]


async def test_another_peer_of_a_weak_network_gets_no_picture_either(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice", "bob")
    await scene.goes_on(8, downstream=8)

    again = await stage.enter("bob", peer="again")
    await until(lambda: again.connected)

    peers = scene.visit.people["bob"].peers
    live = scene.peer("alice").lines["1"].source.live
    assert [attached.peer.lines["1"].sink in live for attached in peers.values()] == [False, False]


async def test_a_sender_is_not_held_back_while_the_other_one_connects(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin("alice")
    scene.probes["bob"] = await stage.enter("bob")
    peer = scene.peer("bob")
    peer.path.open = False

    stage.node._fit(scene.visit, stage.now())
    await connected(stage, *scene.probes.values())
    peer.find_way()
    await scene.goes_on(1)

    assert rates(scene.probes["alice"]) == []
