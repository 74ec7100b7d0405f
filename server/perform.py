"""What a room's steps and a browser's passing messages make this node do: media, chat, words to the waiting."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Protocol

from server.nodes.passing import Passing, Tell, everybody_in
from server.ports import Clock, Media, MediaFact, Renegotiate, Rooms, StoreAway
from signaling.effects import ClosePeers, Effect, MediaModeChanged
from signaling.errors import NotFound, Refused
from signaling.events import Asked, MediaChanged
from signaling.lookup import seat_of, shown_status
from signaling.messages import (
    Chat,
    ChatLine,
    MediaAnswer,
    MediaCandidates,
    MediaMode,
    MediaModeTold,
    MediaOffer,
    MediaPrepare,
    MediaRenegotiate,
    MediaStats,
    Ok,
    Request,
    TellWaiting,
    WaitingText,
)
from signaling.modality import admitted
from signaling.negotiation import prepare, visit_for_candidates, visit_for_offer
from signaling.permissions import demand_role
from signaling.room import handle
from signaling.seats import entry_for
from signaling.state import Attendee, Phase, Room, Stand, Visit, Who

logger = logging.getLogger("carelobby.perform")

AGAIN = 0.1
"""Seconds until a fact is tried again that `Rooms.fact`, patient as it is, could not save."""
FAREWELL = 3.0
"""Seconds that a stopping node gives its last facts of media."""


class Caller(Protocol):
    """Who speaks through a connection; from its ticket, never from a message."""

    @property
    def connection(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def by(self) -> Who: ...


class Performer:
    """Does what was decided. Holds no state of a visit but which room each visit with media here belongs to."""

    def __init__(
        self,
        media: Media,
        *,
        node: str,
        clock: Clock,
        rooms: Rooms,
        passing: Passing,
        here: Tell,
        seen: Callable[[str], int],
        ice_servers: Callable[[], tuple[dict[str, Any], ...]] = tuple,
    ) -> None:
        """`passing` tells people wherever they are, `here` those at this node.

        `seen` is the newest event number that this node has seen of a room.
        """
        self._media = media
        self._node = node
        self._clock = clock
        self._rooms = rooms
        self._passing = passing
        self._here = here
        self._seen = seen
        self._ice_servers = ice_servers
        self._room_of: dict[str, str] = {}
        self._peers: dict[tuple[str, str], str] = {}
        """By visit and participant: the browser's name of the peer that was answered last."""
        self._visits: defaultdict[str, set[str]] = defaultdict(set)
        """Visits with media here, by room."""
        self._facts: dict[str, deque[MediaChanged]] = {}
        """What is still to be told, in order, by room."""
        self._telling: dict[str, asyncio.Task[None]] = {}

    # --- effects of a step

    def perform(self, room: Room, effects: tuple[Effect, ...]) -> None:
        """Do what a committed step brings, at once."""
        for effect in effects:
            match effect:
                case ClosePeers(visit, participant):
                    self._stop(visit, participant)
                case MediaModeChanged(visit, participant, audio_only):
                    self._media.set_mode(visit=visit, participant=participant, audio_only=audio_only)
                    self._tell_mode(room, visit, participant)

    def learned(self, room: Room) -> None:
        """Do what a room that was read shows to be undone: its effects may have been lost, or another node's."""
        for id in tuple(self._visits.get(room.id, ())):
            visit = room.visits.get(id)
            if visit is None or visit.phase is not Phase.IN_PROGRESS:
                self._stop(id)
                continue
            for seat in visit.seats.values():
                if seat.stand is not Stand.IN:
                    self._stop(id, seat.participant)
            for participant, attendee in visit.attendees.items():
                self._media.set_mode(visit=id, participant=participant, audio_only=attendee.mode == "audio")

    def _stop(self, visit: str, participant: str | None = None) -> None:
        self._media.stop(visit, participant)
        for key in [key for key in self._peers if key[0] == visit and participant in (None, key[1])]:
            del self._peers[key]
        if participant is None and (room := self._room_of.pop(visit, None)) is not None:
            self._visits[room].discard(visit)
            if not self._visits[room]:
                del self._visits[room]

    def _tell_mode(self, room: Room, visit: str, participant: str) -> None:
        found = room.visits[visit]
        attendee = found.attendees.get(participant, Attendee())
        told = MediaModeTold(participant=participant, mode=attendee.mode, by="participant", reason=attendee.reason)
        self._passing.tell(room.id, everybody_in(found), told, visit=visit, seq=room.seq)

    # --- requests that change no room

    async def handle(self, caller: Caller, request: Request) -> Ok:
        """Answer a request that is not about the room's state. Raise `SignalingError` or `StoreAway`."""
        by, connection = caller.by, caller.connection
        demand_role(by.role, type(request))
        room = await self._rooms.present(caller.room, seq=self._seen(caller.room))
        if room is None:
            raise NotFound("no such room")
        match request:
            case MediaPrepare():
                prepare(room, by, request.purpose)
                return Ok(ice_servers=self._ice_servers())
            case MediaOffer():
                await self._offer(room, by, connection, request)
            case MediaCandidates():
                await self._candidates(room, by, request)
            case MediaStats():
                pass  # nothing keeps them yet
            case Chat():
                self._chat(room, by, request)
            case TellWaiting():
                self._tell_waiting(room, by, request)
            case _:
                raise AssertionError(f"{type(request).__name__} is not for the shell")
        return Ok()

    async def _offer(self, room: Room, by: Who, connection: str, offer: MediaOffer) -> None:
        visit = visit_for_offer(room, by, offer.purpose)
        flag = self._flag(room, by, connection, visit, audio_only=offer.audio_only)
        self._room_of[visit.id] = room.id
        self._visits[room.id].add(visit.id)
        answer = await self._media.offer(
            visit=visit.id,
            participant=by.participant,
            peer=offer.peer,
            round=offer.round,
            sdp=offer.sdp,
            audio_only=offer.audio_only,
            others=[id for id in everybody_in(visit) if id != by.participant],
        )
        self._peers[visit.id, by.participant] = offer.peer
        if flag is not None:
            await self._rooms.ask(room.id, by, connection, flag)
        # The visit may have ended while the answer was made: then this peer must not outlive it.
        now = await self._rooms.present(room.id, seq=self._seen(room.id))
        still = admitted(now, by) if now is not None else None
        if still is None or still.id != visit.id:
            ended = now is None or visit.id not in now.visits or now.visits[visit.id].phase is not Phase.IN_PROGRESS
            self._stop(visit.id, None if ended else by.participant)
            raise Refused("the visit has ended")
        tracks = tuple(
            {"mid": track.mid, "participant": track.participant, "kind": track.kind, "source": track.source}
            for track in answer.tracks
        )
        told = MediaAnswer(peer=offer.peer, round=offer.round, sdp=answer.sdp, tracks=tracks)
        self._here(room.id, (by.participant,), told, connection)

    def _flag(self, room: Room, by: Who, connection: str, visit: Visit, *, audio_only: bool) -> MediaMode | None:
        """Return what an offer's `audio_only` asks of the visit, or None. Raise what the room would say to it.

        The latest word wins; but only an offer that can be answered is one, so the room is asked afterwards.
        """
        attendee = visit.attendees.get(by.participant, Attendee())
        if audio_only == (attendee.mode == "audio"):
            return None
        seat = seat_of(visit, by)
        reason = attendee.reason
        if audio_only and reason is None:
            no_camera = seat is not None and seat.checked_in is not None and not seat.checked_in.devices.camera
            reason = "no_camera" if no_camera else "declined"
        wanted = MediaMode(mode="audio" if audio_only else "video", reason=reason)
        handle(room, Asked(by, connection, wanted, ""), now=self._clock())  # pure: tried, and thrown away
        return wanted

    async def _candidates(self, room: Room, by: Who, request: MediaCandidates) -> None:
        visit = visit_for_candidates(room, by)
        await self._media.candidates(
            visit=visit.id,
            participant=by.participant,
            peer=request.peer,
            round=request.round,
            candidates=request.candidates,
        )

    def _chat(self, room: Room, by: Who, request: Chat) -> None:
        visit = admitted(room, by)
        if visit is None:
            raise Refused("not in a visit")
        line = ChatLine(participant=by.participant, text=request.text, at=self._clock())
        others = [id for id in everybody_in(visit) if id != by.participant]
        self._passing.tell(room.id, others, line, visit=visit.id, seq=room.seq)

    def _tell_waiting(self, room: Room, by: Who, request: TellWaiting) -> None:
        entry = entry_for(room, by, request.entry)
        status = shown_status(room)
        told = WaitingText(text=request.text, status=status.kind, minutes=status.minutes)
        self._passing.tell(room.id, (entry.participant,), told, visit=None, seq=room.seq)

    # --- news from the media node

    def media_fact(self, fact: MediaFact) -> None:
        """Somebody's transport or video came or went: the room is told, in order, when its store answers."""
        room = self._room_of.get(fact.visit)
        if room is None:
            return
        self._facts.setdefault(room, deque()).append(
            MediaChanged(
                fact.visit,
                fact.participant,
                fact.kind,
                fact.at,
                self._node,
                self._peers.get((fact.visit, fact.participant), ""),
            )
        )
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

    async def close(self) -> None:
        """Give what was begun a little time."""
        if self._telling:
            _, late = await asyncio.wait(tuple(self._telling.values()), timeout=FAREWELL)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
