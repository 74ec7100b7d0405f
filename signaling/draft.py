"""A step in the making: the room as it will be, what will be told, and what will be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from msgspec.structs import force_setattr, replace

from signaling.effects import (
    AppointmentClosed,
    Audit,
    ClosePeers,
    Effect,
    Entry,
    HandOff,
    Later,
    MediaModeChanged,
    NetworkChanged,
    Notice,
    Notify,
    Own,
    Step,
    Told,
)
from signaling.fields import Outcome
from signaling.index import derived, index_of, keep
from signaling.messages import Ok, StateEvent, WaitingChanged
from signaling.record import Record, record_of
from signaling.state import Connection, Room, Visit
from signaling.state import Entry as QueueEntry

_LATER: Final = Record("", "", 0, {})
"""In the place of one that is made later."""


class Draft:
    """Collects what one event brings. Lives for one call of `handle` and is seen by nobody else."""

    __slots__ = (
        "before",
        "begun",
        "changed",
        "effects",
        "entries",
        "epoch",
        "fresh",
        "index",
        "later",
        "now",
        "room",
        "seq",
        "stale",
        "stirred",
        "touched",
        "version",
        "waiting_told",
    )

    def __init__(self, room: Room, fresh: str = "") -> None:
        """`fresh` is random, of this request alone: new ids are built from it."""
        self.before = room
        self.room = room
        self.index = index_of(room)
        """Of the room as it is now."""
        self.now = room.time
        self.epoch = room.epoch
        self.seq = room.seq
        self.version = room.version + 1
        """Of the room, if anything changes."""
        self.fresh = fresh
        self.changed = False
        self.begun: Visit | None = None
        """As it was when a segment of it began in this step, of which everybody in it was told."""
        self.stirred = False
        """Whether what those who wait are shown of their provider may have changed, if only for a moment."""
        self.waiting_told: list[tuple[Collection[str], WaitingChanged]] = []
        """What of that was told in this step, and to whom."""
        self.entries: list[Entry] = []
        self.later: list[Later] = []
        self.effects: list[Effect] = []
        self.touched: dict[str, None] = {}
        """Visits that were put or dropped, in order."""
        self.stale: dict[str, None] = {}
        """What may be due at another time than the index says, by the ids that it uses."""

    # --- the room

    def at(self, now: int) -> None:
        """Move the step's clock on; it never goes back."""
        self.now = max(self.now, now)

    def change(self, **fields: Any) -> None:
        """Replace fields of the room, all but its mappings."""
        room = self._own()
        for name, value in fields.items():
            force_setattr(room, name, value)
        self.stirred = True
        self.stale[self.room.id] = None
        if "policy" in fields:
            self._judge_anew()

    def due(self) -> int:
        """Return the least deadline of the room as it is now, or `NEVER`."""
        if self.stale:
            self.index.look(self.room, self.stale)
            self.stale = {}
        return self.index.first

    def put_visit(self, visit: Visit) -> Visit:
        """Add or replace a visit. The very same again changes nothing."""
        old = self.room.visits.get(visit.id)
        if old is visit:
            return visit
        self._own_visits(visit.id)[visit.id] = visit
        index = self.index
        if old is None:
            index.opened(visit)
        else:
            if old.policy is not visit.policy:
                self._judge_anew()
            if old.phase is visit.phase:
                return visit
        index.moved(visit.id, visit.phase)
        self.stirred = True
        return visit

    def drop_visit(self, id: str, closed: dict[str, int]) -> None:
        """Take a visit out of the room, which remembers those that are `closed` from now on."""
        gone = self._own_visits(id).pop(id)
        force_setattr(self.room, "closed", closed)
        self.index.closed(gone)
        self.stirred = True

    def _own_visits(self, id: str) -> dict[str, Visit]:
        self.touched[id] = self.stale[id] = None
        if self.room.visits is self.before.visits:
            force_setattr(self._own(), "visits", self.before.visits.copy())
        return self.room.visits

    def put_entry(self, entry: QueueEntry) -> QueueEntry:
        """Add or replace a waiting entry, after the visit that it waits for."""
        entries = self._own_entries(entry)
        old = entries.get(entry.id)
        entries[entry.id] = entry
        if old is None:
            self.index.entered(self.room, entry)
        elif (old.since, old.visit) != (entry.since, entry.visit):
            self.index.left((old,))
            self.index.entered(self.room, entry)
        return entry

    def drop_entries(self, gone: Collection[QueueEntry]) -> int:
        """Take entries out of the queue. Return how many waited before the first of them."""
        for entry in gone:
            del self._own_entries(entry)[entry.id]
        return self.index.left(gone)

    def _own_entries(self, entry: QueueEntry) -> dict[str, QueueEntry]:
        if (
            entry.dropped_at is not None
            or entry.visit is None
            or entry.unanswered_at is not None
            or entry.id in self.index.due
        ):
            self.stale[entry.id] = None
        if self.room.entries is self.before.entries:
            force_setattr(self._own(), "entries", self.before.entries.copy())
        return self.room.entries

    def hear_of_outage(self, until: int) -> None:
        """Note the outage that has been dealt with; by itself that is no change worth saving."""
        if self.changed:
            force_setattr(self.room, "outages_until", until)
        else:
            self.room = replace(self.room, outages_until=until)
            keep(self.room, self.index)

    def put_connection(self, id: str, connection: Connection) -> None:
        """Note a live connection."""
        self._own_connections()[id] = connection
        self.index.came(id, connection.who.participant)

    def drop_connections(self, ids: Iterable[str]) -> None:
        """Forget connections."""
        for id in ids:
            gone = self._own_connections().pop(id)
            self.index.went(id, gone.who.participant)

    def _own_connections(self) -> dict[str, Connection]:
        if self.room.connections is self.before.connections:
            force_setattr(self._own(), "connections", self.before.connections.copy())
        return self.room.connections

    def _own(self) -> Room:
        """Return a room that nobody else sees yet, and whose fields may therefore be set; made once a step."""
        if not self.changed:
            self.changed = True
            self.room, self.index = replace(self.room), replace(self.index)
            keep(self.room, self.index)
        return self.room

    def _judge_anew(self) -> None:
        """Another policy: what it says of all who wait is derived again."""
        self.index = derived(self.room)
        keep(self.room, self.index)

    # --- what goes out

    def tell(
        self,
        to: Collection[str],
        message: StateEvent,
        *,
        own: Own | None = None,
        later: tuple[str, Callable[..., Any], tuple[Any, ...]] | None = None,
        connection: str | None = None,
        close: int | None = None,
    ) -> None:
        """Number `message` and address it: to each of `to` once. Nothing is told to nobody.

        `later` is (a field of it, the pure function that makes it, its arguments): values that do not change any more.
        """
        if to:
            seq = self.seq = self.seq + 1
            stamped = replace(message, epoch=self.epoch, seq=seq, at=self.now, version=self.version)
            if type(to) is dict:  # all who wait: they are counted out later
                told = Told((), stamped, connection, close, own)
                self.later.append((told, "to", tuple, (to,)))
            else:
                told = Told(tuple(to), stamped, connection, close, own)
            self.entries.append(told)
            if later is not None:
                self.later.append((stamped, *later))

    def tell_each(self, to: Collection[str], message: StateEvent, field: str, shown_to: Callable[[str], Any]) -> None:
        """Tell each of `to` apart, with one field as `shown_to` makes it for them later: a pure function."""
        entries, later, seq = self.entries, self.later, self.seq
        stamped = replace(message, epoch=self.epoch, at=self.now, version=self.version)
        for id in to:
            seq += 1
            theirs = replace(stamped, seq=seq)
            entries.append(Told((id,), theirs))
            later.append((theirs, field, shown_to, (id,)))
        self.seq = seq

    def audit(self, action: str, by: str, target: str = "", detail: str = "") -> None:
        """Note it in the trail: ids and codes only."""
        self.entries.append(Audit(action, by, target, detail))

    def notify(
        self,
        type: Notice,
        **data: Any,
    ) -> None:
        """Owe the practice's webhooks an event: ids only."""
        self.entries.append(Notify(type, data))

    def hand_off(self, visit: Visit, outcomes: Mapping[str, Outcome]) -> None:
        """Owe billing the record of a visit as it is now."""
        owed = HandOff(_LATER)
        self.entries.append(owed)
        self.later.append((owed, "record", record_of, (visit, outcomes, self.now)))

    def close_appointment(self, appointment: str, outcome: str) -> None:
        """Have the appointment's document say that its visit is over."""
        self.entries.append(AppointmentClosed(appointment, outcome))

    def close_peers(self, visit: str, participant: str | None = None) -> None:
        """Stop the media of a participant, or of the whole visit."""
        self.effects.append(ClosePeers(visit, participant))

    def mode_changed(self, visit: str, participant: str, *, audio_only: bool) -> None:
        """Have the media node forward a participant's video, or not."""
        self.effects.append(MediaModeChanged(visit, participant, audio_only))

    def network_changed(self, visit: str, participant: str, *, weak: bool) -> None:
        """Have everybody in the visit told how a participant's network is."""
        self.effects.append(NetworkChanged(visit, participant, weak))

    def step(self, visit: Visit | None = None) -> Step:
        """Return what was decided, `visit` named in the reply.

        The room is the very same object if nothing but time changed.
        """
        id, rev = (visit.id, visit.rev) if visit is not None else (None, None)
        if not self.changed and not self.entries:
            return Step(self.before, (), tuple(self.effects), Ok(version=self.before.version, visit=id, rev=rev))
        assert not self.stale, "what was due has happened before"
        room = self._own()
        force_setattr(room, "version", self.version)
        force_setattr(room, "seq", self.seq)
        force_setattr(room, "time", self.now)
        reply = Ok(version=self.version, visit=id, rev=rev)
        return Step(room, tuple(self.entries), tuple(self.effects), reply, tuple(self.later))
