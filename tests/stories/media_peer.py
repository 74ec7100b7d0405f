"""A WebRTC peer of its own beside a participant's socket: aiortc, with a tone and a moving picture."""

from __future__ import annotations

import asyncio
import fractions
import secrets
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack

from loadtests.participants import Heard, Participant, Told

PATIENCE = 20.0
"""Seconds until what should be is missed."""


class Picture(VideoStreamTrack):
    """A small picture whose shade moves; small, because these machines encode it beside all else."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(64, 64, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([pts // 3000 % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, fractions.Fraction(time_base)
        return frame


class MediaPeer:
    """Offers, is answered, and counts what it decodes."""

    def __init__(self, participant: Participant, *, audio_only: bool = False) -> None:
        self.participant = participant
        self.audio_only = audio_only
        self.name = f"peer-{secrets.token_hex(4)}"
        self.frames: Counter[str] = Counter()
        self.round = 0
        self.answer: Heard = {}
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection.on("track", self._count)

    async def connect(self, purpose: str = "visit") -> None:
        """Send the offer and take the answer."""
        self.connection.addTrack(AudioStreamTrack())
        if not self.audio_only:
            self.connection.addTrack(Picture())
        await self.negotiate(purpose)

    async def negotiate(self, purpose: str = "visit") -> None:
        """Offer what there is, in the next round, and take the answer."""
        self.round += 1
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = self.connection.localDescription.sdp
        await self._offer(sdp, purpose)
        self.answer = await self.participant.hear("media.answer", lambda m: m["peer"] == self.name)
        await self.connection.setRemoteDescription(RTCSessionDescription(self.answer["sdp"], "answer"))

    async def _offer(self, sdp: str, purpose: str) -> None:
        """Offer, again and again while the service says that it cannot now: after an outage a visit has no node yet."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                await self.participant.ask(
                    "media.offer",
                    peer=self.name,
                    round=self.round,
                    sdp=sdp,
                    audio_only=self.audio_only,
                    purpose=purpose,
                )
            except Told as refusal:
                if not refusal.error["temporary"] or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    def _count(self, track: MediaStreamTrack) -> None:
        async def read() -> None:
            while True:
                await track.recv()
                self.frames[track.kind] += 1

        task = asyncio.create_task(read())
        self._tasks.add(task)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()


async def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return as soon as something is true."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it did not become true in time"
        await asyncio.sleep(0.05)
