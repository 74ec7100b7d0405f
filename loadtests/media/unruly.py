"""A visit with media in which things go wrong: sockets are cut, devices vanish, pictures stop, it ends too soon."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from loadtests.ehr import Booked, Ehr
from loadtests.media.caller import Caller
from loadtests.media.pace import Pacer
from loadtests.media.talk import Talk
from loadtests.media.traffic import Clip, video, voice
from loadtests.participants import Participant

HAPPENINGS: Final = 4
"""In one visit."""
VOICE: Final = voice()
PICTURE: Final = video(packets=30)
"""One packet a frame: what is looked for is what stays, not what it costs."""
SOUND_ONLY: Final = 0.25
"""The share of visits without a picture."""


class Unruly:
    """A visit of two."""

    def __init__(self, ehr: Ehr, pacer: Pacer, chance: random.Random, pause: float, seen: Counter[str]) -> None:
        """`pause`: seconds between two things that happen, on average; `seen` counts them."""
        self._ehr = ehr
        self._pacer = pacer
        self._chance = chance
        self._pause = pause
        self._seen = seen
        self._vanished: list[Caller] = []
        self._people: list[Participant] = []
        self._talks: list[Talk] = []
        self._visit = ""

    async def play(self, booked: Booked) -> None:
        """Play it to its close. Raise if anything is not as the contract says."""
        self._visit = booked.visit
        clips: tuple[Clip, ...] = (VOICE,) if self._chance.random() < SOUND_ONLY else (VOICE, PICTURE)
        try:
            await self._begin(booked, clips)
            happenings = self._happenings(with_picture=len(clips) > 1)
            for _ in range(HAPPENINGS):
                await asyncio.sleep(self._chance.uniform(0, 2 * self._pause))
                name = self._chance.choice(list(happenings))
                await happenings[name]()
                self._seen[name] += 1
            await self._people[0].ask("end", visit=self._visit)
            await self._people[1].hear("visit.ended")
            await self._people[0].ask("finish", visit=self._visit)
            await self._people[1].hear("visit.closed")
            self._seen["visits"] += 1
        finally:
            await self._leave()

    async def _begin(self, booked: Booked, clips: tuple[Clip, ...]) -> None:
        provider, client = self._people = [Participant(self._ehr.url, device=name) for name in ("laptop", "phone")]
        await provider.join(await self._ehr.provider_ticket(booked.provider))
        await client.join(await self._ehr.client_ticket(*booked.tokens.values()))
        await client.check_in(media="audio" if len(clips) == 1 else "video")
        await provider.hear("client.ready")
        await provider.ask("start", appointment=booked.id)
        await client.hear("visit.started")
        self._talks = [Talk(person, self._pacer, clips, self._chance) for person in self._people]
        await self._connect()

    async def _connect(self) -> None:
        await asyncio.gather(*(talk.connect() for talk in self._talks))

    def _happenings(self, *, with_picture: bool) -> dict[str, Callable[[], Awaitable[None]]]:
        always: dict[str, Callable[[], Awaitable[None]]] = {
            "socket cut": self._cut,
            "device gone": self._vanish,
            "ended, rejoined": self._again,
        }
        return always | ({"audio only, and back": self._mode} if with_picture else {})

    async def _cut(self) -> None:
        """Somebody's socket is cut, and they come back; their media never stopped."""
        place = self._chance.randrange(2)
        before = self._people[place]
        await before.drop()
        after = Participant(self._ehr.url, device="laptop" if place == 0 else "phone")
        await after.resume(before)
        self._people[place] = self._talks[place].participant = after

    async def _vanish(self) -> None:
        """Somebody's peer vanishes without a word, and they make another."""
        talk = self._chance.choice(self._talks)
        caller = talk.kill()
        if caller is not None:
            self._vanished.append(caller)
        await talk.connect()

    async def _mode(self) -> None:
        """A client sends no picture for a while."""
        client = self._people[1]
        await client.ask("media.mode", mode="audio", reason="bandwidth")
        await asyncio.sleep(self._chance.uniform(0, self._pause))
        await client.ask("media.mode", mode="video")

    async def _again(self) -> None:
        """It ends, and both come back."""
        provider, client = self._people
        await client.ask("end", visit=self._visit)
        await provider.hear("visit.ended")
        for talk in self._talks:
            await talk.close()
        await client.ask("rejoin", visit=self._visit)
        await provider.ask("rejoin", visit=self._visit)
        for person in self._people:
            await person.hear("visit.resumed")
        await self._connect()

    async def _leave(self) -> None:
        for talk in self._talks:
            await talk.close()
        for caller in self._vanished:
            await caller.close()
        for person in self._people:
            await person.close()
