"""All connections of this node: who is in which room, what they are told, and how they go."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets as chance
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from server import tasks
from server.ports import Clock, StoreAway
from server.ports.bus import Bus
from server.ports.documents import Secrets
from server.ports.door import Rooms
from server.ports.nodes import Attendance
from server.ports.rooms import RoomStore
from server.web.closes import Close, may_resume
from server.web.door import Counts, MaySee, Shell, View, Wire
from server.web.feed import Feed
from server.web.frames import Packet
from server.web.greeting import enter
from server.web.limits import SECOND, Limits
from server.web.resumption import Claims
from server.web.session import Session
from server.web.stored_event import Event
from server.web.wheel import TICK, Wheel
from signaling.errors import NotFound
from signaling.events import Disconnected
from signaling.lookup import live_visit
from signaling.messages import GoAway, Message
from signaling.state import Room, Who

logger = logging.getLogger("carelobby.hub")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""Seconds between tries to tell a store that is away who left."""
_FAREWELL = 5.0
"""Seconds that a stopping node gives its last reports."""


def _new_id() -> str:
    return chance.token_urlsafe(12)


def _new_secret() -> str:
    return chance.token_urlsafe(32)


def _steady() -> int:
    return time.monotonic_ns() // 1_000_000


def _nothing(room: Room, who: Who) -> Sequence[Message]:
    return ()


def _nowhere(connection: str, code: int) -> None:
    pass


def _everything(room: str, who: Who, event: Mapping[str, Any]) -> bool:
    return True


