"""A participant's media by the protocol: the offer goes over their WebSocket, packets to whom the answer names."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from typing import Final

from loadtests.media.caller import Caller
from loadtests.media.chatter import Chatter
from loadtests.media.pace import Pacer
from loadtests.media.scenes import BOTH, SOUND, until
from loadtests.media.traffic import Clip, Stream
from loadtests.participants import Participant, Told

AGAIN: Final = 0.1
"""Seconds until an offer is made again that could not be answered now."""
PATIENCE: Final = 20.0


class Talk:
    """What one participant sends and gets, over one peer after the other."""

    def __init__(self, participant: Participant, pacer: Pacer, clips: Sequence[Clip], chance: random.Random) -> None:
        """`clips`: a voice, and a picture if there is one."""
        self.participant = participant
        self.caller: Caller | None = None
        self._pacer = pacer
        self._clips = clips
        self._chance = chance
        self._going: Sequence[Stream | Chatter] = ()

    async def connect(self) -> float:
        """Make a peer, and send on it once it is connected; return the seconds from offer until then."""
        caller = Caller(SOUND if len(self._clips) == 1 else BOTH, loopback=False)
        name = f"peer-{secrets.token_hex(4)}"
        offer = await caller.offer()
        begun = time.perf_counter()
        try:
            await self._offer(name, offer)
            answer = await self.participant.hear("media.answer", lambda m: m["peer"] == name)
            await caller.accept(answer["sdp"])
            await until(lambda: caller.connected, "connected")
        except BaseException:
            await caller.close()
            raise
        self.caller = caller
        streams = [caller.stream(line, clip, self._chance) for line, clip in enumerate(self._clips)]
        chatter = Chatter(caller.tally, streams, self._chance)
        self._going = [*streams, chatter]
        for stream in streams:
            self._pacer.add(stream, caller.send)
        self._pacer.add(chatter, caller.send_rtcp)
        assert caller.connected_at is not None
        return caller.connected_at - begun

    async def _offer(self, name: str, sdp: str) -> None:
        """Offer, again and again while the service says that it cannot now."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                sound = len(self._clips) == 1
                await self.participant.ask("media.offer", peer=name, round=1, sdp=sdp, audio_only=sound)
            except Told as refusal:
                if not refusal.error.get("temporary") or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(AGAIN)
            else:
                return

    async def close(self) -> None:
        """Say goodbye and close the peer."""
        caller = self._silent()
        if caller is not None:
            await caller.close()

    def kill(self) -> Caller | None:
        """Vanish without a word, as a device that is switched off; what is left is to be closed later."""
        caller = self._silent()
        if caller is not None:
            caller.vanish()
        return caller

    def _silent(self) -> Caller | None:
        for stream in self._going:
            self._pacer.drop(stream)
        caller, self.caller = self.caller, None
        return caller
