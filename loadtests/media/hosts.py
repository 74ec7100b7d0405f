"""`python -m loadtests.media.hosts node|relay`: what forwards media, in a process of its own, and nothing beside it.

`node`: our media node. `relay`: aiortc's own way, MediaRelay, that decodes and encodes. Both run on uvloop.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from server.media.node import MediaNode
from server.telemetry import tune_allocator, tune_collector

Figures = dict[str, float]


class Forwarder(Protocol):
    """What is measured."""

    async def offer(self, visit: str, participant: str, sdp: str) -> str:
        """Return the answer."""

    async def stop(self, visit: str) -> None:
        """Let all peers of a visit go."""

    def figures(self) -> Figures:
        """Return its own counts."""


class Node:
    """Our media node."""

    def __init__(self) -> None:
        self._node = MediaNode(
            clock=lambda: time.time_ns() // 1_000_000, fact=lambda fact: None, ask=lambda wish: None, loopback=True
        )

    async def offer(self, visit: str, participant: str, sdp: str) -> str:
        """Answer as the service would."""
        wanted = {"visit": visit, "participant": participant, "peer": "peer", "audio_only": False}
        return (await self._node.offer(**wanted, round=1, sdp=sdp)).sdp  # type: ignore[arg-type]

    async def stop(self, visit: str) -> None:
        """Stop it at once; peers close behind."""
        self._node.stop(visit)

    def figures(self) -> Figures:
        """Return the node's counts."""
        counts = self._node.counts()
        return {"peers": counts.peers, "connected": counts.connected, "forwarded": counts.packets_forwarded}


class Relay:
    """Two peers of aiortc's a visit, each of whom is sent what the other's decoder makes."""

    def __init__(self) -> None:
        self._visits: dict[str, list[RTCPeerConnection]] = {}

    async def offer(self, visit: str, participant: str, sdp: str) -> str:
        """Answer; what the other sends is put in as soon as both are there."""
        peers = self._visits.setdefault(visit, [])
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        for transceiver in peer.getTransceivers():
            transceiver.direction = "sendrecv"
        if len(peers) == 2:
            for one, other in (peers, peers[::-1]):
                relay = MediaRelay()
                for mine, theirs in zip(one.getTransceivers(), other.getTransceivers(), strict=True):
                    mine.sender.replaceTrack(relay.subscribe(theirs.receiver.track))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def stop(self, visit: str) -> None:
        """Close both."""
        await asyncio.gather(*(peer.close() for peer in self._visits.pop(visit, [])))

    def figures(self) -> Figures:
        """Return how many peers there are."""
        return {"peers": sum(map(len, self._visits.values()))}


def usage() -> Figures:
    """Return what this process uses: CPU (s), memory (bytes), and what it has open."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "cpu": used.ru_utime + used.ru_stime,
        "memory": pages * resource.getpagesize(),
        "threads": threading.active_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "tasks": len(asyncio.all_tasks()),
    }


async def serve(forwarder: Forwarder) -> None:
    """Answer each line from standard input, as long as there are any."""
    tune_allocator()
    tune_collector()
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def answer(line: bytes) -> dict[str, Any]:
        if line == b"usage\n":
            return usage() | forwarder.figures()
        asked = json.loads(line)
        deeds: dict[str, Callable[..., Awaitable[Any]]] = {"offer": forwarder.offer, "stop": forwarder.stop}
        return {"said": await deeds[asked.pop("do")](**asked)}

    # Several offers may be under way, but answers come in the order of the questions.
    while line := await reader.readline():
        try:
            said = await answer(line)
        except Exception as error:  # noqa: BLE001 - told to who asked
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    KINDS: dict[str, Callable[[], Forwarder]] = {"node": Node, "relay": Relay}
    uvloop.run(serve(KINDS[sys.argv[1]]()))
