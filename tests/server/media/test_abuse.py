"""One bad peer does not disturb another visit of the same process, and what it does to its own is bounded."""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import struct
import time
from collections.abc import Callable

import pytest

from server.media import heard, rtcp, seam
from server.media.check import Probe, until
from server.media.limits import KEYFRAMES, REPEATS, Rate
from server.media.peer import Peer
from server.media.rtp import payload_at
from tests.server.media.conftest import Stage

OPUS, VP8 = 96, 97
FLOOD = 10_000
"""Packets a second."""
LASTS = 3.0
"""Seconds."""


async def enter(stage: Stage, visit: str, who: str) -> Probe:
    """Return a peer of somebody in that visit."""
    probe = stage.probe("audio", "video")
    answer = await stage.node.offer(
        visit=visit, participant=who, peer="p", round=1, sdp=await probe.offer(), audio_only=False
    )
    await probe.accept(answer.sdp)
    return probe


def peer(stage: Stage, visit: str, who: str) -> Peer:
    return stage.node._visits[visit].people[who].peers["p"].peer


def control(probe: Probe) -> list[rtcp.Part]:
    """Return what was asked of a peer."""
    return [part for packet in probe.received if 192 <= packet[1] <= 223 for part in rtcp.parts(packet)]


def words(probe: Probe) -> list[bytes]:
    return [packet[payload_at(packet) :] for packet in probe.received if not 192 <= packet[1] <= 223]


class Speech:
    """Somebody says something fifty times a second, and how long each word takes is noted."""

    def __init__(self, speaker: Probe, listener: Probe) -> None:
        self.speaker = speaker
        self.listener = listener
        self.said = 0
        self.delays: list[float] = []

    async def go_on(self, seconds: float) -> list[float]:
        """Speak for so long, and return the delays of all that was said, once all has come."""
        before, self.listener.received = self.said, Arrivals()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (late := loop.time() - began) < seconds:
            if (self.said - before) / 50 <= late:
                self.said += 1
                head = struct.pack("!BBHII", 0x80, OPUS, self.said, 960 * self.said, self.speaker.ssrc(0))
                self.speaker.send(head + struct.pack("!d", time.monotonic()))
            await asyncio.sleep(0.002)
        arrivals = self.listener.received
        await until(lambda: len(words(self.listener)) == self.said - before)
        return [
            at - struct.unpack("!d", packet[-8:])[0]
            for at, packet in zip(arrivals.at, arrivals, strict=True)
            if not 192 <= packet[1] <= 223
        ]


