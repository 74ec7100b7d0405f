"""News of rooms over Redis pub/sub, on a connection of its own.

A half-open connection delivers nothing and never fails. So this publishes to a channel of its own, through each of the
store's command connections, and listens for the echoes: what arrives proves the whole way, also that all connections
still end at the same server, or the same cluster. Without them the connection is made anew, all rooms are subscribed
again, and the hub is told that it may have missed something; so it is when other servers became primaries.

A room's channel also carries what nodes call to one another about it, and each node has a channel of its own for
letters: sealed under the channel's name, gone if nobody listens.

Not over redis-py's PubSub: it mends its connection by itself and tells nobody, so that what was missed meanwhile
would stay missed; and it costs two to seven times as much a message (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from server.crypto import SealBroken, Sealer
from server.ports import StoreAway
from server.ports.bus import Called, Deliver, Gap, Letter
from server.redis_link import envelope
from server.redis_link.address import Address
from server.redis_link.faults import NotConnected, StoreFault
from server.redis_link.keys import channel_of, node_channel, partition_of, room_keys, room_of
from server.redis_link.link import Link, pack
from server.redis_link.pipe import Commands, Pipe

logger = logging.getLogger("carelobby.bus")

BEAT: Final = 2.0
"""Seconds between two beats."""
PATIENCE: Final = 6.0
"""Seconds without an echo after which the connection is thrown away."""
CONNECT: Final = 1.0
TRIES: Final = 3
"""Connections that are tried at first: of a cluster's servers one may be down, and the next try is another's."""
CONFIRM: Final = 2.0
"""Seconds to wait for the server's confirmation of a subscription."""
BATCH: Final = 500
"""Channels in one SUBSCRIBE after a reconnect."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

_Waiter = asyncio.Future[None]


class Store(Protocol):
    """What the bus needs of the store beside it."""

    @property
    def address(self) -> Address: ...
    @property
    def sealer(self) -> Sealer: ...
    @property
    def pipe(self) -> Commands: ...


class RedisBus:
    """`Bus` and `Post` over Redis. Open it with `connect`."""

    def __init__(
        self,
        store: Store,
        deliver: Deliver,
        gap: Gap,
        *,
        node: str,
        letter: Letter,
        called: Called,
        own: str,
        beat: float,
        patience: float,
    ) -> None:
        self._store = store
        self._sealer: Sealer = store.sealer
        self._deliver = deliver
        self._gap = gap
        self._letter = letter
        self._called = called
        self._node = node
        self._letters = node_channel(node)
        self._own = f"beat:{own}"
        self._beat = beat
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._rooms: set[str] = set()
        # For each SUBSCRIBE of a channel that was sent, in order: who waits for its confirmation.
        self._unconfirmed: dict[str, deque[list[_Waiter]]] = {}
        self._confirmed: set[str] = set()
        self._echo = 0.0
        self._beats = 0
        self._unheard: set[bytes] = set()
        self._speakers: Sequence[Pipe] = ()
        self._broken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect for the first time. Raise `StoreAway`."""
        for left in reversed(range(TRIES)):
            try:
                await self._connect()
                break
            except (NotConnected, StoreFault, StoreAway):
                if not left:
                    raise StoreAway from None
        self._store.address.moved.append(self._hang_up)
        self._tasks = [
            self._loop.create_task(self._send_beats(), name="bus: beats"),
            self._loop.create_task(self._keep_connected(), name="bus: connection"),
        ]

    async def close(self) -> None:
        """Stop listening."""
        with suppress(ValueError):
            self._store.address.moved.remove(self._hang_up)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hang_up()
        await asyncio.sleep(0)  # the transport closes its socket in the next tick

    async def subscribe(self, room: str) -> None:
        """Return when the server confirmed it. Raise `StoreAway` if it does not within `CONFIRM` seconds."""
        channel = channel_of(room)
        self._rooms.add(room)
        waiter: _Waiter = self._loop.create_future()
        self._expect(channel, [waiter])
        self._send("SUBSCRIBE", channel)
        try:
            async with asyncio.timeout(CONFIRM):
                await waiter
        except TimeoutError:
            raise StoreAway from None
        finally:
            if waiter.cancelled() and channel not in self._confirmed and not self._awaited(channel):
                await self.unsubscribe(room)

    async def unsubscribe(self, room: str) -> None:
        """Deliver no more of this room, from now on."""
        channel = channel_of(room)
        self._rooms.discard(room)
        self._confirmed.discard(channel)
        self._send("UNSUBSCRIBE", channel)

    async def post(self, node: str, letter: bytes) -> None:
        """Send a letter to one node. Raise `StoreAway`."""
        channel = node_channel(node)
        await self._publish(channel, self._sealer.seal(partition_of(node), channel, 0, letter))

    async def call(self, room: str, letter: bytes) -> None:
        """Send a letter to every node that is subscribed to a room. Raise `StoreAway`."""
        keys = room_keys(room)
        await self._publish(keys.channel, envelope.call(self._sealer.seal(keys.partition, keys.channel, 0, letter)))

    async def _publish(self, channel: str, message: bytes) -> None:
        try:
            await self._store.pipe.call("PUBLISH", channel, message)
        except StoreFault:
            raise StoreAway from None

    async def _connect(self) -> None:
        """Connect, and subscribe to everything that is wanted. Raise `NotConnected`, `StoreFault` or `StoreAway`."""
        self._link = await Link.open(
            self._store.address, received=self._on_message, lost=self._on_lost, patience=CONNECT
        )
        self._broken.clear()
        # Whoever waited on the old connection waits on: one confirmation on this one answers all of a channel.
        before, self._unconfirmed = self._unconfirmed, {}
        channels = [self._own, self._letters, *map(channel_of, sorted(self._rooms))]
        confirmed: list[_Waiter] = []
        for channel in channels:
            carried = [waiter for waiters in before.get(channel, ()) for waiter in waiters if not waiter.done()]
            confirmed.append(self._loop.create_future())
            self._expect(channel, [*carried, confirmed[-1]])
        for start in range(0, len(channels), BATCH):
            self._send("SUBSCRIBE", *channels[start : start + BATCH])
        _, missing = await asyncio.wait(confirmed, timeout=CONFIRM)
        for waiter in missing:
            waiter.cancel()
        if missing or self._link is None:
            self._hang_up()
            raise StoreAway
        self._echo = self._loop.time()

    async def _keep_connected(self) -> None:
        """Mend the connection whenever it is lost or silent."""
        while True:
            await self._until_silent()
            self._hang_up()
            pause = FIRST_PAUSE
            while True:
                try:
                    await self._connect()
                except (NotConnected, StoreFault, StoreAway):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                else:
                    break
            logger.info("listening to %d rooms again", len(self._rooms))
            self._tell(self._gap)

    async def _until_silent(self) -> None:
        """Return when the connection is lost, or no echo came for too long."""
        while (left := self._echo + self._patience - self._loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._broken.wait()
                    return
        logger.warning("no echo for %.1f s: the connection is made anew", self._patience)

    async def _send_beats(self) -> None:
        while True:
            speakers = self._store.pipe.speakers()
            if self._speakers and speakers != self._speakers:
                self._tell(self._gap)  # what the one before published last may have gone with it
            self._speakers = speakers
            self._beats += 1
            beats = [b"%d %d" % (self._beats, number) for number in range(len(speakers))]
            self._unheard = set(beats)
            await asyncio.gather(
                self._store.address.look(CONNECT), *map(self._send_beat, speakers, beats), asyncio.sleep(self._beat)
            )

    async def _send_beat(self, speaker: Pipe, beat: bytes) -> None:
        with suppress(StoreAway, StoreFault):
            await speaker.call("PUBLISH", self._own, beat)

    def _hear_beat(self, beat: bytes) -> None:
        """Note when all that publish were heard."""
        self._unheard.discard(beat)
        if not self._unheard:
            self._echo = self._loop.time()

    def _on_message(self, message: Any) -> None:
        match message:
            case [b"message", bytes(channel), bytes(payload)]:
                if channel == self._own.encode():
                    self._hear_beat(payload)
                elif channel == self._letters.encode():
                    self._open(payload)
                else:
                    self._hear(room_of(channel.decode()), payload)
            case [b"subscribe", bytes(channel), _]:
                self._confirm(channel.decode())
            case _:
                pass  # an unsubscription's confirmation; nobody waits for it

    def _hear(self, room: str, payload: bytes) -> None:
        if room not in self._rooms:
            return
        keys = room_keys(room)
        try:
            sealed = envelope.read_news(payload)
        except ValueError:
            logger.warning("a message on a room's channel cannot be read")
            return
        events: list[tuple[int, bytes | None]] = []
        for seq, value in sealed:
            if seq == 0:
                self._hear_call(room, value)
                continue
            try:
                events.append((seq, value and self._sealer.open(keys.partition, keys.events, seq, value)))
            except SealBroken:
                events.append((seq, None))  # the store has it; if it is broken there too, reading it says so
        if events:
            self._tell(self._deliver, room, events)

    def _hear_call(self, room: str, sealed: bytes | None) -> None:
        keys = room_keys(room)
        try:
            letter = self._sealer.open(keys.partition, keys.channel, 0, sealed or b"")
        except SealBroken:
            logger.warning("a call on a room's channel cannot be opened")
        else:
            self._tell(self._called, room, letter)

    def _open(self, sealed: bytes) -> None:
        try:
            letter = self._sealer.open(partition_of(self._node), self._letters, 0, sealed)
        except SealBroken:
            logger.warning("a letter to this node cannot be opened")
        else:
            self._tell(self._letter, letter)

    def _tell(self, listener: Callable[..., None], *what: Any) -> None:
        try:
            listener(*what)
        except Exception:  # one room's fault must not cost all others their connection
            logger.exception("a listener failed at news")

    def _expect(self, channel: str, waiters: list[_Waiter]) -> None:
        self._unconfirmed.setdefault(channel, deque()).append(waiters)

    def _confirm(self, channel: str) -> None:
        waiting = self._unconfirmed.get(channel)
        if not waiting:
            return
        if room_of(channel) in self._rooms:
            self._confirmed.add(channel)
        for waiter in waiting.popleft():
            if not waiter.done():
                waiter.set_result(None)
        if not waiting:
            del self._unconfirmed[channel]

    def _awaited(self, channel: str) -> bool:
        return any(not waiter.done() for waiters in self._unconfirmed.get(channel, ()) for waiter in waiters)

    def _send(self, *command: str) -> None:
        if self._link is not None:  # otherwise it is sent with all others after the reconnect
            self._link.write(pack(*command))

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.abort()

    def _on_lost(self) -> None:
        self._link = None
        self._broken.set()


async def connect(
    store: Store,
    deliver: Deliver,
    gap: Gap,
    *,
    node: str = "",
    letter: Letter = lambda letter: None,
    called: Called = lambda room, letter: None,
    random: Callable[[int], bytes] = os.urandom,
    beat: float = BEAT,
    patience: float = PATIENCE,
) -> RedisBus:
    """Open the bus of `node` beside `store`. Raise `StoreAway`.

    `letter` hears what is posted to the node, `called` what is called to its rooms. `beat`, `patience`: seconds between
    beats, and without an echo.
    """
    own = random(8).hex()
    bus = RedisBus(
        store, deliver, gap, node=node or own, letter=letter, called=called, own=own, beat=beat, patience=patience
    )
    await bus.open()
    return bus
