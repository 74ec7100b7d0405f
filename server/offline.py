"""End while the store is away: media stops at once, both sides are told, and the fact is on disk until it is saved.

Everything but `End` fails closed then. An End does not: nobody may have to stay in a visit, and its minutes are
billed. So this stands before the one door into rooms. An End that the store does not answer in time is decided on
the room as this node last saw it, by the heart itself, and kept, sealed, in a file of the data directory. Once the
store is back the room is told; if the End was saved after all, or the visit has moved on, that changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server import files, tasks
from server.crypto import SealBroken, Sealer
from server.ports import Clock, StoreAway
from server.ports.door import Rooms
from signaling.effects import ClosePeers, Effect, Step, Told
from signaling.errors import SignalingError
from signaling.events import Asked, EndedOffline, Fact, MediaChanged
from signaling.lookup import visit_for
from signaling.messages import Message, Ok, VisitEnded
from signaling.requests import End, RoomRequest
from signaling.room import handle
from signaling.state import Room, Who

logger = logging.getLogger("carelobby.offline")

PATIENCE = 0.7
"""Seconds that an End waits for the store. Both sides are to be told within one."""
AGAIN = 0.5
"""Seconds between tries to save what was kept."""
_NAME = "ended"
"""What the file's content is sealed under."""


class Door(Rooms, Protocol):
    """`server/dispatch`."""

    def known(self, room: str) -> Room | None: ...


class Kept(Struct, frozen=True, array_like=True):
    """An End that is not saved yet: ids and a time."""

    room: str
    fact: EndedOffline


