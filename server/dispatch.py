"""The one door into a room: load, decide, commit if unchanged, then do."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec.structs import replace

from server.ports import Clock, StoreAway
from server.ports.outbox import Owed
from server.ports.rooms import Commit, Conflict, Repeated, RoomStore, Stored
from signaling.effects import AppointmentClosed, Audit, Effect, HandOff, Notify, Step, Told
from signaling.errors import KeyReused, NotFound, SignalingError, Unavailable
from signaling.events import Asked, Configured, Fact, Opened, Rescheduled
from signaling.messages import Ok
from signaling.requests import RoomRequest, Start
from signaling.room import deadline, handle, new_room
from signaling.snapshot import pack, unpack
from signaling.state import Interval, Room, Who

logger = logging.getLogger("carelobby.dispatch")

ATTEMPTS = 8
"""Conflict rounds of a request. Rounds of one node do not meet: its decisions about one room take turns."""
KEEP_KEYED = 10 * 60 * 1000
KEEP_OWN = 60 * 1000
"""A request without a key of its own is kept long enough to outlive the store adapter's repeats."""
FACT_PATIENCE = 30.0
"""Seconds that a fact is tried before its sender is told that the store is away."""
KNOWN_LIMIT = 10_000

_replies = msgspec.msgpack.Decoder(Ok)


@dataclass
class Counts:
    """What `/metrics` shows of commits."""

    commits: int = 0
    conflicts: int = 0
    """Commits that another one overtook; decided again."""
    repeats: int = 0
    """Requests that had been committed before."""
    away: int = 0
    """Commits whose answer was not heard."""
    commit_seconds: float = 0.0
    """Spent waiting for commits that were saved."""


class _Name(msgspec.Struct, frozen=True):
    """What a request is known by in the store, so that it is done once."""

    id: str
    body: str = ""
    """The hash of a keyed request's content; empty: its sender gave no key, and cannot repeat it."""
    keep: int = KEEP_OWN


async def _none_known() -> Sequence[Interval]:
    return ()


Begun = Callable[[str, int], object]
"""Hears of (visit, fence of its media so far) once it has started."""


async def _place_anywhere(room: str) -> Begun:
    return lambda visit, fence: None


