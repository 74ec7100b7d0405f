"""A step in the making: the room as it will be, what will be told, and what will be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from signaling.deadlines import NEVER, entry_deadline, first_due, visit_deadline
from signaling.effects import (
    AppointmentClosed,
    Audit,
    ClosePeers,
    Effect,
    Entry,
    HandOff,
    MediaModeChanged,
    Notify,
    Step,
    Told,
)
from signaling.messages import Ok, StateEvent
from signaling.record import Record
from signaling.state import Connection, Room, Visit
from signaling.state import Entry as QueueEntry


class Draft:
    """Collects what one event brings. Lives for one call of `handle` and is seen by nobody else."""

    def __init__(self, room: Room) -> None:
        self.before = room
        self.room = room
        self.now = room.time
        self.seq = room.seq
        self.changed = False
        self.entries: list[Entry] = []
        self.effects: list[Effect] = []
        self.touched: dict[str, None] = {}
        """Visits that were put or dropped, in order."""
        self._due = room.due
        """The least deadline as of the last look; None: not known."""
        self._stale: dict[str, None] = {}
        """Visits put since that look."""
        self._earliest = NEVER
        """The least deadline of entries put since that look."""

    # --- the room

    def at(self, now: int) -> None:
        """Move the step's clock on; it never goes back."""
        self.now = max(now, self.now)

    def change(self, **fields: Any) -> None:
        """Replace fields of the room."""
        self.room = replace(self.room, **fields)
        self.changed = True
        if "policy" in fields or "host_gone_since" in fields:
            self._due = None

    def due(self) -> int:
        """Return the least deadline of the room as it is now, or `NEVER`.

        Looks through all of it only if what was due first has changed.
        """
        if self._stale:
            visits = self.room.visits
            for id in self._stale:
                visit = visits.get(id)
                if visit is not None:
                    at = visit_deadline(visit)
                    at = NEVER if at is None else at
                    self._earliest = min(self._earliest, at)
                    if at != visit.due:
                        visits[id] = replace(visit, due=at)
            self._stale = {}
        # What was put and dropped again since is not in the room: then all of it is looked through.
        self._due = first_due(self.room) if self._due is None else min(self._due, self._earliest)
        self._earliest = NEVER
        return self._due

    def put_visit(self, visit: Visit) -> Visit:
        """Add or replace a visit."""
        self._touch(visit.id)
        visits = self._own_visits()
        old = visits.get(visit.id)
        if old is not None and old.policy is not visit.policy:
            self._due = None  # it is also what entries are judged by
        visits[visit.id] = visit
        self._stale[visit.id] = None
        return visit

    def drop_visit(self, id: str) -> None:
        """Take a visit out of the room."""
        self._touch(id)
        self._own_visits().pop(id, None)

    def _touch(self, id: str) -> None:
        old = self.room.visits.get(id)
        first = self._due
        if old is not None and id not in self._stale and first is not None and (old.due is None or old.due <= first):
            self._due = None
        self.touched[id] = None

    def _own_visits(self) -> dict[str, Visit]:
        # Copied once a step: then it is this draft's own, and seen by nobody else.
        if self.room.visits is self.before.visits:
            self.room = replace(self.room, visits=dict(self.before.visits))
        self.changed = True
        return self.room.visits

    def put_entry(self, entry: QueueEntry) -> QueueEntry:
        """Add or replace a waiting entry."""
        self._forget_due(entry.id)
        self._own_entries()[entry.id] = entry
        if entry.dropped_at is not None or entry.visit is None:
            self._earliest = min(self._earliest, entry_deadline(self.room, entry))
        return entry

    def drop_entry(self, id: str) -> None:
        """Take an entry out of the queue."""
        self._forget_due(id)
        self._own_entries().pop(id, None)

    def _forget_due(self, id: str) -> None:
        old = self.room.entries.get(id)
        if old is not None and (old.dropped_at is not None or old.visit is None):
            self._due = None

    def _own_entries(self) -> dict[str, QueueEntry]:
        if self.room.entries is self.before.entries:
            self.room = replace(self.room, entries=dict(self.before.entries))
        self.changed = True
        return self.room.entries

    def hear_of_outage(self, until: int) -> None:
        """Note the outage that has been dealt with; by itself that is no change worth saving."""
        self.room = replace(self.room, outages_until=until)

    def put_connection(self, id: str, connection: Connection) -> None:
        """Note a live connection."""
        self._connections({**self.room.connections, id: connection})

    def drop_connections(self, ids: Iterable[str]) -> None:
        """Forget connections."""
        gone = frozenset(ids)
        self._connections({k: v for k, v in self.room.connections.items() if k not in gone})

    def _connections(self, connections: dict[str, Connection]) -> None:
        self.room = replace(self.room, connections=connections)
        self.changed = True

    # --- what goes out

    def tell(
        self, to: Iterable[str], message: StateEvent, *, connection: str | None = None, close: int | None = None
    ) -> None:
        """Number `message` and address it. Nothing is told to nobody."""
        audience = tuple(dict.fromkeys(to))
        if not audience:
            return
        self.seq += 1
        room = self.before
        stamped = replace(message, epoch=room.epoch, seq=self.seq, at=self.now, version=room.version + 1)
        self.entries.append(Told(audience, stamped, connection, close))

    def audit(self, action: str, by: str, target: str = "", detail: str = "") -> None:
        """Note it in the trail: ids and codes only."""
        self.entries.append(Audit(action, by, target, detail))

    def notify(
        self,
        type: Literal["client.ready", "client.left", "visit.started", "visit.ended", "visit.resumed", "visit.closed"],
        **data: Any,
    ) -> None:
        """Owe the practice's webhooks an event: ids only."""
        self.entries.append(Notify(type, data))

    def hand_off(self, record: Record) -> None:
        """Owe billing a record."""
        self.entries.append(HandOff(record))

    def close_appointment(self, appointment: str, outcome: str) -> None:
        """Have the appointment's document say that its visit is over."""
        self.entries.append(AppointmentClosed(appointment, outcome))

    def close_peers(self, visit: str, participant: str | None = None) -> None:
        """Stop the media of a participant, or of the whole visit."""
        self.effects.append(ClosePeers(visit, participant))

    def mode_changed(self, visit: str, participant: str, *, audio_only: bool) -> None:
        """Have the media node forward a participant's video, or not."""
        self.effects.append(MediaModeChanged(visit, participant, audio_only))

    def step(self, **reply: Any) -> Step:
        """Return what was decided. The room is the very same object if nothing but time changed."""
        if not self.changed and not self.entries:
            return Step(self.before, (), tuple(self.effects), Ok(version=self.before.version, **reply))
        due = self.due()
        room = replace(self.room, version=self.before.version + 1, seq=self.seq, time=self.now, due=due)
        return Step(room, tuple(self.entries), tuple(self.effects), Ok(version=room.version, **reply))
