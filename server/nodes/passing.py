"""Passing messages: told to people of a room at whatever node they are, never stored, and to nobody else.

They are called out on the room's channel, so that nobody need know who is connected where. A node that hears a call
looks once more, at the room as it is by then, before anything goes to a socket: between the word and its arrival
somebody may have been removed, or the visit may have ended. What is said of one room stays in its order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from server.nodes.fresh import fresh
from server.ports import StoreAway
from server.ports.bus import Post
from server.ports.door import Rooms
from signaling.errors import Unavailable
from signaling.lookup import entry_of, present_seats, provider_ids
from signaling.messages import (
    ChatLine,
    MediaAnswer,
    MediaModeTold,
    MediaOffered,
    MediaQuality,
    MediaRenegotiate,
    MediaReplace,
    MediaTrickled,
    Message,
    WaitingText,
)
from signaling.state import Phase, Room, Visit

logger = logging.getLogger("carelobby.passing")

MOST = 1000
"""Calls under way at a time; what comes beyond is not told, as if the channel had lost it."""

Words = (
    ChatLine
    | WaitingText
    | MediaModeTold
    | MediaQuality
    | MediaRenegotiate
    | MediaReplace
    | MediaOffered
    | MediaAnswer
    | MediaTrickled
)
"""What travels from node to node for somebody's ears."""

Tell = Callable[[str, Collection[str], Message, str | None], object]
"""Sends a passing message to participants of a room (or to that one connection of theirs) on this node."""


class _Call(Struct, frozen=True, array_like=True):
    """What is called to all nodes of a room."""

    by: str
    """The node, which has told its own people."""
    seq: int
    """The room's last event when it was said: who hears it must know as much."""
    visit: str | None
    """Whose people they are; None: they wait."""
    to: tuple[str, ...]
    words: Words


_TO_BYTES = msgspec.msgpack.Encoder()
_FROM_BYTES = msgspec.msgpack.Decoder(_Call)


class Passing:
    """Says words to people of a room, and passes on what other nodes say."""

    def __init__(self, post: Post, *, node: str, rooms: Rooms, here: Tell, seen: Callable[[str], int]) -> None:
        """`here` tells people at this node; `seen` is the newest event number that it has seen of a room."""
        self._post = post
        self._node = node
        self._rooms = rooms
        self._here = here
        self._seen = seen
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, room: str, to: Collection[str], words: Words, *, visit: str | None, seq: int = 0) -> None:
        """Tell participants who are in `visit`, or (None) who wait: at this node now, at the others soon, if at all.

        `seq` is the event number of the room that this was decided on; without it, whoever is told must be known to
        be there still.
        """
        if not to:
            return
        call = _Call(self._node, max(seq, self._seen(room)), visit, tuple(to), words)
        if seq < self._seen(room):
            # People here were told of something later already: perhaps that they are out.
            self._spawn(self._in(room, call))
        else:
            self._here(room, to, words, None)
        self._spawn(self._out(room, _TO_BYTES.encode(call)))

    def tell_here(self, room: str, to: Collection[str], words: Words, *, visit: str) -> None:
        """Tell participants at this node alone, soon, if by then they are still in `visit`."""
        self._spawn(self._in(room, _Call(self._node, self._seen(room), visit, tuple(to), words)))

    def called(self, room: str, letter: bytes) -> None:
        """Take what a node called to this room."""
        try:
            call = _FROM_BYTES.decode(letter)
        except msgspec.MsgspecError:
            logger.warning("a call of another version was not understood")
            return
        if call.by != self._node:
            self._spawn(self._in(room, call))

    async def close(self) -> None:
        """Drop what was not told yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _out(self, room: str, letter: bytes) -> None:
        with suppress(StoreAway):  # who is at other nodes does not hear it
            await self._post.call(room, letter)

    async def _in(self, id: str, call: _Call) -> None:
        async with self._turns.setdefault(id, asyncio.Lock()):
            try:
                room = await fresh(self._rooms, id, self._seen, seq=call.seq)
            except (StoreAway, Unavailable):
                return
            to = [one for one in call.to if room is not None and _may_hear(room, one, call.visit)]
            if to:
                self._here(id, to, call.words, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MOST:
            work.close()
            logger.warning("too much to tell at once")
            return
        task = asyncio.get_running_loop().create_task(work, name="passing message")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def everybody_in(visit: Visit) -> tuple[str, ...]:
    """Return who may be told what is said in a visit: its providers, and the clients who are in."""
    return (*provider_ids(visit), *(seat.participant for seat in present_seats(visit)))


def _may_hear(room: Room, participant: str, visit: str | None) -> bool:
    if visit is None:
        return entry_of(room, participant) is not None
    found = room.visits.get(visit)
    return found is not None and found.phase is Phase.IN_PROGRESS and participant in everybody_in(found)