class EndsAnyway:
    """`Rooms`, where End always works. `async with` it: until the end it tries to save what was kept."""

    def __init__(
        self,
        door: Door,
        *,
        path: Path,
        sealer: Sealer,
        clock: Clock,
        perform: Callable[[Room, tuple[Effect, ...]], None],
        tell: Callable[[str, Collection[str], Message, str | None], object],
        media_told: Callable[[str], Awaitable[None]],
        left: Sequence[Path] = (),
    ) -> None:
        """`media_told` returns when what was seen of a room's media is saved: minutes come before their end.

        `left`: files of nodes that are no more, in which there may be something to be saved.
        """
        self._door = door
        self._path = path
        self._left = tuple(left)
        self._sealer = sealer
        self._clock = clock
        self._perform = perform
        self._tell = tell
        self._media_told = media_told
        self._kept: list[Kept] = []
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._kept = self._read(self._path)
        await self._adopt()
        with suppress(StoreAway):
            await self._save()
        self._task = asyncio.create_task(self._run(), name="ends to be saved")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            await tasks.end(self._task)

    @property
    def waiting(self) -> int:
        """How many Ends are not saved yet."""
        return len(self._kept)

    # --- Rooms

    async def ask(self, room: str, by: Who, connection: str, request: RoomRequest) -> Ok:
        """Apply a request; `End` whether the store is there or not."""
        if self._of(room):
            known = self._door.known(room)
            if isinstance(request, End) and known is not None and self._has_ended(room, request.visit):
                return Ok(visit=visit_for(known, by, request.visit).id)
            await self._save_first(room)
        if not isinstance(request, End):
            return await self._door.ask(room, by, connection, request)
        at = self._clock()
        asking = asyncio.ensure_future(self._door.ask(room, by, connection, request))
        try:
            await asyncio.wait([asking], timeout=PATIENCE)
            if _answered(asking):
                return asking.result()
            known, step = self._decide(room, by, connection, request, at)
            if known is None or step is None:
                return await asking
        finally:
            asking.cancel()
        await asyncio.wait([asking])
        if _answered(asking):
            return asking.result()
        return await self._end(known, step, by, request.visit, at)

    async def fact(self, room: str, fact: Fact) -> None:
        """Apply a fact, after the End that it follows."""
        if self._of(room) and not isinstance(fact, MediaChanged):
            await self._save(room)
        await self._door.fact(room, fact)

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        """Return the room as saved, no older than event `seq`, but with its visit ended if it was ended here."""
        found = await self._door.present(room, seq=seq)
        for kept in self._of(room):
            if found is not None:
                ended = handle(found, kept.fact, now=kept.fact.at).room
                found = replace(ended, version=found.version, seq=found.seq)  # nothing of it has a number yet
        return found

    # --- Ending without the store

    def _decide(
        self, room: str, by: Who, connection: str, request: End, at: int
    ) -> tuple[Room, Step] | tuple[None, None]:
        """Return the room as known and what an End does to it; nothing if it is not known, or would be refused."""
        known = self._door.known(room)
        if known is None:
            return None, None
        try:
            step = handle(known, Asked(by, connection, request, fresh=""), now=at)
        except SignalingError:
            return None, None
        return (known, step) if ClosePeers(request.visit) in step.effects else (None, None)

    async def _end(self, room: Room, step: Step, by: Who, visit: str, at: int) -> Ok:
        self._perform(room, step.effects)
        segment = len(room.visits[visit].segments)
        self._kept.append(Kept(room.id, EndedOffline(visit, segment, replace(by, name=""), at)))
        for entry in step.entries:
            if isinstance(entry, Told) and isinstance(entry.message, VisitEnded):
                told = replace(entry.message, pending=True, epoch="", seq=0, version=0)
                self._tell(room.id, entry.to, told, None)
        logger.warning("%s was ended while the store is away", visit)
        await self._write()
        self._news.set()
        return Ok(visit=visit)

    def _of(self, room: str) -> Sequence[Kept]:
        return [kept for kept in self._kept if kept.room == room] if self._kept else ()

    def _has_ended(self, room: str, visit: str) -> bool:
        return any(kept.fact.visit == visit for kept in self._of(room))

    # --- Saving it later

    async def _run(self) -> None:
        while True:
            if not self._kept:
                self._news.clear()
                await self._news.wait()
            with suppress(StoreAway):
                await self._save()
            if self._kept:
                await asyncio.sleep(AGAIN)

    async def _save(self, room: str | None = None) -> None:
        """Tell the rooms (or that one) what was kept for them. Raise `StoreAway`."""
        for kept in [kept for kept in self._kept if room in (None, kept.room)]:
            await self._media_told(kept.room)
            try:
                await self._door.fact(kept.room, kept.fact)
            except SignalingError as error:
                logger.error("the end of %s finds no room: %s", kept.fact.visit, error.code)  # noqa: TRY400 - ids alone
            if kept in self._kept:
                self._kept.remove(kept)
                await self._write()
                logger.info("the end of %s is saved", kept.fact.visit)

    async def _save_first(self, room: str) -> None:
        """Save what the room's next request must find. Raise `StoreAway`."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._save(room)
        except TimeoutError:
            raise StoreAway from None

    async def _adopt(self) -> None:
        """Keep here what nodes that are no more have left."""
        found = {path: self._read(path) for path in self._left}
        self._kept += [kept for ends in found.values() for kept in ends if kept not in self._kept]
        if any(found.values()) and await self._write():
            for path in found:
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> list[Kept]:
        try:
            plain = self._sealer.open(0, _NAME, 0, path.read_bytes())
            return msgspec.msgpack.decode(plain, type=list[Kept])
        except FileNotFoundError:
            return []
        except (SealBroken, msgspec.MsgspecError):
            aside = path.with_suffix(".unreadable")
            path.replace(aside)
            logger.error("%s cannot be read and was put aside: it tells of visits that ended", aside)  # noqa: TRY400
            return []

    async def _write(self) -> bool:
        """Write down what is kept; tell whether that went well."""
        async with self._writing:
            sealed = self._sealer.seal(0, _NAME, 0, msgspec.msgpack.encode(self._kept)) if self._kept else None
            try:
                await asyncio.to_thread(_replace, self._path, sealed)
            except OSError as error:
                # A full disk must keep nobody in a visit; what was ended is still saved unless we die before.
                logger.error("%s cannot be written: %s", self._path, error.strerror)  # noqa: TRY400
                return False
            return True


def _answered(asking: asyncio.Future[Ok]) -> bool:
    """Whether somebody who can has granted or refused it."""
    return asking.done() and not asking.cancelled() and not isinstance(asking.exception(), StoreAway)


def _replace(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        files.keep(path, content)
