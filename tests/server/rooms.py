"""A door into rooms over a store in memory, with time, ids and everything it does at hand."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from server.dispatch import Dispatcher
from server.ports import StoreAway
from server.ports.outbox import Owed
from server.ports.rooms import Commit
from server.store.memory import MemoryStore
from server.web.stored_event import encode
from signaling.effects import Effect
from signaling.events import Opened
from signaling.messages import Ok
from signaling.policy import Policy
from signaling.requests import RoomRequest, Start
from signaling.snapshot import unpack
from signaling.state import Room, Who
from tests.signaling.people import ANN, ANNS, BOBS, CHECK_IN, HOST, POLICY, SOON
from tests.signaling.play import comes, connection_of

ROOM = "room_1"
START = Start(appointment="apt_ann", expect=1)


@dataclass
class Node:
    """One dispatcher, and what it made others do."""

    store: MemoryStore
    name: str
    clock: Callable[[], int]
    effects: list[Effect] = field(default_factory=list)
    seen_while_saved: list[int] = field(default_factory=list)
    """The version that the store held whenever effects were performed."""
    rings: int = 0
    learned: list[Room] = field(default_factory=list)
    performs: Callable[[Room, tuple[Effect, ...]], None] = lambda room, effects: None
    learns: Callable[[Room], None] = lambda room: None

    def __post_init__(self) -> None:
        ids = itertools.count(1)
        self.door = Dispatcher(
            self.store.rooms,
            clock=self.clock,
            fresh=lambda: f"{self.name}{next(ids):04}",
            encode=encode,
            perform=self._perform,
            owed=self._owed,
            learned=self._learned,
        )

    def _perform(self, room: Room, effects: tuple[Effect, ...]) -> None:
        self.effects += effects
        self.seen_while_saved.append(room.version)
        self.performs(room, effects)

    def _learned(self, room: Room) -> None:
        self.learned.append(room)
        self.learns(room)

    def _owed(self) -> None:
        self.rings += 1

    async def ask(self, who: Who, request: RoomRequest) -> Ok:
        return await self.door.ask(ROOM, who, connection_of(who), request)


class House:
    """A store in memory and any number of nodes over it; the time is what `now` says."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.now = SOON
        self.policy = policy
        self.published: list[tuple[int, bytes | None]] = []
        self.store = MemoryStore(lambda: self.now, lambda room, events: self.published.extend(events))
        self.node = self.another("a")

    def another(self, name: str) -> Node:
        return Node(self.store, name, lambda: self.now)

    async def everybody_comes(self) -> None:
        """Ann and Bob have appointments and check in; their host looks on."""
        for appointment in (ANNS, BOBS):
            await self.node.door.fact(ROOM, Opened(appointment, self.policy))
        for who in (HOST, ANN):
            await self.node.door.fact(ROOM, comes(who))
        await self.node.ask(ANN, CHECK_IN)

    async def started(self) -> None:
        """Ann's visit is in progress."""
        await self.everybody_comes()
        await self.node.ask(HOST, START)

    async def saved(self) -> Room:
        stored = await self.store.rooms.load(ROOM)
        assert stored is not None
        return unpack(stored.snapshot)

    async def owed(self) -> list[Owed]:
        return [msgspec.msgpack.decode(item, type=Owed) for _, _, item in await self.store.outbox.read()]

    async def told(self) -> list[dict[str, Any]]:
        """Every state event so far."""
        events = await self.store.rooms.events(ROOM, 0) or ()
        return [msgspec.msgpack.decode(payload)[1] for _, payload in events]

    # --- what may go wrong

    def before_commits(self, *happen: Callable[[], Awaitable[object]]) -> None:
        """Before each of the next commits looks at the room, let something happen, in this order."""
        left = list(happen)

        async def failpoint(room: str, commit: Commit) -> None:
            if left:
                await left.pop(0)()

        self.store.rooms.failpoint = failpoint

    def lose(self, *, saved: bool, times: int = 1) -> None:
        """Let the next commits' answers be lost: after they were saved, or before."""
        real = self.store.rooms.commit
        left = [times]

        async def commit(room: str, commit: Commit) -> None:
            if not left[0]:
                await real(room, commit)
                return
            left[0] -= 1
            if saved:
                await real(room, commit)
            raise StoreAway

        self.store.rooms.commit = commit  # type: ignore[method-assign]
