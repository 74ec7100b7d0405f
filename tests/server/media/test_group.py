"""A group: who comes and goes disturbs nobody, who speaks comes first, and a slow network is nobody else's trouble."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from server.media import rtcp
from server.media.check import Probe, until
from server.media.fitting import LITTLE, LOW, VOICE, lowest
from server.media.peer import Peer
from server.media.speakers import LEVEL
from server.media.visit import Visit
from server.media.wiring import Sent
from tests.server.media.conftest import Stage
from tests.server.media.packets import extension
from tests.server.media.test_fitting import rates
from tests.server.media.test_node import OPUS, VP8, asked_for_keyframes, connected

TICK = 0.5
EACH = 5
"""Packets of each line in a tick."""


@dataclass
class Group:
    """Peers that come and go, and offer again when they are asked to, as a page does."""

    stage: Stage
    probes: dict[str, Probe] = field(default_factory=dict)
    sent: int = 1000

    async def comes(self, *names: str) -> None:
        for name in names:
            self.probes[name] = await self.stage.enter(name)
            await self.settles()

    async def settles(self) -> None:
        """Let everybody have the lines that are asked for, and connect."""
        await connected(self.stage, *self.probes.values())
        self.stage.node._wire(self.visit)
        while self.stage.wishes:
            wish = self.stage.wishes.pop(0)
            probe = self.probes[wish.participant]
            lines = [transceiver.kind for transceiver in probe.connection.getTransceivers()]
            for kind, wanted in (("audio", wish.receive_audio), ("video", wish.receive_video)):
                for _ in range(wanted - lines.count(kind)):
                    probe.add(kind, direction="recvonly")
            await self.stage.negotiate(wish.participant, probe)
            self.stage.node._wire(self.visit)

    async def goes(self, name: str) -> None:
        self.stage.node.stop("visit", name)
        await until(lambda: not self.probes[name].connected)
        del self.probes[name]
        await self.settles()

    @property
    def visit(self) -> Visit:
        return self.stage.node._visits["visit"]

    def peer(self, who: str) -> Peer:
        return self.visit.people[who].peers["peer"].peer

    async def goes_on(self, seconds: float, *, estimates: Mapping[str, int] = {}, speaks: str = "") -> None:
        """Everybody sends; some say how much they can take, and one is loud."""
        for _ in range(round(seconds / TICK)):
            came = self.stage.node.counts().packets_received
            for name, probe in self.probes.items():
                level = extension((1, bytes([20 if name == speaks else 90])))
                sound = self.peer(name).lines["0"].source
                sound.formats = replace(sound.formats, extensions={**sound.formats.extensions, LEVEL: 1})
                for number in range(self.sent, self.sent + EACH):
                    for line, kind, block, size in ((0, OPUS, level, 80), (1, VP8, b"", 1000)):
                        first = 0x90 if block else 0x80
                        head = struct.pack("!BBHII", first, kind, number, 960 * number, probe.ssrc(line))
                        probe.send(head + block + bytes(size))
            self.sent += EACH
            await until(
                lambda came=came: self.stage.node.counts().packets_received == came + 2 * EACH * len(self.probes)
            )  # type: ignore[misc]
            for name, rate in estimates.items():
                peer, before = self.peer(name), self.peer(name).heard.at
                self.probes[name].send(rtcp.write_remb(9, rate, [line.sink.ssrc for line in peer.lines.values()]))
                await until(lambda peer=peer, before=before: peer.heard.at > before)  # type: ignore[misc]
            self.stage.later(TICK)
            self.stage.node._fit(self.visit, self.stage.now())

    async def streams(self, who: str, begin: int = 0) -> dict[int, list[int]]:
        """The sequence numbers that somebody got since, by SSRC."""
        sinks = [line.sink for line in self.peer(who).lines.values()]
        packets = self.probes[who].received
        media = lambda: [packet for packet in packets if not 192 <= packet[1] <= 223]  # noqa: E731
        await until(lambda: len(media()) >= sum(sink.packets for sink in sinks))
        found: dict[int, list[int]] = defaultdict(list)
        for packet in packets[begin:]:
            if not 192 <= packet[1] <= 223:
                found[int.from_bytes(packet[8:12])].append(int.from_bytes(packet[2:4]))
        return found

    def sees(self, who: str) -> set[str]:
        """Whose camera somebody gets now."""
        carried = self.visit.people[who].peers["peer"].carried
        lines = self.peer(who).lines
        return {
            sent.participant
            for mid, sent in carried.items()
            if sent.kind == "video" and lines[mid].sink.source and lines[mid].sink in lines[mid].sink.source.live  # type: ignore[union-attr]
        }


async def test_coming_and_going_disturb_nobody(stage: Stage) -> None:
    group = Group(stage)
    await group.comes("ann", "bob", "cat")
    await group.goes_on(2)
    before = await group.streams("bob")

    await group.comes("dan")
    await group.goes_on(2)
    await group.goes("cat")
    await group.goes_on(2)
    await group.comes("eve")
    await group.goes_on(2)

    streams = await group.streams("bob")
    from_ann = [
        line.sink.ssrc for line in group.peer("bob").lines.values() if line.sink.source in _sources(group, "ann")
    ]
    assert len(from_ann) == 2
    for ssrc in from_ann:
        assert ssrc in before, "on the line that it was on"
        assert len(streams[ssrc]) == 16 * EACH
        assert all(later == (earlier + 1) & 0xFFFF for earlier, later in pairwise(streams[ssrc])), "without a gap"
    for numbers in streams.values():  # a line that was Cat's goes on, as Eve's
        assert all(later == (earlier + 1) & 0xFFFF for earlier, later in pairwise(numbers))


def _sources(group: Group, who: str) -> list[object]:
    return [line.source for line in group.peer(who).lines.values()]


async def test_who_has_the_floor_may_send_much_and_the_others_little(stage: Stage) -> None:
    group = Group(stage)
    await group.comes("ann", "bob", "cat")

    await group.goes_on(3)
    for probe in group.probes.values():
        await until(lambda probe=probe: abs(rates(probe)[-1] - lowest(3) - VOICE) < 100)  # type: ignore[misc]

    await group.goes_on(3, speaks="bob", estimates=dict.fromkeys(group.probes, 3_000_000))
    caps = {name: group.peer(name).lines["1"].source.cap for name in group.probes}
    assert caps == {"ann": lowest(3), "bob": None, "cat": lowest(3)}
    await until(lambda: rates(group.probes["bob"])[-1] > 1_500_000)
    assert rates(group.probes["ann"])[-1] <= lowest(3) + VOICE

    await group.goes_on(4, speaks="cat")
    assert {name: group.peer(name).lines["1"].source.cap for name in group.probes} == {
        "ann": lowest(3),
        "bob": lowest(3),
        "cat": None,
    }


async def test_of_two_nobody_is_asked_to_send_little_and_nobody_is_listened_to(stage: Stage) -> None:
    group = Group(stage)
    await group.comes("ann", "bob", "cat")
    await group.goes_on(2, speaks="bob")

    await group.goes("cat")
    await group.goes_on(1, speaks="bob")

    for name in group.probes:
        lines = group.peer(name).lines
        assert (lines["0"].source.loudness, lines["1"].source.cap, lines["1"].source.floor) == (None, None, 0)


async def test_a_slow_network_gets_who_speaks_and_the_provider_and_costs_the_others_nothing(stage: Stage) -> None:
    group = Group(stage)
    await group.comes("ann", "bob", "cat", "dan", "dr")
    group.visit.leads = frozenset({"dr"})
    wide = dict.fromkeys(group.probes, 3000000)
    await group.goes_on(4, speaks="cat", estimates=wide)
    assert all(group.sees(name) == group.probes.keys() - {name} for name in group.probes)

    await group.goes_on(4, speaks="cat", estimates={**wide, "bob": 210_000})
    assert group.sees("bob") == {"cat", "dr"}
    assert all(group.sees(name) == group.probes.keys() - {name} for name in group.probes if name != "bob")
    assert group.visit.people["bob"].paused == {Sent("ann", "video", 0), Sent("dan", "video", 0)}
    begin = len(group.probes["bob"].received)
    await group.goes_on(2, speaks="cat", estimates={**wide, "bob": 210_000})
    assert sorted(len(numbers) for numbers in (await group.streams("bob", begin)).values()) == [4 * EACH] * 6, (
        "sound of all four, and two pictures"
    )
    assert min(filter(None, rates(group.probes["ann"]))) >= LOW, "no slow network makes it fall below"

    asked = asked_for_keyframes(group.probes["ann"]), asked_for_keyframes(group.probes["dan"])
    await group.goes_on(20, speaks="cat", estimates=wide)
    assert group.sees("bob") == group.probes.keys() - {"bob"}
    now = asked_for_keyframes(group.probes["ann"]), asked_for_keyframes(group.probes["dan"])
    assert now == (asked[0] + 1, asked[1] + 1), "each begins with a keyframe"


async def test_a_picture_that_nobody_gets_takes_little(stage: Stage) -> None:
    group = Group(stage)
    await group.comes("ann", "bob", "cat")
    await group.goes_on(1)
    for name in ("bob", "cat"):
        group.visit.people[name].share.most = 1
        group.visit.people[name].share._next = float("inf")
    group.visit.leads = frozenset({"bob", "cat"})

    await group.goes_on(2)

    assert group.sees("bob") == {"cat"}
    assert group.peer("ann").lines["1"].source.cap == LITTLE
    assert group.peer("bob").lines["1"].source.cap == lowest(3)


async def test_twelve_and_their_provider_get_one_another_and_eleven_low_pictures_fit(stage: Stage) -> None:
    group = Group(stage)
    names = [f"client {number}" for number in range(12)]
    await group.comes("dr", *names)
    everybody = group.probes.keys()

    await group.goes_on(1, speaks="dr")

    assert all(group.sees(name) == everybody - {name} for name in everybody)
    for name in everybody:
        assert sorted(len(numbers) for numbers in (await group.streams(name)).values()) == [2 * EACH] * 24
    caps = [group.peer(name).lines["1"].source.cap for name in names]
    assert caps == [lowest(13)] * 12 == [LOW] * 12
