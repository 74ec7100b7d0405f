"""What every decision asks of a room, at hand: derived from it, carried from step to step, never stored.

Who is connected, who waits in which entry and in what order, which visit is in progress, what is due when. A room that
was loaded makes its index when it is first asked; after that `Draft` changes it along with the room, part by part. The
parts are treated as immutable, like the room's own mappings.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from signaling.deadlines import NEVER, due_at
from signaling.state import CLOSED, IN_PROGRESS, REJOIN_PENDING, Entry, Phase, Room, Visit

_NAME: Final = "index"


Place = tuple[int, str, str, bool]
"""A place in line: since when, the entry, the participant, and whether they are told how many are before them."""


class Index(Struct):
    """One room's answers. A draft has its own, and gives it other parts; the parts themselves are never changed."""

    connected: dict[str, tuple[str, ...]]
    """By participant: their live connections; never none."""
    waiting: dict[str, str]
    """By participant: their entry."""
    line: list[Place]
    """All who wait, ascending."""
    shown: int
    """How many of them are told their place."""
    appointments: dict[str, str]
    """By appointment: its visit."""
    live: str | None
    """The visit in progress."""
    pending: frozenset[str]
    """Visits that somebody agreed to rejoin."""
    due: dict[str, int]
    """When time alone brings something about: by the id of an entry or a visit, the host's absence by the room's."""
    first: int
    """The least of it, in ms, or `NEVER`."""
    at_first: int
    """How many are due then."""

    # --- connections

    def came(self, connection: str, participant: str) -> None:
        """A connection lives."""
        theirs = self.connected.get(participant, ())
        if connection not in theirs:
            self.connected = {**self.connected, participant: (*theirs, connection)}

    def went(self, connection: str, participant: str) -> None:
        """A connection is gone."""
        self.connected = self.connected.copy()
        left = tuple([id for id in self.connected.pop(participant, ()) if id != connection])
        if left:
            self.connected[participant] = left

    # --- the line

    def place(self, entry: Entry) -> int:
        """Return how many wait before an entry, whether or not it is in line."""
        return bisect_left(self.line, (entry.since, entry.id))

    def entered(self, room: Room, entry: Entry) -> None:
        """An entry is in line."""
        place = _place(room, entry)
        line, waiting = self.line, self.waiting = self.line.copy(), self.waiting.copy()
        insort(line, place)
        waiting[entry.participant] = entry.id
        self.shown += place[3]

    def left(self, entries: Iterable[Entry]) -> int:
        """Entries are not in line any more. Return how many wait before where the first of them was."""
        line, waiting = self.line, self.waiting = self.line.copy(), self.waiting.copy()
        first = len(line)
        for entry in entries:
            at = bisect_left(line, (entry.since, entry.id))
            self.shown -= line.pop(at)[3]
            waiting.pop(entry.participant, None)
            first = min(first, at)
        return first

    # --- visits

    def opened(self, visit: Visit) -> None:
        """A visit came to be."""
        if visit.appointment is not None:
            self.appointments = {**self.appointments, visit.appointment: visit.id}

    def moved(self, id: str, phase: Phase) -> None:
        """A visit is in this phase now."""
        if (phase is IN_PROGRESS) != (id == self.live):
            self.live = id if phase is IN_PROGRESS else None
        if (phase is REJOIN_PENDING) != (id in self.pending):
            self.pending = self.pending ^ {id}

    def closed(self, visit: Visit) -> None:
        """A visit is gone."""
        self.moved(visit.id, CLOSED)
        self.appointments = self.appointments.copy()
        self.appointments.pop(visit.appointment or "", None)

    # --- time

    def look(self, room: Room, ids: Iterable[str]) -> None:
        """Find out again what is due of these ids."""
        due = before = self.due
        first, at_first = self.first, self.at_first
        for id in ids:
            at, known = due_at(room, id), due.get(id, NEVER)
            if at == known:
                continue
            if due is before:
                due = self.due = before.copy()
            if at < NEVER:
                due[id] = at
            else:
                del due[id]
            if at < first:
                first, at_first = at, 1
            elif at == first:
                at_first += 1
            elif known == first:
                at_first -= 1
                if not at_first:
                    first, at_first = _least(due)
        self.first, self.at_first = first, at_first


def index_of(room: Room) -> Index:
    """Return a room's index."""
    try:
        known: Index = room.__dict__[_NAME]
    except KeyError:
        known = derived(room)
        keep(room, known)
    return known


def deadline(room: Room) -> int | None:
    """Return when the room next wants to be looked at, in ms; None: not before something happens."""
    due = index_of(room).first
    return due if due < NEVER else None


def keep(room: Room, index: Index) -> None:
    """Let a room that was just made have the index that belongs to it: the room itself stays as it is."""
    room.__dict__[_NAME] = index


def derived(room: Room) -> Index:
    """Return the index that a room has, whatever it says itself."""
    entries, visits = room.entries.values(), room.visits.values()
    connected: dict[str, tuple[str, ...]] = {}
    for id, connection in room.connections.items():
        who = connection.who.participant
        connected[who] = (*connected.get(who, ()), id)
    line = sorted(_place(room, entry) for entry in entries)
    looked = {id: due_at(room, id) for id in (room.id, *room.entries, *room.visits)}
    due = {id: at for id, at in looked.items() if at < NEVER}
    first, at_first = _least(due)
    return Index(
        connected=connected,
        waiting={entry.participant: entry.id for entry in entries},
        line=line,
        shown=sum(shown for *_, shown in line),
        appointments={visit.appointment: visit.id for visit in visits if visit.appointment is not None},
        live=next((visit.id for visit in visits if visit.phase is IN_PROGRESS), None),
        pending=frozenset(visit.id for visit in visits if visit.phase is REJOIN_PENDING),
        due=due,
        first=first,
        at_first=at_first,
    )


def _least(due: dict[str, int]) -> tuple[int, int]:
    """Return (the least deadline, how many are due then)."""
    times = [*due.values()]
    least = min(times, default=NEVER)
    return least, times.count(least)


def _place(room: Room, entry: Entry) -> Place:
    visit: Visit | None = None if entry.visit is None else room.visits.get(entry.visit)
    return entry.since, entry.id, entry.participant, (room if visit is None else visit).policy.show_position