class Dispatcher:
    """Applies events to rooms. Decides on the snapshot it last saw, so the common case is one round trip."""

    def __init__(
        self,
        store: RoomStore,
        *,
        clock: Clock,
        fresh: Callable[[], str],
        encode: Callable[[Told], bytes],
        perform: Callable[[Room, tuple[Effect, ...]], None],
        owed: Callable[[], None],
        learned: Callable[[Room], None] = lambda room: None,
        outages: Callable[[], Awaitable[Sequence[Interval]]] = _none_known,
        place: Callable[[str], Awaitable[Begun]] = _place_anywhere,
    ) -> None:
        """`encode` makes of an event what the stream keeps and the hub reads.

        `perform` does effects, at once and without waiting; `owed` hears that the outbox has something.
        `learned` hears of a room that was read, whoever changed it: effects that were lost follow from it.
        `outages` tells when the whole service could serve nobody; it may raise `StoreAway`.
        `place` finds a place for the media of a visit that is to start in a room; it may raise `Overloaded`.
        """
        self._store = store
        self._clock = clock
        self._fresh = fresh
        self._encode = encode
        self._perform = perform
        self._owed = owed
        self._learned = learned
        self._outages = outages
        self._place = place
        self._known: OrderedDict[str, Room] = OrderedDict()
        self._doubtful: set[str] = set()
        """Rooms in which a commit may have been saved without our hearing of it."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.counts = Counts()

    async def ask(self, room: str, by: Who, connection: str, request: RoomRequest) -> Ok:
        """Apply a participant's request. Raise `SignalingError` if it is refused, `StoreAway` if nobody can say."""
        fresh = self._fresh()
        name = _Name(fresh)
        if request.key is not None:
            body = _hash(msgspec.msgpack.encode(replace(request, id=None)))
            name = _Name(_hash(f"{by.participant}\0{request.key}".encode()), body, KEEP_KEYED)
        try:
            begun = await self._place(room) if isinstance(request, Start) else None
            ok = await self._apply(room, Asked(by, connection, request, fresh), name, attempts=ATTEMPTS)
        except SignalingError:
            # Refused — perhaps because this very request was granted a moment ago: then its reply is told again.
            stored = await self._store.reply(room, name.id) if name.body else None
            if stored is None:
                raise
            return _stored_reply(*stored, name.body)
        known = self._known.get(room)
        visit = known.visits.get(ok.visit) if known is not None and ok.visit is not None else None
        if begun is not None and visit is not None:
            begun(visit.id, visit.media_fence)
        return ok

    async def fact(self, room: str, fact: Fact) -> None:
        """Apply a fact, however often others write in between. Raise `StoreAway` after `FACT_PATIENCE` seconds."""
        name, give_up, pause = _Name(self._fresh()), asyncio.get_running_loop().time() + FACT_PATIENCE, 0.05
        while True:
            try:
                await self._apply(room, fact, name, attempts=1000)
                return
            except StoreAway:
                if asyncio.get_running_loop().time() > give_up:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        """Return the room as saved, no older than event `seq` (0: as it is now); None if it does not exist."""
        known = self._known.get(room)
        if known is not None and 0 < seq <= known.seq:
            return known
        return await self._load(room)

    def known(self, room: str) -> Room | None:
        """Return the room as this node last saw it, without asking anybody."""
        return self._known.get(room)

    def forget(self, room: str) -> None:
        """Drop what is known of a room that was deleted."""
        self._known.pop(room, None)
        self._doubtful.discard(room)

    async def recheck(self) -> None:
        """Read rooms in which a commit may have been saved unheard: its effects are still to be done."""
        for room in tuple(self._doubtful):
            await self._load(room)

    async def _load(self, room: str) -> Room | None:
        return self._learn(room, await self._store.load(room))

    def _learn(self, id: str, stored: Stored | None) -> Room | None:
        self._doubtful.discard(id)
        if stored is None:
            self._known.pop(id, None)
            return None
        room = self._remember(unpack(stored.snapshot))
        self._learned(room)
        return room

    def _remember(self, room: Room) -> Room:
        """Keep a room, unless a newer state of it is known; return the newer."""
        known = self._known.get(room.id)
        if known is not None and known.version > room.version and known.epoch == room.epoch:
            return known
        self._known[room.id] = room
        self._known.move_to_end(room.id)
        while len(self._known) > KNOWN_LIMIT:
            self._known.popitem(last=False)
        return room

    async def _apply(self, id: str, event: Asked | Fact, name: _Name, *, attempts: int) -> Ok:
        turn = self._turns.setdefault(id, asyncio.Lock())
        async with turn:
            room = self._known.get(id)
            certain = room is None
            if room is None:
                room = await self._load(id)
            for _ in range(attempts):
                outages = await self._outages()
                try:
                    step = self._decide(id, room, event, outages)
                except SignalingError:
                    if certain:
                        raise
                    room, certain = await self._load(id), True  # refused, but on a state that may have passed
                    continue
                if room is not None and step.room is room:
                    if not name.body and certain:
                        return step.reply
                    if not name.body:
                        room, certain = await self._load(id), True
                        continue
                    # Saved all the same: a key is used up, and its repeats get this reply and do nothing later.
                    step = replace(step, room=replace(room, version=room.version + 1))
                try:
                    await self._save(id, room, step, name)
                except Conflict as conflict:
                    self.counts.conflicts += 1
                    room, certain = self._learn(id, conflict.present), True
                    continue  # deciding is pure, so deciding again is safe
                except Repeated as repeated:
                    self.counts.repeats += 1
                    self._doubtful.add(id)  # whoever committed it may have died before its effects
                    with suppress(StoreAway):
                        await self._load(id)
                    return _stored_reply(repeated.reply, repeated.body, name.body)
                self._committed(step, event)
                return step.reply
        raise Unavailable("too many others write to this room")

    async def _save(self, id: str, before: Room | None, step: Step, name: _Name) -> None:
        begun = asyncio.get_running_loop().time()
        try:
            await self._store.commit(id, self._commit(before, step, name))
        except (Conflict, Repeated):
            raise
        except BaseException as error:  # no answer, or nobody who waits for it: it may have been saved
            self._doubtful.add(id)
            self.counts.away += isinstance(error, StoreAway)
            raise
        self.counts.commits += 1
        self.counts.commit_seconds += asyncio.get_running_loop().time() - begun

    def _decide(self, id: str, room: Room | None, event: Asked | Fact, outages: Sequence[Interval]) -> Step:
        if room is not None:
            return handle(room, event, now=self._clock(), outages=outages)
        blank = self._blank(id, event)
        step = handle(blank, event, now=self._clock(), outages=outages)
        # What the event says of host and policy is already in the blank room: it changed nothing, and yet is new.
        return step if step.room is not blank else replace(step, room=replace(blank, version=1))

    def _blank(self, id: str, event: Asked | Fact) -> Room:
        """Return the room that an event may bring into being. All others find none."""
        match event:
            case Configured(host, policy):
                pass
            case Opened(appointment, policy) | Rescheduled(appointment, policy):
                host = appointment.providers[0]
            case _:
                raise NotFound("no such room")
        return new_room(id, policy.practice.id, host, f"ep_{self._fresh()}", policy)

    def _commit(self, before: Room | None, step: Step, name: _Name) -> Commit:
        room = step.room
        events: list[tuple[int, bytes]] = []
        outbox: list[bytes] = []
        documents: dict[tuple[str, str], bytes] = {}
        for entry in step.entries:
            match entry:
                case Told():
                    events.append((entry.message.seq, self._encode(entry)))
                case AppointmentClosed(appointment, outcome):
                    documents["closed", appointment] = msgspec.msgpack.encode({"outcome": outcome, "at": room.time})
                case HandOff() | Notify() | Audit():
                    outbox.append(msgspec.msgpack.encode(_owed(room, entry)))
        return Commit(
            request=name.id,
            body=name.body,
            keep=name.keep,
            expected=before.version if before is not None else 0,
            snapshot=pack(room),
            events=tuple(events),
            outbox=tuple(outbox),
            deadline=deadline(room),
            reply=msgspec.msgpack.encode(step.reply),
            documents=documents,
        )

    def _committed(self, step: Step, event: Asked | Fact) -> None:
        what = type(event.request if isinstance(event, Asked) else event).__name__
        logger.debug("%s %s: version %d", step.room.id, what, step.room.version)
        self._remember(step.room)
        if any(not isinstance(entry, Told | AppointmentClosed) for entry in step.entries):
            self._owed()
        if step.effects:
            self._perform(step.room, step.effects)


def _owed(room: Room, entry: HandOff | Notify | Audit) -> Owed:
    data: dict[str, Any]
    match entry:
        case HandOff(record):
            return Owed("record", room.practice, room.id, room.time, msgspec.to_builtins(record))
        case Notify(type, data):
            return Owed("notify", room.practice, room.id, room.time, {"type": type, "data": data})
        case Audit():
            return Owed("audit", room.practice, room.id, room.time, msgspec.to_builtins(entry))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _stored_reply(reply: bytes, stored_body: str, body: str) -> Ok:
    if stored_body != body:
        raise KeyReused("this key was used with another request")
    return _replies.decode(reply)
