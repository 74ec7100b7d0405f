"""Plays people at real sockets: `python3 run.py prove --sockets --messages 200000`.

Two nodes in processes of their own, over one Redis, in a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from tests.server.sockets.crowd import Crowd
from tests.server.sockets.watch import Watch
from tests.stories.worlds import World, two_nodes

TELL = 10.0
"""Every so many seconds a long play says how far it is."""
STILL = 60.0
"""Seconds without a single frame: something hangs."""


@dataclass
class Played:
    """What became of it."""

    sent: int
    received: int
    kinds: Counter[str]
    visits: int
    """In which somebody was."""
    seconds: float
    broken: list[str]

    def line(self) -> str:
        kept = "every promise was kept" if not self.broken else "BROKEN"
        return (
            f"{self.sent + self.received} messages over real sockets ({self.sent} sent, {self.received} received and "
            f"looked at), {self.visits} visits, {self.seconds:.0f} s: {kept}"
        )


async def play(messages: int, seed: int, folder: Path, *, tell: bool = False) -> Played:
    """Play until so many frames went in both directions, or a promise is broken."""
    proxies = {"CARELOBBY_TRUSTED_PROXIES": "127.0.0.1"}
    async with two_nodes(folder, embedded=True, environment=proxies) as world:
        return await play_at(world, messages, seed, tell=tell)


async def play_at(world: World, messages: int, seed: int, *, tell: bool = False) -> Played:
    """Play at nodes that run."""
    watch = Watch()
    crowd = Crowd(world, watch, random.Random(seed), await _an_offer())
    await crowd.gather()
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(crowd.play())
        told = moved = time.monotonic()
        seen = 0
        while watch.messages < messages and not watch.broken and not playing.done():
            await asyncio.sleep(0.1)
            now = time.monotonic()
            if watch.messages > seen:
                seen, moved = watch.messages, now
            if now - moved > STILL:
                watch.broken.append(f"nothing came for {STILL:g} s")
            if tell and now - told > TELL:
                told = now
                print(f"{watch.messages} messages, {now - began:.0f} s", file=sys.stderr, flush=True)
        crowd.stop.set()
    await crowd.disperse()
    seconds = time.monotonic() - began
    return Played(watch.sent, watch.received, watch.kinds, len(crowd.visits_seen), seconds, watch.broken)


async def _an_offer() -> str:
    """Return what a browser offers, with a place for a name of its own."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTrack(AudioStreamTrack())
        peer.addTrack(VideoStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        return re.sub(r"cname:\S+", "cname:{cname}", peer.localDescription.sdp)
    finally:
        await peer.close()


def main(arguments: list[str]) -> int:
    """Play, and tell how much; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python3 run.py prove --sockets", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="how many to play, in both directions")
    parser.add_argument("--seed", type=int, default=1, help="of the choices; what comes of them also hangs on time")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        played = asyncio.run(play(chosen.messages, chosen.seed, Path(folder), tell=True))
    for line in played.broken:
        print(line[:2000])
    print(", ".join(f"{kind} {number}" for kind, number in played.kinds.most_common()))
    print(played.line())
    return 1 if played.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
