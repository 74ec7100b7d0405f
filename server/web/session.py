"""One connection's talk, from `hello` to the end: requests in, in order; replies and events out.

A session has no task while nothing is asked of it. Its socket calls `received` and `lost`, the clockwork
`beat`, its room's feed `deliver`; requests wait in `inbox` for one short-lived task.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from server.ports import StoreAway
from server.web import greeting
from server.web.closes import Close, may_resume
from server.web.door import Caller, Wire
from server.web.frames import Packet, Unreadable, read
from server.web.limits import Bucket, Strikes, cost
from signaling.errors import RateLimited, Refused, SignalingError, Stale, Unavailable
from signaling.messages import Error, Message, Ok
from signaling.requests import (
    AnyRequest,
    Bye,
    Chat,
    Hello,
    MediaAnswered,
    MediaCandidates,
    MediaOffer,
    MediaPrepare,
    MediaStats,
    Ping,
    Sync,
    TellWaiting,
)
from signaling.state import Room

if TYPE_CHECKING:
    from server.web.feed import Feed
    from server.web.hub import Hub
    from server.web.resumption import Claim
    from server.web.stored_event import Event

logger = logging.getLogger("carelobby.session")

SPENDING = 0.5
"""Seconds that the first answer after a resume waits at most for the old secret to be spent."""


_ANSWERED = (Sync, Ping, MediaPrepare, MediaOffer, MediaCandidates, MediaStats)
"""Requests that are nothing to anybody but who asks."""


class Session:
    """What the server knows of one connection."""

    __slots__ = (
        "bad",
        "bucket",
        "bye",
        "caller",
        "claim",
        "cursor",
        "entered",
        "feed",
        "held",
        "hub",
        "id",
        "inbox",
        "over",
        "pinged",
        "predecessor",
        "present",
        "renewed",
        "since",
        "spending",
        "stats_at",
        "too_fast",
        "unsure",
        "wire",
        "working",
    )

    def __init__(self, hub: Hub, wire: Wire, id: str, now: int) -> None:
        """`id` is the connection's; `now` is milliseconds of the hub's steady clock."""
        self.hub = hub
        self.wire = wire
        self.id = id
        self.since = self.pinged = self.renewed = now
        self.caller: Caller | None = None
        """Who this is; None until the ticket or the claim was good."""
        self.claim: Claim | None = None
        self.predecessor: str | None = None
        """The connection that this one resumed, until the browser shows that it got our welcome."""
        self.spending: asyncio.Task[None] | None = None
        """On its way to the store: that what it was resumed by is spent."""
        self.feed: Feed | None = None
        self.entered = False
        """The room may hold us as connected."""
        self.present = False
        """Welcomed."""
        self.cursor = 0
        """The last event that this connection has, by itself or as part of its view."""
        self.held: list[tuple[int, Event]] | None = []
        """Events that came before the view that they may be part of; None once there is a view."""
        self.over: int | None = None
        """The close code, once it has ended."""
        self.bye = False
        self.unsure = False
        """Something was asked of which nobody could say whether it was done."""
        self.inbox: list[AnyRequest] = []
        self.working = False
        limits = hub.limits
        self.bucket = Bucket(limits.burst, limits.rate, now)
        self.bad: Strikes | None = None
        self.too_fast: Strikes | None = None
        self.stats_at: int | None = None

    @property
    def me(self) -> Caller:
        """Who this is; only to be asked after `hello`."""
        if self.caller is None:
            raise AssertionError("nobody asks a stranger")
        return self.caller

    # --- What comes in ------------------------------------------------------------------------------

    def received(self, data: bytes | bytearray, *, packed: bool) -> None:
        """Take one message, of a binary frame if `packed`, else of a text frame."""
        if self.over is not None:
            return
        self.hub.counts.received += 1
        now = self.hub.steady()
        if not packed and not _is_text(data):
            self.close(Close.NOT_UTF8)
            return
        try:
            request = read(data, packed=packed, expected=self.wire.packed)
        except Unreadable as unreadable:
            self.tell(Error(code=unreadable.code, temporary=False, re=unreadable.re))
            self.bad = self.bad or Strikes(self.hub.limits.bad_messages, self.hub.limits.strike_window)
            if self.bad.add(now):
                self.close(Close.PROTOCOL_ERROR)
            return
        if not self._affords(cost(request), now, request.id):
            return
        self._confirm()
        if isinstance(request, Ping) and self.present:
            # Not behind a slow request: it asks whether we are there.
            self.tell(Ok(re=request.id))
            return
        if isinstance(request, MediaStats):
            if self.stats_at is not None and now - self.stats_at < self.hub.limits.stats_every:
                if request.id is not None:
                    self.tell(Ok(re=request.id))
                return
            self.stats_at = now
        self._queue(request)

    def ponged(self) -> None:
        """Note that the browser has read everything up to our last ping, and so its welcome."""
        if self.over is None:
            self._confirm()

    def _confirm(self) -> None:
        """Spend the secret we were resumed by: whoever has the welcome has the next one."""
        if self.predecessor is not None and self.present:
            predecessor, self.predecessor = self.predecessor, None
            self.spending = self.hub.spawn(self._spend(predecessor))

    async def _spend(self, predecessor: str) -> None:
        try:
            await self.hub.claims.confirm(predecessor, self.id)
        except StoreAway:
            self.predecessor = predecessor  # whatever the browser says next confirms it again
            raise

    def pinged_by_peer(self) -> None:
        """Count a WebSocket ping, which the wire answers: they cost a little, too."""
        if self.over is None:
            self._affords(0.2, self.hub.steady(), None)

    def _affords(self, cost: float, now: int, re: int | None) -> bool:
        wait = self.bucket.take(cost, now)
        if not wait:
            return True
        self.tell(Error(code=RateLimited.code, temporary=True, re=re, retry_after=round(wait, 2)))
        self.too_fast = self.too_fast or Strikes(self.hub.limits.refusals, self.hub.limits.strike_window)
        if self.too_fast.add(now):
            self.close(Close.RATE)
        return False

    def _queue(self, request: AnyRequest) -> None:
        self.inbox.append(request)
        if len(self.inbox) >= self.hub.limits.inbox:
            # TCP tells the browser to wait. What one read of the socket holds beyond is bounded by the rate.
            self.wire.pause()
        if not self.working:
            self.working = True
            self.hub.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self.inbox:
                request = self.inbox.pop(0)
                if len(self.inbox) == self.hub.limits.inbox // 2:
                    self.wire.resume()
                if self.spending is not None:
                    # Whoever was answered can rely on it that the secret before is good for nobody any more; unless the
                    # store is away: then an answer, and an End above all, must not wait for that as well.
                    await asyncio.wait([self.spending], timeout=SPENDING)
                    self.spending = None
                await self._answer(request)
        finally:
            self.working = False
            if self.over is not None:
                self.hub.depart(self)

    async def _answer(self, request: AnyRequest) -> None:
        """Answer one request, whatever happens to it."""
        reply: Ok | Error | None
        try:
            async with asyncio.timeout(self.hub.limits.patience):
                reply = await self._ask(request)
        except SignalingError as error:
            reply = _refusal(error)
        except (StoreAway, TimeoutError):
            self.unsure = True
            reply = Error(code=Unavailable.code, temporary=True, retry_after=1.0)
        except Exception as error:  # noqa: BLE001 - the barrier: a mistake of ours costs one request, not the connection
            # The error's own words are left out: they may quote what somebody wrote.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s %s failed: %s\n%s", self.id, type(request).__name__, type(error).__name__, where)  # noqa: TRY400
            reply = Error(code=SignalingError.code, temporary=False)
        if reply is None:
            return
        self.tell(replace(reply, re=request.id))
        if not self.present and isinstance(reply, Error):
            # Nobody is admitted while the store is away; the browser comes back.
            self.close(Close.STORE_LOST if reply.temporary else Close.INTERNAL)

    async def _ask(self, request: AnyRequest) -> Ok | Error | None:
        """Return the reply, if it was not told already."""
        if not self.present:
            if self.over is None and isinstance(request, Hello):
                await greeting.greet(self, request)
            elif self.over is None:
                self.close(Close.NO_HELLO)
            return None
        match request:
            case Hello():
                raise Refused("hello was said")
            case Sync():
                await self._sync(request.id)
                return None
            case Ping():
                return Ok()
            case Bye():
                self.bye = True
                self.inbox.clear()
                self.tell(Ok(re=request.id))
                self.close(Close.NORMAL)
                return None
            case (
                Chat()
                | TellWaiting()
                | MediaPrepare()
                | MediaOffer()
                | MediaAnswered()
                | MediaCandidates()
                | MediaStats()
            ):
                return await self.hub.shell.handle(self.me, request)
            case _:
                return await self.hub.rooms.ask(self.me.room, self.me.by, self.id, request)

    async def _sync(self, re: int | None) -> None:
        room = await self.read_room(anew=self.unsure)
        if self.id not in room.connections:
            room = await self.read_room(anew=True)
        self.unsure = False
        self.show_again(room, re=re)

    # --- What goes out ------------------------------------------------------------------------------

    def tell(self, message: Message) -> None:
        """Send a message to this connection alone."""
        self.send(Packet(message))

    def send(self, packet: Packet) -> None:
        """Send what may go to others, too."""
        if self.over is None:
            self.hub.counts.sent += 1
            self.wire.send(packet)

    def deliver(self, seq: int, event: Event) -> None:
        """Pass an event on, if it is for us and not part of what we have."""
        if self.over is not None:
            return
        if self.held is not None:
            self.held.append((seq, event))
            if len(self.held) > self.hub.limits.mailbox_count:
                self.close(Close.STATE_GAP)
            return
        if seq <= self.cursor:
            return
        self.cursor = seq
        caller = self.me
        if not event.is_for(caller.by.participant, self.id):
            return
        if not self.hub.may_see(caller.room, caller.by, event.message):
            return
        self.send(self.hub.packet(event, caller.by.participant))
        if event.close is not None:
            self.close(event.close)

    async def read_room(self, *, anew: bool = False) -> Room:
        """Return the room, no older than what this connection was told; `anew`: as it is now. Raise `StoreAway`."""
        feed = self.feed
        if feed is None:
            raise AssertionError("a connection joins its room before it reads it")
        for _ in range(5):
            room = await self.hub.rooms.present(feed.room, seq=0 if anew else max(self.cursor, feed.heard))
            if room is None:
                self.close(Close.OVER)
                raise Refused("the room is gone")
            if room.seq >= self.cursor:
                feed.start(room)
                return room
        self.close(Close.STATE_GAP)
        raise Unavailable("the room stays behind what was told of it")

    def show(self, room: Room, *, re: int | None = None) -> None:
        """Send the view of `room`; earlier events are in it, later ones follow."""
        view = self.hub.view(room, self.me.by)
        self.tell(view if re is None else replace(view, re=re))
        self.catch_up(room.seq)

    def show_again(self, room: Room, *, re: int | None = None) -> None:
        """Send a view that stands for all that came before it; what would have sent us away does so all the same."""
        self.show(room, re=re)
        end = Close.DISPLACED if greeting.displaced(room, self.me) else greeting.over(room, self.me.by)
        if end is not None:
            self.close(end)

    def catch_up(self, cursor: int, missed: Sequence[tuple[int, Event]] = ()) -> None:
        """Deliver what came after `cursor`: what was missed, then what was held back, then whatever comes."""
        self.cursor = max(self.cursor, cursor)
        held, self.held = self.held, None
        for seq, event in (*missed, *(held or ())):
            self.deliver(seq, event)

    # --- Time and the end ---------------------------------------------------------------------------

    def beat(self, now: int) -> None:
        """Do what is due at `now`, and say when to come again."""
        limits = self.hub.limits
        if self.caller is None and not self.working and now - self.since >= limits.hello_within:
            self.close(Close.NO_HELLO)
        elif not self.inbox and now - self.wire.heard >= limits.silence:
            # With requests in the inbox the socket may not be read, so its silence says nothing.
            self.close(Close.NO_HEARTBEAT)
        elif self.ends_at is not None and self.hub.clock() >= self.ends_at:
            self.close(Close.EXPIRED)
        if self.over is not None:
            return
        if now - self.pinged >= limits.ping_every:
            self.pinged = now
            self.wire.ping()
        if self.present and now - self.renewed >= limits.refresh:
            self.renewed = now
            self.hub.renew(self)
        self.plan(now)

    def plan(self, now: int) -> None:
        """Let the clockwork come again when the next thing is due."""
        limits = self.hub.limits
        due = min(self.pinged + limits.ping_every, self.wire.heard + limits.silence)
        if self.present:
            due = min(due, self.renewed + limits.refresh)
        if self.caller is None:
            due = min(due, max(self.since + limits.hello_within, now))
        elif self.ends_at is not None:
            due = min(due, now + max(0, self.ends_at - self.hub.clock()))
        self.hub.wheel.place(self, due)

    @property
    def ends_at(self) -> int | None:
        """When the right to be connected ends, by the store's clock."""
        return None if self.claim is None else self.claim.ticket.until

    def close(self, code: int) -> None:
        """End it with `code`, after what was sent."""
        if self.over is None:
            self._end(code)
            self.wire.close(code)

    def lost(self, code: int) -> None:
        """The transport is gone, or the browser closed with `code`."""
        if self.over is None:
            self._end(code)

    def _end(self, code: int) -> None:
        self.over = code
        # Whoever is sent away asks for nothing more. What a mere drop left behind is still done: a `leave` and a closed
        # window travel together. But nobody waits for what would only have been answered.
        left = [one for one in self.inbox if not isinstance(one, _ANSWERED)] if may_resume(code) else []
        self.inbox[:] = left
        self.hub.ended(self, code)
        if not self.working:
            self.hub.depart(self)


def _is_text(data: bytes | bytearray) -> bool:
    """Whether a text frame holds UTF-8 (RFC 6455, 8.1); a parser that skips unknown fields does not look into them."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refusal(error: SignalingError) -> Error:
    return Error(
        code=error.code,
        temporary=error.temporary,
        retry_after=getattr(error, "retry_after", None),
        visit=getattr(error, "present", None) if isinstance(error, Stale) else None,
    )