class Arrivals(list[bytes]):
    """A list that notes when something is added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def append(self, packet: bytes) -> None:
        self.at.append(time.monotonic())
        super().append(packet)


async def flood(mallory: Probe, victim: Probe, doors: list[tuple[str, int]], until_then: float) -> None:
    """Send whatever a peer can: too much, nonsense, long lists of losses, storms of requests; and to strangers, too."""
    chance, number = random.Random(7), 0
    junk = [
        struct.pack("!BBHI", 0x80 | chance.randrange(32), kind, 300, 1) + chance.randbytes(1200)
        for kind in range(200, 207)
    ]
    everything = rtcp.write_nack(1, mallory_hears(mallory), range(0, 4_000))
    storm = struct.pack("!BBHII", 0x84, 206, 62, 1, 0) + 30 * struct.pack("!II", mallory_hears(mallory), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        while time.monotonic() < until_then:
            for _ in range(FLOOD // 100):
                number += 1
                head = struct.pack("!BBHII", 0x80, VP8, number & 0xFFFF, 90 * number, mallory.ssrc(1))
                mallory.send(head + bytes(200))
            for packet in (*junk, *junk, everything, storm, rtcp.write_pli(1, mallory_hears(mallory))):
                mallory.send(packet)
            for door in doors:
                stranger.sendto(b"\x80" + chance.randbytes(400), door)
            await asyncio.sleep(0.01)


def mallory_hears(mallory: Probe) -> int:
    """Return the number of the video stream that a peer gets."""
    (number,) = {int.from_bytes(packet[8:12]) for packet in mallory.received if packet[1] & 0x7F == VP8}
    return number


async def test_a_flood_beside_it_costs_a_visit_no_packet_and_little_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that is busy floods slowly: what is too much is less here.
    monkeypatch.setattr(heard, "PACKETS", packets := Rate(200, 400))
    monkeypatch.setattr(heard, "REPORTS", reports := Rate(50, 150))
    ann, bea = await enter(stage, "healthy", "ann"), await enter(stage, "healthy", "bea")
    mallory, victim = await enter(stage, "bad", "mallory"), await enter(stage, "bad", "victim")
    await until(lambda: stage.node.counts().connected == 4 and all(p.connected for p in stage.probes))
    victim.send(struct.pack("!BBHII", 0x80, VP8, 1, 1, victim.ssrc(1)) + b"picture")
    await until(lambda: any(packet[1] & 0x7F == VP8 for packet in mallory.received))
    doors = [door for probe in (ann, bea) for _, door in probe.sent if "." in door[0]]
    speech = Speech(ann, bea)

    quiet = await speech.go_on(LASTS)
    asked_before = len(control(victim))
    flooding = asyncio.create_task(flood(mallory, victim, doors, time.monotonic() + LASTS))
    loud = await speech.go_on(LASTS)
    await flooding

    assert len(loud) >= 40 * LASTS, "every word came; and these machines are slow, but not that slow"
    assert percentile(loud) <= max(20 * percentile(quiet), 0.1)
    bad = peer(stage, "bad", "mallory")
    assert bad.excess > 0
    most = packets.at_once + packets.each_second * (LASTS + 1)
    assert bad.heard.packets <= most
    assert len(words(victim)) <= most
    assert bad.heard.reports <= reports.at_once + reports.each_second * (LASTS + 1)
    asked = control(victim)[asked_before:]
    keyframes = [part for part in asked if (part.kind, part.format) == (rtcp.PAYLOAD_FEEDBACK, rtcp.PLI)]
    again = sum(len(rtcp.lost(part)) for part in asked if part.kind == rtcp.TRANSPORT_FEEDBACK)
    assert 0 < len(keyframes) <= KEYFRAMES.at_once + KEYFRAMES.each_second * (LASTS + 1)
    assert 0 < again <= REPEATS.at_once + REPEATS.each_second * (LASTS + 1)
    assert peer(stage, "healthy", "ann").state == "connected"


def percentile(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]


async def test_a_packet_beyond_the_budget_costs_a_fraction_of_one_that_is_forwarded(stage: Stage) -> None:
    mallory, _ = await enter(stage, "bad", "mallory"), await enter(stage, "bad", "victim")
    await until(lambda: stage.node.counts().connected == 2 and all(p.connected for p in stage.probes))
    bad = peer(stage, "bad", "mallory")
    protect, _ = seam.closers(mallory._dtls)
    heads = (struct.pack("!BBHII", 0x80, VP8, number, 90 * number, mallory.ssrc(1)) for number in range(1, 30_000))

    def took(least: Callable[[], int]) -> float:
        """Return the seconds for a hundred packets that come to the node."""
        packets = [bytes(protect(next(heads) + bytes(900))) for _ in range(100)]
        before, began = least(), time.perf_counter()
        for packet in packets:
            bad._media(packet)
        passed = time.perf_counter() - began
        assert least() - before == 100
        return passed

    forwarded, dropped = [], []
    for _ in range(10):
        bad.heard.most_packets, bad.heard.most_octets = bad.heard.packets + 100, bad.heard.octets + 1_000_000
        forwarded.append(took(lambda: bad.heard.packets))
        bad.heard.most_packets = bad.heard.packets
        dropped.append(took(lambda: bad.excess))

    assert statistics.median(dropped) < statistics.median(forwarded) / 3
