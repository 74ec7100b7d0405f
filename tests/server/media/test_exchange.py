"""Ordinary aiortc peers, with sound and pictures of their own, see and hear each other through the node."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import uvloop
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from server.media import ice, seam
from server.media.check import Probe, until
from server.media.node import MediaNode
from tests.server.media.conftest import Stage


class Picture(VideoStreamTrack):
    """A small picture, 25 times a second."""

    async def recv(self) -> VideoFrame:
        await asyncio.sleep(0.04)
        frame = VideoFrame(160, 120, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        self._count = getattr(self, "_count", 0) + 1
        frame.pts, frame.time_base = self._count * 3600, Fraction(1, 90_000)
        return frame


class Client:
    """A peer as a program writes it that knows nothing of this node."""

    def __init__(self, *, video: bool = True) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.frames = {"audio": 0, "video": 0}
        self._pulling: set[asyncio.Task[None]] = set()
        self.connection.on("track", self._pull)
        self.connection.addTrack(AudioStreamTrack())
        if video:
            self.connection.addTrack(Picture())
        for transceiver in self.connection.getTransceivers():
            # A machine without any other address can talk to itself.
            seam.stand_guard(
                transceiver.receiver.transport,
                lambda found: ice.hosts(found, loopback=False),
                lambda protocol, hand_on: hand_on,
            )

    def _pull(self, track: MediaStreamTrack) -> None:
        async def pull() -> None:
            try:
                while True:
                    await track.recv()
                    self.frames[track.kind] += 1
            except MediaStreamError:
                pass

        task = asyncio.get_running_loop().create_task(pull())
        self._pulling.add(task)
        task.add_done_callback(self._pulling.discard)

    async def enter(self, node: MediaNode, who: str, *, audio_only: bool = False) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = self.connection.localDescription.sdp
        answer = await node.offer(visit="visit", participant=who, peer="one", round=1, sdp=sdp, audio_only=audio_only)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))

    async def close(self) -> None:
        await self.connection.close()
        for task in list(self._pulling):
            task.cancel()


async def test_sound_and_pictures_go_both_ways(stage: Stage) -> None:
    alice, bob = Client(), Client()

    await alice.enter(stage.node, "alice")
    await bob.enter(stage.node, "bob")
    await until(lambda: min(alice.frames["audio"], bob.frames["audio"]) > 20, 20)
    await until(lambda: min(alice.frames["video"], bob.frames["video"]) > 10, 20)

    assert stage.wishes == []
    await alice.close()
    await bob.close()


async def test_sound_alone_goes_both_ways(stage: Stage) -> None:
    alice, bob = Client(video=False), Client()

    await alice.enter(stage.node, "alice", audio_only=True)
    await bob.enter(stage.node, "bob")
    await until(lambda: alice.frames["audio"] > 20 and bob.frames["audio"] > 20, 20)

    assert alice.frames["video"] == bob.frames["video"] == 0
    await alice.close()
    await bob.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_after_many_visits_nothing_is_left(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def visit(node: MediaNode, number: int) -> None:
        probes = [Probe(), Probe()]
        for who, probe in zip(("alice", "bob"), probes, strict=True):
            answer = await node.offer(
                visit=str(number), participant=who, peer="p", round=1, sdp=await probe.offer(), audio_only=False
            )
            await probe.accept(answer.sdp)
        if number % 3:  # else it ends in the middle of the handshake
            await until(lambda: node.counts().connected == len(probes))
        if number % 2:
            node.stop(str(number))
        for probe in probes:
            await probe.close()
        await until(lambda: node.counts().visits == 0) if number % 3 else node.stop(str(number))

    async def many() -> tuple[int, int]:
        facts: list[object] = []
        node = MediaNode(clock=lambda: 0, fact=facts.append, ask=facts.append, interval=0.05, loopback=True)
        await visit(node, 1)
        await node.close()
        base = open_files(), threading.active_count()
        for number in range(24):
            await visit(node, number)
        await node.close()
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert node._timer is None
        return open_files() - base[0], threading.active_count() - base[1]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        left = runner.run(many())

    assert left == (0, 0)


def test_all_of_it_works_on_uvloop_too() -> None:
    async def talk() -> None:
        stage = Stage()
        alice, bob = Client(), Client()
        await alice.enter(stage.node, "alice")
        await bob.enter(stage.node, "bob")
        await until(lambda: min(*alice.frames.values(), *bob.frames.values()) > 5, 20)
        await alice.close()
        await bob.close()
        await stage.node.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


async def test_a_machine_that_has_no_address_but_loopback_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    node = MediaNode(clock=lambda: 0, fact=lambda fact: None, ask=lambda wish: None)
    alice, bob = Client(video=False), Client(video=False)

    await alice.enter(node, "alice", audio_only=True)
    await bob.enter(node, "bob", audio_only=True)
    await until(lambda: min(alice.frames["audio"], bob.frames["audio"]) > 5, 20)

    await alice.close()
    await bob.close()
    await node.close()
