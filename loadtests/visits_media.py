"""Whole visits with media against a running service: both come in, talk and end; one in four by sound alone.

All connect first; then all talk at once, and what that costs is what is told.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from loadtests.ehr import Booked, Ehr
from loadtests.media.pace import Pacer
from loadtests.media.scenes import LAST_ONES, VIDEO, VOICE
from loadtests.media.talk import Talk
from loadtests.media.tally import Tally
from loadtests.participants import Participant

AT_ONCE: Final = 4
"""How many come in at a time."""
SOUND_ONLY: Final = 4
"""One visit in so many."""


@dataclass(slots=True)
class Talked:
    """What was measured."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"offer → connected": [], "a packet's way": []})
    visits: int = 0
    by_sound: int = 0
    sent: int = 0
    received: int = 0
    lost: int = 0
    wrong: int = 0
    latest: float = 0.0
    cpu: float = 0.0
    """Seconds of the service's CPU while they talked."""
    spent: float = 0.0

    def __str__(self) -> str:
        visits = f"{self.visits} visits, {self.by_sound} of them by sound alone"
        core = 100 * self.cpu / self.spent / self.visits
        packets = f"{self.sent} packets sent, {self.received} received, {self.lost} lost, {self.wrong} wrong"
        return (
            f"{visits}, for {self.spent:.1f} s: {packets}\n"
            f"service: {core:.2f} % of a core a visit, {1e6 * self.cpu / max(1, self.sent):.1f} µs a packet\n"
            f"(the generator was late by {1000 * self.latest:.0f} ms at worst, which is in a packet's way)"
        )


async def talk_in_visits(ehr: Ehr, bookings: list[Booked], seconds: float) -> Talked:
    """Play them. Raise if anything is not as the contract says."""
    told, pacer, chance = Talked(visits=len(bookings)), Pacer(), random.Random(1)
    places = asyncio.Semaphore(AT_ONCE)
    tallies: list[Tally] = []
    async with AsyncExitStack() as stack:

        async def come(number: int, booked: Booked) -> Participant:
            clips = (VOICE,) if number % SOUND_ONLY == SOUND_ONLY - 1 else (VOICE, VIDEO)
            told.by_sound += len(clips) == 1
            async with places:
                provider, client = (Participant(ehr.url, device=device) for device in ("laptop", "phone"))
                for person in (provider, client):
                    stack.push_async_callback(person.close)
                await provider.join(await ehr.provider_ticket(booked.provider))
                await client.join(await ehr.client_ticket(*booked.tokens.values()))
                await client.check_in(media="audio" if len(clips) == 1 else "video")
                await provider.hear("client.ready")
                await provider.ask("start", appointment=booked.id)
                await client.hear("visit.started")
                talks = [Talk(person, pacer, clips, chance) for person in (provider, client)]
                for talk in talks:
                    stack.push_async_callback(talk.close)
                told.seconds["offer → connected"] += await asyncio.gather(*(talk.connect() for talk in talks))
                tallies.extend(talk.caller.tally for talk in talks if talk.caller)
            return provider

        providers = await asyncio.gather(*(come(number, booked) for number, booked in enumerate(bookings)))
        before = await ehr.metrics()
        pacer.latest = 0.0
        told.sent, told.spent = await pacer.run(seconds), seconds
        await asyncio.sleep(LAST_ONES)
        after = await ehr.metrics()
        told.cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
        for provider, booked in zip(providers, bookings, strict=True):
            await provider.ask("end", visit=booked.visit)
            await provider.ask("finish", visit=booked.visit)
    told.latest = pacer.latest
    told.received, told.lost = sum(tally.packets for tally in tallies), sum(tally.lost for tally in tallies)
    told.wrong = sum(tally.wrong for tally in tallies)
    told.seconds["a packet's way"] = [delay for tally in tallies for delay in tally.delays]
    return told
