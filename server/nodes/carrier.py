"""The visits whose media this node carries: who gets in, what follows from their rooms, and what it tells them.

The media node forwards what it is told to; this is its gate. Whoever let an offer in, here it is looked at once more,
before and after the answer is made. And since connections of a visit may all be at other nodes, this listens to the
room of every visit it carries: an End that is committed anywhere stops the packets here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from server import tasks
from server.nodes.errands import Answered, Line, NotHere, Offered, Trickled
from server.nodes.fresh import fresh
from server.nodes.leases import Leases
from server.nodes.listening import Listening
from server.nodes.passing import Passing, everybody_in
from server.ports import Clock, StoreAway
from server.ports.door import Rooms
from server.ports.media import Media, MediaFact, Renegotiate
from server.ports.nodes import Carried
from signaling.errors import NotFound, Refused
from signaling.events import MediaChanged, MediaMoved
from signaling.lookup import provider_ids
from signaling.messages import MediaRenegotiate, MediaReplace
from signaling.modality import admitted
from signaling.state import Phase, Room, Stand, Visit

logger = logging.getLogger("carelobby.carrier")

AGAIN: Final = 0.1
"""Seconds until something is tried again that the store, patient as it is, did not answer."""
FAREWELL: Final = 3.0
"""Seconds that a stopping node gives its last facts of media."""


class Carrier:
    """Holds no state of a visit but which room each visit with media here belongs to, and its browsers' peers."""

    def __init__(
        self,
        media: Media,
        *,
        node: str,
        clock: Clock,
        rooms: Rooms,
        leases: Leases,
        listening: Listening,
        passing: Passing,
        seen: Callable[[str], int],
        forget: Callable[[str], None],
    ) -> None:
        """`passing` tells people wherever they are.

        `seen` is the newest event number that this node has seen of a room; `forget` hears of rooms left behind.
        """
        self._media = media
        self._node = node
        self._clock = clock
        self._rooms = rooms
        self._leases = leases
        self._listening = listening
        self._passing = passing
        self._seen = seen
        self._forget = forget
        self._room_of: dict[str, str] = {}
        self._visits: defaultdict[str, set[str]] = defaultdict(set)
        """Visits with media here, by room."""
        self._peers: dict[tuple[str, str], str] = {}
        """By visit and participant: the browser's name of the peer that was answered last."""
        self._devices: dict[tuple[str, str], str] = {}
        """Of the same: the device that offered it."""
        self._facts: dict[str, deque[MediaChanged]] = {}
        """What is still to be told, in order, by room."""
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- A visit comes to this node, and goes

    async def take(self, visit: str, room: str, lease: Carried) -> None:
        """Begin to carry a visit. Raise `Refused` if it is not in progress, or `StoreAway`.

        If another node carried it, the room is told, and everybody in it whose peer was there.
        """
        self._room_of[visit] = room
        self._visits[room].add(visit)
        try:
            await self._listening.begin(room, visit)
            found, there = await self._in_progress(room, visit)
            before = there.media_node
            if before not in (None, self._node) and lease.fence > there.media_fence:
                lost = self._leases.is_dead(before)
                until = self._leases.alive_until(before) if lost else self._clock()
                await self._rooms.fact(room, MediaMoved(visit, self._node, lease.fence, until, lost))
                found, there = await self._in_progress(room, visit)
                logger.info("%s has come from %s", visit, before)
        except BaseException:
            self._let_go(visit)
            raise
        moved = before is not None and not self._leases.is_dead(before)
        for participant, peer in there.lost_peers.items():
            if participant not in everybody_in(there):
                continue  # sent out since they had that peer
            told = MediaReplace(peer=peer, reason="moved" if moved else "node_lost")
            self._passing.tell(room, (participant,), told, visit=visit, seq=found.seq)

    async def _in_progress(self, room: str, visit: str) -> tuple[Room, Visit]:
        found = await self._rooms.present(room)
        there = found.visits.get(visit) if found is not None else None
        if found is None or there is None or there.phase is not Phase.IN_PROGRESS:
            raise Refused("the visit has ended")
        return found, there

    def lose(self, visit: str) -> None:
        """Forward nothing more of a visit that another node has by now; who is still here is told to go there."""
        room = self._room_of.get(visit)
        for (whose, participant), peer in tuple(self._peers.items()):
            if whose == visit and room is not None:
                told = MediaReplace(peer=peer, reason="node_lost")
                self._passing.tell_here(room, (participant,), told, visit=visit)
        self._media.stop(visit)
        self._let_go(visit)

    def stop(self, visit: str, participant: str | None = None) -> None:
        """Stop at once: when this returns, not one packet more is forwarded from or to them."""
        self._media.stop(visit, participant)
        if participant is not None:
            self._peers.pop((visit, participant), None)
            self._devices.pop((visit, participant), None)
            return
        self._let_go(visit)
        if self._leases.drop(visit):
            self.spawn(self._release(visit))

    def _let_go(self, visit: str) -> None:
        for key in [key for key in self._peers if key[0] == visit]:
            del self._peers[key]
            self._devices.pop(key, None)
        room = self._room_of.pop(visit, None)
        if room is None:
            return
        self._visits[room].discard(visit)
        if not self._visits[room]:
            del self._visits[room]
            self._forget(room)
        self.spawn(self._listening.end(room, visit))

    async def _release(self, visit: str) -> None:
        try:
            await self._leases.release(visit)
        except StoreAway:
            logger.warning("%s: let go while the store was away", visit)

    def carried(self) -> list[tuple[str, str]]:
        """Return (visit, room) of what this node carries."""
        return [(visit, room) for visit, room in self._room_of.items() if self._leases.fence(visit) is not None]

    def serves(self, visit: str, participant: str) -> bool | None:
        """Tell whether somebody has anybody to talk to by this node; None if it does not carry their visit."""
        return None if self._leases.fence(visit) is None else self._media.has_company(visit, participant)

    def set_mode(self, visit: str, participant: str, *, audio_only: bool) -> None:
        """Forward somebody's video, or do not."""
        self._media.set_mode(visit=visit, participant=participant, audio_only=audio_only)

    # --- What browsers ask, through whatever node

    async def offer(self, offered: Offered) -> Answered:
        """Answer an offer of somebody who is in. Raise `SignalingError`, `NotHere` among them, or `StoreAway`."""
        visit, participant = offered.visit, offered.by.participant
        there = await self._admitted(offered)
        answer = await self._media.offer(
            visit=visit,
            participant=participant,
            peer=offered.peer,
            round=offered.round,
            sdp=offered.sdp,
            audio_only=offered.audio_only,
            others=[id for id in everybody_in(there) if id != participant],
            leads=provider_ids(there),
            room=offered.room,
            warm=offered.warm,
            since=_in_since(there, participant),
        )
        self._peers[visit, participant] = offered.peer
        self._devices[visit, participant] = offered.device
        # The visit may have ended, or gone elsewhere, while the answer was made: then this peer must not outlive it.
        try:
            await self._admitted(offered)
        except (Refused, NotFound, NotHere):
            self.stop(visit, participant)
            raise
        return Answered(answer.sdp, tuple(Line(t.mid, t.participant, t.kind, t.source) for t in answer.tracks))

    async def candidates(self, trickled: Trickled) -> Answered:
        """Add a browser's candidates. Raise as `offer` does."""
        await self._admitted(trickled)
        await self._media.candidates(
            visit=trickled.visit,
            participant=trickled.by.participant,
            peer=trickled.peer,
            round=trickled.round,
            candidates=trickled.candidates,
        )
        return Answered()

    async def _admitted(self, asked: Offered | Trickled) -> Visit:
        """Return the visit that somebody may send media to here and now."""
        if self._leases.fence(asked.visit) is None:
            raise NotHere
        room = await fresh(self._rooms, asked.room, self._seen, seq=asked.seq)
        if room is None:
            raise NotFound("no such room")
        self._stop_displaced(room, asked.visit)
        visit = admitted(room, asked.by)
        if visit is None or visit.id != asked.visit:
            raise Refused("not in that visit")
        if self._leases.fence(asked.visit) is None:
            raise NotHere
        return visit

    # --- News of rooms

    def rooms(self) -> set[str]:
        """Return the rooms with media of a visit here."""
        return set(self._visits)

    def follows(self, room: str) -> bool:
        """Tell whether there are media of a visit of a room here."""
        return room in self._visits

    def gone(self, room: str) -> None:
        """Stop what is here of a room that is no more."""
        for visit in tuple(self._visits.get(room, ())):
            self.stop(visit)

    def learned(self, room: Room) -> None:
        """Do what a room that was read shows to be undone: its effects may have been lost, or another node's."""
        for id in tuple(self._visits.get(room.id, ())):
            visit = room.visits.get(id)
            fence = self._leases.fence(id)
            if visit is None or visit.phase is not Phase.IN_PROGRESS:
                self.stop(id)
                continue
            if fence is not None and visit.media_fence > fence:
                self._leases.lose(id)
                continue
            for seat in visit.seats.values():
                if seat.stand is not Stand.IN:
                    self.stop(id, seat.participant)
            self._stop_displaced(room, id)
            for participant, attendee in visit.attendees.items():
                self.set_mode(id, participant, audio_only=attendee.mode == "audio")
        for visit in room.visits.values():
            if visit.phase is not Phase.IN_PROGRESS:
                self._leases.forget(visit.id)
            elif visit.media_node not in (None, self._node):
                self._leases.watch(visit.id, room.id, Carried(visit.media_node, visit.media_fence))

    def _stop_displaced(self, room: Room, visit: str) -> None:
        """Stop the media of devices that another one of their participant has displaced. One that dropped goes on."""
        for (whose, participant), device in tuple(self._devices.items()):
            there = {c.device for c in room.connections.values() if c.who.participant == participant}
            if whose == visit and there and device not in there:
                self.stop(visit, participant)

    # --- News from the media node

    def media_fact(self, fact: MediaFact) -> None:
        """Somebody's transport or video came or went: the room is told, in order, when its store answers."""
        room, fence = self._room_of.get(fact.visit), self._leases.fence(fact.visit)
        if room is None or fence is None:
            return
        peer = self._peers.get((fact.visit, fact.participant), "")
        if fact.kind == "media_silent" and peer:
            # Their browser may not have noticed yet, or be deaf alone: it makes a new peer beside this one.
            told = MediaReplace(peer=peer, reason="ice_failed")
            self._passing.tell(room, (fact.participant,), told, visit=fact.visit)
        changed = MediaChanged(fact.visit, fact.participant, fact.kind, fact.at, self._node, peer, fence)
        self._facts.setdefault(room, deque()).append(changed)
        if room not in self._telling:
            task = asyncio.get_running_loop().create_task(self._tell_room(room), name="media facts")
            self._telling[room] = task
            task.add_done_callback(lambda _: self._telling.pop(room, None))

    async def _tell_room(self, room: str) -> None:
        facts = self._facts[room]
        try:
            while facts:
                event = facts[0]
                try:
                    await self._rooms.fact(room, event)
                except StoreAway:
                    await asyncio.sleep(AGAIN)  # these are minutes: a later one must not overtake this one
                    continue
                except Exception as error:  # noqa: BLE001 - one fact that cannot be saved must not keep the others
                    logger.warning("%s of %s was not saved: %s", event.kind, event.visit, type(error).__name__)
                facts.popleft()
        finally:
            del self._facts[room]

    async def told(self, room: str) -> None:
        """Return when all that was seen of the room's media is saved."""
        task = self._telling.get(room)
        if task is not None:
            await asyncio.wait([task])

    def renegotiate(self, ask: Renegotiate) -> None:
        """The media node needs another offer from a browser."""
        room = self._room_of.get(ask.visit)
        if room is not None:
            receive = {"audio": ask.receive_audio, "video": ask.receive_video}
            told = MediaRenegotiate(peer=ask.peer, receive=receive, reason=ask.reason)
            self._passing.tell(room, (ask.participant,), told, visit=ask.visit)

    # --- Its own life

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, or to this node's."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("a task of the carrier failed: %s", type(error).__name__)

    async def close(self) -> None:
        """Give what was begun a little time."""
        begun = {*self._telling.values(), *self._tasks}
        if begun:
            _, late = await asyncio.wait(begun, timeout=FAREWELL)
            await tasks.end(*late)


def _in_since(visit: Visit, participant: str) -> int:
    """Return when somebody who is in a visit in progress was let in, in ms."""
    seat = visit.seats.get(participant)
    return seat.attended[-1].start if seat is not None and seat.attended else visit.segments[-1].started_at