class Hub:
    """The owner of this node's connections. `async with hub:` runs its clockwork and, at the end, its farewells.

    `deliver` and `gap` are for the bus; `send`, `close`, `close_connection` and `drain` for the rest of the shell.
    """

    def __init__(
        self,
        *,
        rooms: Rooms,
        bus: Bus,
        store: RoomStore,
        secrets: Secrets,
        nodes: Attendance,
        shell: Shell,
        view: View,
        node: str,
        clock: Clock,
        may_see: MaySee = _everything,
        ice_servers: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        beside: Callable[[Room, Who], Sequence[Message]] = _nothing,
        elsewhere: Callable[[str, int], object] = _nowhere,
        limits: Limits | None = None,
        new_id: Callable[[], str] = _new_id,
        new_secret: Callable[[], str] = _new_secret,
        steady: Clock = _steady,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`steady` is milliseconds that never jump, for silences; `clock` is the store's time, for rights that end.

        `beside`: what somebody is told after the welcome, beside the view or what they missed. `elsewhere` closes a
        connection (its id, the code) at whatever other node it is.
        `shell` may be set later, if it needs the hub first.
        """
        self.rooms = rooms
        self.bus = bus
        self.store = store
        self.secrets = secrets
        self.nodes = nodes
        self.shell = shell
        self.view = view
        self.may_see = may_see
        self._ice_servers = ice_servers
        self.beside = beside
        self._elsewhere = elsewhere
        self.node = node
        self.clock = clock
        self.steady = steady
        self.sleep = sleep
        self.limits = limits or Limits()
        self.new_secret = new_secret
        self._new_id = new_id
        self._random = random
        self.claims = Claims(secrets, self.limits)
        self.counts = Counts()
        self.draining = False
        self.sessions: dict[str, Session] = {}
        """By connection; those that have not said `hello` included."""
        self.feeds: dict[str, Feed] = {}
        """By room."""
        self.wheel: Wheel[Session] = Wheel(steady())
        self.reading = asyncio.Semaphore(32)
        """How many rooms may read missed events at once: after a gap in the bus it is all of them."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._clockwork: asyncio.Task[None] | None = None

    # --- Its own life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._clockwork = asyncio.create_task(self._run(), name="hub clockwork")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draining = True
        for session in tuple(self.sessions.values()):
            session.close(Close.DRAINING)
        try:
            async with asyncio.timeout(_FAREWELL):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            logger.warning("%d reports were not made; others find out by our missing heartbeat", len(self._tasks))
        while left := [*self._tasks, *([self._clockwork] if self._clockwork else [])]:
            await tasks.end(*left)
            self._clockwork = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK / 1000)
            self.tick()

    def tick(self) -> None:
        """Let come up whoever is due."""
        now = self.steady()
        for session in self.wheel.advance(now):
            session.beat(now)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` to its end; the hub owns it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreAway):
            logger.warning("the store was away")
        elif error is not None:
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("a task of the hub failed: %s\n%s", type(error).__name__, where)

    # --- Connections come and go --------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether another connection is one too many."""
        return self.counts.connections >= self.limits.connections

    def open(self, wire: Wire) -> Session:
        """Begin a session on a socket that was just upgraded; `closed` must follow."""
        now = self.steady()
        session = Session(self, wire, f"con_{self._new_id()}", now)
        self.counts.connections += 1
        self.sessions[session.id] = session
        session.plan(now)
        return session

    def closed(self) -> None:
        """Count a socket that is gone."""
        self.counts.connections -= 1

    async def join(self, session: Session) -> None:
        """Let `session` hear its room, unless it ended meanwhile. Raise `StoreAway`."""
        if session.over is not None:
            return
        room = session.me.room
        feed = self.feeds.get(room)
        if feed is None:
            feed = self.feeds[room] = Feed(self, room)
        feed.sessions[session.id] = session
        session.feed = feed
        async with feed.lock:
            if not feed.subscribed:
                await self.nodes.enter(self.node, room)
                await self.bus.subscribe(room)
                feed.subscribed = True

    def welcomed(self, session: Session, *, resumed: bool, recovered: bool) -> None:
        """Count a connection that is now present."""
        self.counts.present += 1
        if resumed:
            self.counts.recovered += recovered
            self.counts.resumed += not recovered

    def ended(self, session: Session, code: int) -> None:
        """Forget a session that has just ended: nothing is delivered to it any more."""
        self.counts.closed[code] += 1
        self.counts.present -= session.present
        self.counts.overflows += code == Close.TOO_SLOW
        self.wheel.remove(session)
        self.sessions.pop(session.id, None)
        if session.feed is not None:
            session.feed.sessions.pop(session.id, None)
            session.feed.departing += 1

    def depart(self, session: Session) -> None:
        """Tell the room and the store of a session that has ended, once what it asked is answered."""
        if session.feed is not None:
            self.spawn(self._depart(session, session.feed))

    async def _depart(self, session: Session, feed: Feed) -> None:
        try:
            if session.entered:
                await self._say_gone(feed.room, Disconnected(session.id, bye=session.bye))
            if session.claim is None or session.over is None:
                return
            if may_resume(session.over) and not session.bye:
                await self.claims.drop(session.id)
            elif session.over != Close.DISPLACED:
                await self.claims.forget(session.id)
            # The claim of the displaced is left alone: it may be its own successor's, who displaced it by resuming.
        finally:
            feed.departing -= 1
            # Only when the room was told of everybody: who dies before, is found by what `enter` noted.
            if not feed.departing and not feed.sessions:
                await self._leave(feed)

    async def _leave(self, feed: Feed) -> None:
        async with feed.lock:
            if feed.sessions or feed.departing or self.feeds.get(feed.room) is not feed:
                return
            if feed.subscribed:
                feed.subscribed = False
                try:
                    await self.bus.unsubscribe(feed.room)
                    await self.nodes.leave(self.node, feed.room)
                except StoreAway:
                    logger.warning("%s: left while the store was away", feed.room)
            # Somebody may have come while we let go: then the feed is theirs, and they subscribe again.
            if not feed.sessions:
                del self.feeds[feed.room]

    def report_gone(self, room: str, connection: str) -> None:
        """Tell the room that a connection, of whatever node, is gone."""
        self.spawn(self._say_gone(room, Disconnected(connection)))

    async def _say_gone(self, room: str, gone: Disconnected) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                await self.rooms.fact(room, gone)
            except StoreAway:
                await self.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            except NotFound:
                return  # the room went with its practice
            else:
                return

    def renew(self, session: Session) -> None:
        """Let the claim of a live connection live on."""
        self.spawn(self._renew(session))

    async def _renew(self, session: Session) -> None:
        if session.claim is not None and not await self.claims.renew(session.id, session.claim):
            session.close(Close.REVOKED)
        feed = session.feed
        room = await self.rooms.present(session.me.room, seq=session.cursor)
        if not await self._signed_in(session, room):
            session.close(Close.EXPIRED)
        if session.over is not None or feed is None or room is None or session.id in room.connections:
            return
        if room.seq == feed.last:
            # Every event is delivered, and none of them sent this one away: somebody took this node for dead.
            logger.warning("%s: the room had lost it", session.id)
            if await enter(session, takeover=False, resumed=True) and session.over is not None:
                await self._say_gone(feed.room, Disconnected(session.id))  # perhaps said before, and not yet true

    async def _signed_in(self, session: Session, room: Room | None) -> bool:
        """Let a provider's sign-in live while their page is connected; False once it has ended, on whatever node.

        Never in the middle of a visit: a sign-in that ran out while the store was away throws nobody out of it.
        """
        sign_in = session.claim.ticket.sign_in if session.claim is not None else None
        if sign_in is None or await self.secrets.touch("signin", sign_in, self.limits.idle):
            return True
        return room is not None and live_visit(room) is not None

    # --- What the bus brings ------------------------------------------------------------------------

    def deliver(self, room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
        """Take events of a room; a payload of None was too large and is read from the store."""
        feed = self.feeds.get(room)
        if feed is not None:
            feed.deliver(events)

    def packet(self, event: Event, participant: str) -> Packet:
        """Return what a participant is sent of an event: as it is stored, but with credentials made in this moment."""
        servers = self._ice_servers() if "ice_servers" in event.message else ()
        if servers:
            return Packet({**event.told(participant), "ice_servers": servers})
        return event.packet_for(participant)

    async def look(self, room: str, seq: int) -> None:
        """Let this node know a room as it was at event `seq`, or later. Raise `StoreAway`."""
        async with self.reading:
            await self.rooms.present(room, seq=seq)

    def gap(self) -> None:
        """Read again what the bus may have missed, in every room."""
        for feed in tuple(self.feeds.values()):
            feed.fill()

    # --- What the shell says ------------------------------------------------------------------------

    def send(self, room: str, participants: Collection[str], message: Message, *, connection: str | None = None) -> int:
        """Send a passing message to those of `participants` who are present on this node; return to how many sockets.

        `connection`: to that one alone, if it is one of theirs.
        """
        packet = Packet(message)
        reached = 0
        for session in self._present(room):
            if session.me.by.participant in participants and connection in (None, session.id):
                session.send(packet)
                reached += 1
        return reached

    def close(self, room: str, participant: str, code: int) -> int:
        """Close the connections that a participant has on this node; return how many."""
        feed = self.feeds.get(room)
        here = () if feed is None else tuple(feed.sessions.values())
        theirs = [session for session in here if session.me.by.participant == participant]
        for session in theirs:
            session.close(code)
        return len(theirs)

    def send_away(self, stays: Callable[[Session], bool]) -> int:
        """Let those who are present and do not stay come again, at whatever node; return how many they are."""
        away = [session for session in self.sessions.values() if session.present and not stays(session)]
        for session in away:
            session.close(Close.STORE_LOST)
        return len(away)

    def close_room(self, room: str, code: int) -> None:
        """Close every connection of a room on this node."""
        for session in tuple(self.feeds[room].sessions.values()) if room in self.feeds else ():
            session.close(code)

    def seen(self, room: str) -> int:
        """Return the newest event number this node has seen of a room; 0 if it does not listen to it."""
        feed = self.feeds.get(room)
        return feed.last or 0 if feed is not None else 0

    def close_connection(self, connection: str, code: int) -> bool:
        """Close one connection, if it is on this node."""
        session = self.sessions.get(connection)
        if session is None:
            return False
        session.close(code)
        return True

    def close_anywhere(self, connection: str, code: int) -> None:
        """Close one connection, at whatever node it is."""
        if not self.close_connection(connection, code):
            self._elsewhere(connection, code)

    def close_sign_in(self, sign_in: str, code: int) -> int:
        """Close what was opened under a provider's sign-in (the SHA-256 of it); return how many."""
        theirs = [s for s in self.sessions.values() if s.claim is not None and s.claim.ticket.sign_in == sign_in]
        for session in theirs:
            session.close(code)
        return len(theirs)

    def _present(self, room: str) -> list[Session]:
        feed = self.feeds.get(room)
        return [] if feed is None else [session for session in feed.sessions.values() if session.present]

    async def drain(self, after: int, jitter: int) -> None:
        """Refuse what is new, announce the end, and after `after` ms close what is left, spread over `jitter` ms."""
        self.draining = True
        packet = Packet(GoAway(after=after, jitter=jitter))
        for session in tuple(self.sessions.values()):
            session.send(packet)
        await self.sleep(after / SECOND)
        waiting = sorted((self._random() * jitter, connection) for connection in self.sessions)
        passed = 0.0
        for at, connection in waiting:
            if at - passed >= 50:
                await self.sleep((at - passed) / SECOND)
                passed = at
            self.close_connection(connection, Close.DRAINING)
