"""One room on this node: its connections, and its events brought to them in order, without a hole.

The bus may lose, repeat or shorten; the store does not. So the feed counts, and reads from the store
whatever the count says is missing. What even the store no longer has is made good by a fresh view.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.ports import StoreAway
from server.web.closes import Close
from server.web.stored_event import Event, decode

if TYPE_CHECKING:
    from server.web.hub import Hub
    from server.web.session import Session
    from signaling.state import Room

logger = logging.getLogger("carelobby.feed")

_BEGINS = ("visit.started", "visit.resumed")
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
"""Seconds between tries to reach a store that is away."""


class Feed:
    """The events of one room, for the connections that this node has of it."""

    __slots__ = (
        "_again",
        "_filling",
        "_hub",
        "_wanted",
        "departing",
        "epoch",
        "last",
        "lock",
        "room",
        "sessions",
        "subscribed",
    )

    def __init__(self, hub: Hub, room: str) -> None:
        self._hub = hub
        self.room = room
        self.sessions: dict[str, Session] = {}
        """By connection; those that are about to be welcomed included."""
        self.departing = 0
        """Connections that ended and of which the room has not been told yet."""
        self.lock = asyncio.Lock()
        """Held while subscribing or unsubscribing."""
        self.subscribed = False
        self.last: int | None = None
        """Everything up to here was delivered or is part of every view. None: nothing is known yet."""
        self.epoch = ""
        self._wanted = 0
        """The highest event heard of while others are being read."""
        self._filling = False
        self._again = False

    @property
    def heard(self) -> int:
        """The highest event of which this node knows."""
        return max(self.last or 0, self._wanted)

    def start(self, room: Room) -> None:
        """Count from the first state that anybody here was shown."""
        if self.last is None:
            self.last = room.seq
        self.epoch = self.epoch or room.epoch

    def deliver(self, events: Sequence[tuple[int, bytes | None]]) -> None:
        """Take what the bus brought."""
        for seq, payload in events:
            if self._filling:
                self._wanted = max(self._wanted, seq)
                self._again = True
                continue
            event = None if payload is None else decode(payload)
            if self._is_foreign(event):
                self._start_over()
            elif self.last is not None and seq <= self.last:
                continue  # a repeat
            elif event is None or (self.last is not None and seq != self.last + 1):
                self._wanted = max(self._wanted, seq)
                self.fill()
            else:
                self._fan_out(seq, event)

    def fill(self) -> None:
        """Read from the store what may be missing."""
        if self._filling:
            self._again = True
        elif self.last is not None:
            # Before anybody was shown anything there is nothing to miss: the first view will hold it.
            self._filling = True
            self._hub.counts.gaps += 1
            self._hub.spawn(self._fill())

    def _fan_out(self, seq: int, event: Event) -> None:
        self.last = seq
        if event.message["type"] in _BEGINS:
            # Perhaps at another node; and who ends it while the store is away is judged by what this one knows.
            self._hub.spawn(self._hub.look(self.room, seq))
        # A copy, because an event may close connections.
        for session in tuple(self.sessions.values()):
            session.deliver(seq, event)

    def _is_foreign(self, event: Event | None) -> bool:
        return event is not None and self.epoch != "" and event.epoch not in ("", self.epoch)

    def _start_over(self) -> None:
        """The room was made anew, and its numbers began again: nothing here can be compared with it."""
        logger.warning("%s: another epoch", self.room)
        self.last, self.epoch, self._wanted = None, "", 0
        self.close(Close.STATE_GAP)

    def close(self, code: int) -> None:
        """End every connection of the room."""
        for session in tuple(self.sessions.values()):
            session.close(code)

    async def _fill(self) -> None:
        wait = _FIRST_WAIT
        try:
            while self.sessions:
                self._again = False
                try:
                    async with self._hub.reading:
                        await self._read()
                except (StoreAway, TimeoutError):
                    # The connections stay: what they see is old, but a visit in progress goes on.
                    await self._hub.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT)
                    continue
                if not self._again and (self.last or 0) >= self._wanted:
                    return
        finally:
            self._filling = False

    async def _read(self) -> None:
        after = self.last or 0
        async with asyncio.timeout(self._hub.limits.patience):
            events = await self._hub.store.events(self.room, after)
        if events is not None and [seq for seq, _ in events] == list(range(after + 1, after + 1 + len(events))):
            for seq, payload in events:
                event = decode(payload)
                if self._is_foreign(event):
                    self._start_over()
                    return
                self._fan_out(seq, event)
            if after + len(events) >= self._wanted:
                return
        await self._show_again(max(self._wanted, after + 1))

    async def _show_again(self, seq: int) -> None:
        """Give everybody a fresh view, no older than event `seq`."""
        async with asyncio.timeout(self._hub.limits.patience):
            # As it is now: what is known here may be from before somebody came.
            room = await self._hub.rooms.present(self.room, seq=0)
        if room is None:
            self.close(Close.OVER)
        elif room.epoch != self.epoch or room.seq < seq:
            self._start_over()
        else:
            self.last = room.seq
            for session in tuple(self.sessions.values()):
                if session.held is None and session.over is None:
                    session.show_again(room)
