"""Whole visits by signaling: check in, ready, Start, End, both Rejoin, End, Finish — and how long each step took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from loadtests.ehr import Booked, Ehr
from loadtests.participants import Participant

STEPS = ("check-in → ready", "Start → started", "End → ended", "Rejoin → resumed")


@dataclass(slots=True)
class Timings:
    """Seconds that each step took, from the sender's call to the other side's message, by one clock."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})

    def note(self, step: str, asked_at: float, heard_at: float) -> None:
        """Add one."""
        self.seconds[step].append(heard_at - asked_at)


async def play_visit(ehr: Ehr, booked: Booked, timings: Timings, *, rejoin: bool = True) -> None:
    """Play one 1:1 visit to its close. Raise if anything is not as the contract says."""
    clock = time.perf_counter
    (token,) = booked.tokens.values()
    async with Participant(ehr.url, device="laptop") as provider, Participant(ehr.url, device="phone") as client:
        await provider.join(await ehr.provider_ticket(booked.provider))
        await client.join(await ehr.client_ticket(token))

        asked = clock()
        await client.check_in()
        ready = await provider.hear("client.ready")
        timings.note("check-in → ready", asked, ready["_at"])

        asked = clock()
        await provider.ask("start", appointment=booked.id)
        for side in (client, provider):
            timings.note("Start → started", asked, (await side.hear("visit.started"))["_at"])

        asked = clock()
        await client.ask("end", visit=booked.visit)
        for side in (client, provider):
            timings.note("End → ended", asked, (await side.hear("visit.ended"))["_at"])

        if rejoin:
            await client.ask("rejoin", visit=booked.visit)
            await provider.hear("visit.rejoin_pending")
            asked = clock()
            await provider.ask("rejoin", visit=booked.visit)
            for side in (client, provider):
                timings.note("Rejoin → resumed", asked, (await side.hear("visit.resumed"))["_at"])
            await provider.ask("end", visit=booked.visit)
            await client.hear("visit.ended")

        await provider.ask("finish", visit=booked.visit)
        await client.hear("visit.closed")
        assert await client.closing() == 4510, "a closed visit's client is closed with 4510"


async def play_visits(ehr: Ehr, bookings: Iterable[Booked], *, at_once: int) -> Timings:
    """Play visits, `at_once` at a time: each provider has one room, so theirs follow one another."""
    timings = Timings()
    places = asyncio.Semaphore(at_once)
    by_provider: dict[str, list[Booked]] = {}
    for booked in bookings:
        by_provider.setdefault(booked.provider, []).append(booked)

    async def day(of: list[Booked]) -> None:
        for booked in of:
            async with places:
                await play_visit(ehr, booked, timings)

    async with asyncio.TaskGroup() as days:
        for of in by_provider.values():
            days.create_task(day(of))
    return timings
