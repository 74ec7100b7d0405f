"""What every decision asks of a room, at hand: derived from it, carried from step to step, never stored.

Who is connected, who waits in which entry and in what order, which visit is in progress, what is due when. A room that
was loaded makes its index when it is first asked; after that `Draft` changes it along with the room, part by part. The
parts are treated as immutable, like the room's own mappings.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from signaling.deadlines import NEVER, due_at
from signaling.state import Entry, Phase, Room, Visit

_NAME: Final = "index"


class Place(NamedTuple):
    """A place in line: those who came first stand first."""

    since: int
    entry: str
    participant: str
    shown: bool
    """The one who waits is told how many are before them."""


class Index(Struct, frozen=True):
    """One room's answers."""

    connected: dict[str, tuple[str, ...]]
    """By participant: their live connections; never none."""
    waiting: dict[str, str]
    """By participant: their entry."""
    line: list[Place]
    """All who wait, ascending."""
    shown: int
    """How many of them are told their place."""
    live: str | None
    """The visit in progress."""
    due: dict[str, int]
    """When time alone brings something about: by the id of an entry or a visit, the host's absence by the room's."""
    first: int
    """The least of it, in ms, or `NEVER`."""

    # --- connections

    def came(self, connection: str, participant: str) -> Index:
        """A connection lives."""
        theirs = self.connected.get(participant, ())
        if connection in theirs:
            return self
        return replace(self, connected={**self.connected, participant: (*theirs, connection)})

    def went(self, connection: str, participant: str) -> Index:
        """A connection is gone."""
        connected = dict(self.connected)
        left = tuple(id for id in connected.pop(participant, ()) if id != connection)
        if left:
            connected[participant] = left
        return replace(self, connected=connected)

    # --- the line

    def place(self, entry: Entry) -> int:
        """Return how many wait before an entry, whether or not it is in line."""
        return bisect_left(self.line, (entry.since, entry.id))

    def entered(self, room: Room, entry: Entry) -> Index:
        """An entry is in line."""
        line, place = list(self.line), _place(room, entry)
        insort(line, place)
        waiting = {**self.waiting, entry.participant: entry.id}
        return replace(self, waiting=waiting, line=line, shown=self.shown + place.shown)

    def left(self, entry: Entry) -> Index:
        """An entry is not in line any more."""
        line, waiting = list(self.line), dict(self.waiting)
        place = line.pop(self.place(entry))
        waiting.pop(place.participant, None)
        return replace(self, waiting=waiting, line=line, shown=self.shown - place.shown)

    # --- time

    def looked(self, room: Room, ids: dict[str, None]) -> Index:
        """What is due of these ids is looked up again."""
        new = {id: due_at(room, id) for id in ids}
        old = self.due
        if all(old.get(id, NEVER) == at for id, at in new.items()):
            return self
        due = {**old, **new}
        for id, at in new.items():
            if at >= NEVER:
                del due[id]
        return replace(self, due=due, first=min(due.values(), default=NEVER))


def index_of(room: Room) -> Index:
    """Return a room's index."""
    known: Index | None = room.__dict__.get(_NAME)
    if known is None:
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
    connected: dict[str, tuple[str, ...]] = {}
    for id, connection in room.connections.items():
        who = connection.who.participant
        connected[who] = (*connected.get(who, ()), id)
    line = sorted(_place(room, entry) for entry in room.entries.values())
    looked = {id: due_at(room, id) for id in (room.id, *room.entries, *room.visits)}
    due = {id: at for id, at in looked.items() if at < NEVER}
    return Index(
        connected=connected,
        waiting={entry.participant: entry.id for entry in room.entries.values()},
        line=line,
        shown=sum(place.shown for place in line),
        live=next((visit.id for visit in room.visits.values() if visit.phase is Phase.IN_PROGRESS), None),
        due=due,
        first=min(due.values(), default=NEVER),
    )


def _place(room: Room, entry: Entry) -> Place:
    visit: Visit | None = None if entry.visit is None else room.visits.get(entry.visit)
    return Place(entry.since, entry.id, entry.participant, (room if visit is None else visit).policy.show_position)
