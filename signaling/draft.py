"""A step in the making: the room as it will be, what will be told, and what will be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

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
        self.changed = False
        self.entries: list[Entry] = []
        self.effects: list[Effect] = []

    # --- the room

    def at(self, now: int) -> None:
        """Move the step's clock on; it never goes back."""
        self.now = max(now, self.now)
        if self.room.time != self.now:
            self.room = replace(self.room, time=self.now)

    def change(self, **fields: Any) -> None:
        """Replace fields of the room."""
        self.room = replace(self.room, **fields)
        self.changed = True

    def put_visit(self, visit: Visit) -> Visit:
        """Add or replace a visit."""
        self.change(visits={**self.room.visits, visit.id: visit})
        return visit

    def drop_visit(self, id: str) -> None:
        """Take a visit out of the room."""
        self.change(visits={k: v for k, v in self.room.visits.items() if k != id})

    def put_entry(self, entry: QueueEntry) -> QueueEntry:
        """Add or replace a waiting entry."""
        self.change(entries={**self.room.entries, entry.id: entry})
        return entry

    def drop_entry(self, id: str) -> None:
        """Take an entry out of the queue."""
        self.change(entries={k: v for k, v in self.room.entries.items() if k != id})

    def put_connection(self, id: str, connection: Connection) -> None:
        """Note a live connection."""
        self.change(connections={**self.room.connections, id: connection})

    def drop_connections(self, ids: Iterable[str]) -> None:
        """Forget connections."""
        gone = frozenset(ids)
        self.change(connections={k: v for k, v in self.room.connections.items() if k not in gone})

    # --- what goes out

    def tell(
        self, to: Iterable[str], message: StateEvent, *, connection: str | None = None, close: int | None = None
    ) -> None:
        """Number `message` and address it. Nothing is told to nobody."""
        audience = tuple(dict.fromkeys(to))
        if not audience:
            return
        seq = self.room.seq + 1
        self.change(seq=seq)
        stamped = replace(message, epoch=self.room.epoch, seq=seq, at=self.now, version=self.before.version + 1)
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
        room = self.room
        if not self.changed and not self.entries:
            return Step(self.before, (), tuple(self.effects), Ok(version=self.before.version, **reply))
        room = replace(room, version=self.before.version + 1)
        return Step(room, tuple(self.entries), tuple(self.effects), Ok(version=room.version, **reply))
