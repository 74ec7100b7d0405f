"""The store and the bus as one node reaches them: late, away, answering what was not heard, saying things twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from server.ports import StoreAway
from server.ports.rooms import Commit, Stored
from server.store.memory import MemoryStore

Events = Sequence[tuple[int, bytes | None]]


class Reach:
    """How well one node reaches the store and hears the bus."""

    def __init__(self) -> None:
        self.dead = False
        self.away = False
        self.slow = False
        """Calls wait until the machine lets them on, in whatever order."""
        self.held: int | None = None
        """So many calls or answers more pass, and the one after them waits."""
        self.lost_answers = 0
        """So many commits more are saved without the node's hearing of it."""
        self.waiting: list[asyncio.Future[None]] = []
        self.muffled = False
        """News wait until the machine delivers, repeats or loses them."""
        self.news: list[tuple[str, Events]] = []
        self.calls: list[tuple[str, bytes]] = []
        """What was called to rooms meanwhile."""
        self.spell = 0
        """So many steps more until the trouble is over by itself."""
        self.missed = False
        """The bus lost something and has not said so yet."""

    @property
    def well(self) -> bool:
        return not (self.dead or self.away or self.slow or self.lost_answers or self.waiting)

    @property
    def knows(self) -> bool:
        """Whether the node hears of everything, and has: of what the bus lost it knows once the bus has said so."""
        return self.well and not (self.muffled or self.missed)

    async def __call__(self) -> None:
        """Get through, late or not at all."""
        self._look()
        if self.slow or self._holds():
            await self._wait()

    async def back(self) -> None:
        """Hear what the store said of something read: by now it may be old."""
        if self.slow or self._holds():
            await self._wait()

    async def answer(self) -> None:
        """Hear what the store said of a commit."""
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreAway
        if self.slow or self._holds():
            await self._wait()
        if self.dead:
            raise asyncio.CancelledError

    def _holds(self) -> bool:
        if self.held is None:
            return False
        self.held = self.held - 1 if self.held else None
        return self.held is None

    async def _wait(self) -> None:
        let_on = asyncio.get_running_loop().create_future()
        self.waiting.append(let_on)
        await let_on
        self._look()

    def _look(self) -> None:
        if self.dead:
            raise asyncio.CancelledError  # nothing of a dead node goes on
        if self.away:
            raise StoreAway

    def let_on(self, which: int) -> None:
        """Let one waiting call go on."""
        future = self.waiting.pop(which % len(self.waiting))
        if not future.done():
            future.set_result(None)

    def let_all_on(self) -> None:
        self.held = None
        while self.waiting:
            self.let_on(0)


class RoomsReached:
    """`RoomStore`, from one node."""

    def __init__(self, reach: Reach, store: MemoryStore, committed: Callable[[str, Commit], None]) -> None:
        self._reach, self._rooms, self._committed = reach, store.rooms, committed

    async def time(self) -> int:
        await self._reach()
        return await self._rooms.time()

    async def load(self, room: str) -> Stored | None:
        await self._reach()
        found = await self._rooms.load(room)
        await self._reach.back()
        return found

    async def commit(self, room: str, commit: Commit) -> None:
        await self._reach()
        await self._rooms.commit(room, commit)
        self._committed(room, commit)
        await self._reach.answer()

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        await self._reach()
        return await self._rooms.reply(room, request)

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        await self._reach()
        events = await self._rooms.events(room, after)
        await self._reach.back()
        return events

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        await self._reach()
        return await self._rooms.due(now, limit)

    async def postpone(self, room: str, until: int) -> None:
        await self._reach()
        await self._rooms.postpone(room, until)

    async def delete(self, room: str) -> None:
        await self._reach()
        await self._rooms.delete(room)


class Reached:
    """Any other port of the store, from one node: each call gets through, or does not."""

    def __init__(self, reach: Reach, port: Any) -> None:
        self._reach, self._port = reach, port

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)

        async def reached(*args: Any, **named: Any) -> Any:
            await self._reach()
            return await call(*args, **named)

        setattr(self, name, reached)
        return reached


class Air:
    """Carries news from the store to every node that listens."""

    def __init__(self) -> None:
        self.buses: list[Ear] = []

    def publish(self, room: str, events: Events) -> None:
        for bus in self.buses:
            bus.hear(room, events)

    def call(self, room: str, letter: bytes) -> None:
        """Carry a call to every node that listens to a room."""
        for bus in self.buses:
            bus.hear_call(room, letter)

    def post(self, node: str, letter: bytes) -> None:
        """Carry a letter to one node, if it is there."""
        for bus in self.buses:
            if bus.node == node:
                bus.hear_letter(letter)


class Ear:
    """`Bus` and `Post`, from one node."""

    def __init__(
        self,
        reach: Reach,
        air: Air,
        node: str,
        *,
        deliver: Callable[[str, Events], None],
        gap: Callable[[], None],
        called: Callable[[str, bytes], None],
        letter: Callable[[bytes], None],
    ) -> None:
        self._reach, self._air, self.node = reach, air, node
        self._deliver, self._gap, self._called, self._letter = deliver, gap, called, letter
        self._rooms: set[str] = set()
        air.buses.append(self)

    async def subscribe(self, room: str) -> None:
        await self._reach()
        self._rooms.add(room)

    async def unsubscribe(self, room: str) -> None:
        await self._reach()
        self._rooms.discard(room)

    def hear(self, room: str, events: Events) -> None:
        """Take what was published."""
        if room not in self._rooms or self._reach.dead:
            return
        if self._reach.muffled:
            self._reach.news.append((room, events))
        else:
            asyncio.get_running_loop().call_soon(self.deliver, room, events)

    def deliver(self, room: str, events: Events) -> None:
        """Hand news on, if anybody still wants them."""
        if room in self._rooms and not self._reach.dead:
            self._deliver(room, events)

    async def post(self, node: str, letter: bytes) -> None:
        await self._reach()
        self._air.post(node, letter)

    async def call(self, room: str, letter: bytes) -> None:
        await self._reach()
        self._air.call(room, letter)

    def hear_call(self, room: str, letter: bytes) -> None:
        """Take a call, at once or late."""
        if self._reach.muffled:
            self._reach.calls.append((room, letter))
        else:
            asyncio.get_running_loop().call_soon(self.pass_call, room, letter)

    def pass_call(self, room: str, letter: bytes) -> None:
        """Hand a call on, if anybody still wants it."""
        if room in self._rooms and not self._reach.dead:
            self._called(room, letter)

    def hear_letter(self, letter: bytes) -> None:
        """Take a letter; where news come late it arrives twice."""
        for _ in range(2 if self._reach.muffled else 1):
            asyncio.get_running_loop().call_soon(self._open, letter)

    def _open(self, letter: bytes) -> None:
        if not self._reach.dead:
            self._letter(letter)

    def own_up(self) -> None:
        """Say that something may have been missed, as after a broken connection."""
        self._reach.missed = False
        self._gap()
