"""What browsers at this node report of their connections: shown to providers as it comes, kept by the minute.

A report is a number or five. Each minute of a participant is told to the room once, when it is over or the visit is; so
a visit of two costs two commits a minute, whatever its browsers say meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from server import tasks
from server.nodes.passing import Passing
from server.ports import Clock, StoreAway
from server.ports.door import Rooms
from signaling.errors import SignalingError
from signaling.events import QualityMeasured
from signaling.lookup import provider_ids
from signaling.messages import MediaQuality
from signaling.policy import MINUTE, SECOND
from signaling.quality import level_of, level_of_minute, of_reports
from signaling.requests import MediaStats
from signaling.state import Minute, Room, Visit

logger = logging.getLogger("carelobby.quality")

EVERY: Final = 10.0
"""Seconds between two looks at which minutes are over."""
TOLD_AGAIN: Final = 30 * SECOND
"""After so long providers are told of a connection that is as it was: a page may have been opened anew."""
LATELY: Final = 2
"""Reports that say how a connection is now: one might be a moment's stumble."""
FAREWELL: Final = 1.0
"""Seconds that a stopping node gives its last minutes."""
MOST_PENDING: Final = 3
"""Minutes of one participant that wait to be saved: while the store is away the latest count."""


@dataclass
class Counts:
    """What `/metrics` shows: how connections were, of nobody in particular."""

    reports: Counter[str] = field(default_factory=Counter)
    """By level."""
    minutes: Counter[str] = field(default_factory=Counter)
    """Those that were saved, by level."""
    freezes: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    """One participant's, as their browser tells of it."""

    at: int = 0
    """The minute of `reports`, since 1970."""
    reports: list[MediaStats] = field(default_factory=list)
    over: deque[Minute] = field(default_factory=lambda: deque(maxlen=MOST_PENDING))
    lately: deque[tuple[int, MediaStats]] = field(default_factory=deque)
    """The reports of the last minute, with their times."""
    told: str = ""
    told_at: int = 0

    def turn(self, minute: int) -> None:
        """Sum up the minute that was, if another has begun."""
        if self.reports and self.at != minute:
            self.over.append(of_reports(self.at, self.reports))
            self.reports = []
        self.at = minute


class Reports:
    """Holds the running minutes of the visits whose people are connected here."""

    def __init__(self, *, clock: Clock, rooms: Rooms, passing: Passing) -> None:
        self._clock = clock
        self._rooms = rooms
        self._passing = passing
        self._visits: dict[str, tuple[str, dict[str, _Connection]]] = {}
        """By visit: its room, and its people's connections."""
        self._running: asyncio.Task[None] | None = None
        self._saving: set[asyncio.Task[None]] = set()
        self.counts = Counts()

    def take(self, room: Room, visit: Visit, participant: str, report: MediaStats) -> None:
        """Take what a browser in `visit` measured since its last report."""
        now = self._clock()
        _, people = self._visits.setdefault(visit.id, (room.id, {}))
        there = people.setdefault(participant, _Connection())
        there.turn(now // MINUTE)
        there.reports.append(report)
        there.lately.append((now, report))
        while there.lately[0][0] <= now - MINUTE:
            there.lately.popleft()
        self.counts.freezes += report.freezes or 0
        self._show(room, visit, participant, there, now)

    def _show(self, room: Room, visit: Visit, participant: str, there: _Connection, now: int) -> None:
        reports = [report for _, report in there.lately]
        few = of_reports(0, reports[-LATELY:])
        freezes = sum(report.freezes or 0 for report in reports)
        level = level_of(few.lost / 1000, few.rtt, freezes)
        self.counts.reports[level] += 1
        if level == there.told and now - there.told_at < TOLD_AGAIN:
            return
        there.told, there.told_at = level, now
        told = MediaQuality(participant=participant, level=level, rtt_ms=few.rtt, loss=few.lost / 1000, freezes=freezes)
        self._passing.tell(room.id, provider_ids(visit), told, visit=visit.id, seq=room.seq)

    def over(self, visit: str) -> None:
        """A segment has ended: what was begun is saved at once, for the visit may be closed soon."""
        room, people = self._visits.pop(visit, ("", {}))
        for there in people.values():
            there.turn(0)
        if any(there.over for there in people.values()):
            task = asyncio.get_running_loop().create_task(self._save(visit, room, people), name="quality")
            self._saving.add(task)
            task.add_done_callback(self._saved)

    def _saved(self, task: asyncio.Task[None]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the quality of a visit was not saved: %s", type(error).__name__)

    async def __aenter__(self) -> Self:
        """Save minutes as they pass."""
        self._running = asyncio.create_task(self._run(), name="quality")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Save what was begun, as far as the store answers now."""
        if self._running is not None:
            await tasks.end(self._running)
        await self.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Save the minutes that are over, and forget who reports no more."""
        minute = self._clock() // MINUTE
        for visit, (room, people) in tuple(self._visits.items()):
            for participant, there in tuple(people.items()):
                there.turn(minute)
                if not there.over and there.lately[-1][0] < (minute - 1) * MINUTE:
                    del people[participant]
            if not people:
                del self._visits[visit]
            await self._save(visit, room, people)

    async def _save(self, visit: str, room: str, people: dict[str, _Connection]) -> None:
        while minutes := {id: there.over[0] for id, there in people.items() if there.over}:
            try:
                await self._rooms.fact(room, QualityMeasured(visit, minutes))
            except StoreAway:
                return  # they are tried again with the next ones
            except SignalingError:
                pass  # the room is gone
            self._count(minutes.values())
            for id, minute in minutes.items():
                if people[id].over and people[id].over[0] is minute:
                    people[id].over.popleft()

    def _count(self, minutes: Iterable[Minute]) -> None:
        for minute in minutes:
            self.counts.minutes[level_of_minute(minute)] += 1

    async def close(self) -> None:
        """Save every minute that was begun."""
        for visit in tuple(self._visits):
            self.over(visit)
        if self._saving:
            await asyncio.wait(self._saving, timeout=FAREWELL)
