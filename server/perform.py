"""What a room's steps and a browser's passing messages make this node do: media, chat, words to the waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import to_builtins
from msgspec.structs import replace

from server.nodes.alone import Alone
from server.nodes.anywhere import MediaAnywhere
from server.nodes.carrier import Carrier
from server.nodes.errands import Offered, OfferedAlone, Trickled, TrickledAlone
from server.nodes.fresh import fresh
from server.nodes.passing import Passing, Tell, everybody_in
from server.ports import Clock
from server.ports.door import Rooms
from server.quality import Reports
from signaling.direct import other_of
from signaling.effects import ClosePeers, Effect, MediaModeChanged, NetworkChanged
from signaling.errors import NotFound, Refused
from signaling.events import Asked
from signaling.fields import AudioReason
from signaling.lookup import seat_of, shown_status
from signaling.messages import ChatLine, MediaAnswer, MediaModeTold, MediaOffered, MediaTrickled, Ok, WaitingText
from signaling.modality import admitted
from signaling.negotiation import demand_alone, demand_size, prepare, visit_for_candidates, visit_for_offer
from signaling.path import path_of
from signaling.permissions import demand_role
from signaling.presence import demand_active
from signaling.requests import (
    Chat,
    MediaAnswered,
    MediaCandidates,
    MediaMode,
    MediaOffer,
    MediaPrepare,
    MediaRelay,
    MediaStats,
    Request,
    TellWaiting,
)
from signaling.room import handle
from signaling.seats import entry_for
from signaling.state import Attendee, Room, Visit, Who


class Caller(Protocol):
    """Who speaks through a connection; from its ticket, never from a message."""

    @property
    def connection(self) -> str: ...
    @property
    def room(self) -> str: ...
    @property
    def by(self) -> Who: ...
    @property
    def device(self) -> str: ...


class Performer:
    """Does what was decided. Holds no state."""

    def __init__(
        self,
        media: MediaAnywhere,
        carrier: Carrier,
        alone: Alone,
        *,
        seen: Callable[[str], int],
        clock: Clock,
        rooms: Rooms,
        passing: Passing,
        here: Tell,
        reports: Reports,
        ice_servers: Callable[[], tuple[dict[str, Any], ...]] = tuple,
    ) -> None:
        """`passing` tells people wherever they are, `here` those at this node. `reports` takes what they measure.

        `seen` is the newest event number that this node has seen of a room.
        """
        self._media = media
        self._carrier = carrier
        self._alone = alone
        self._seen = seen
        self._clock = clock
        self._rooms = rooms
        self._passing = passing
        self._here = here
        self._reports = reports
        self._ice_servers = ice_servers

    # --- effects of a step

    def perform(self, room: Room, effects: tuple[Effect, ...]) -> None:
        """Do what a committed step brings, at once. Where the media are elsewhere, its news does that there."""
        for effect in effects:
            match effect:
                case ClosePeers(visit, participant):
                    self._carrier.stop(visit, participant)
                    if participant is None:
                        self._reports.over(visit)
                case MediaModeChanged(visit, participant, audio_only):
                    self._carrier.set_mode(visit, participant, audio_only=audio_only)
                    self._tell_mode(room, visit, participant)
                case NetworkChanged(visit, participant, weak):
                    self._tell_network(room, visit, participant, weak=weak)

    def _tell_mode(self, room: Room, visit: str, participant: str) -> None:
        found = room.visits[visit]
        attendee = found.attendees.get(participant, Attendee())
        told = MediaModeTold(participant=participant, mode=attendee.mode, by="participant", reason=attendee.reason)
        self._passing.tell(room.id, everybody_in(found), told, visit=visit, seq=room.seq)

    def _tell_network(self, room: Room, visit: str, participant: str, *, weak: bool) -> None:
        reason: AudioReason | None = "bandwidth" if weak else None
        told = MediaModeTold(participant=participant, mode="audio" if weak else "video", by="server", reason=reason)
        self._passing.tell(room.id, everybody_in(room.visits[visit]), told, visit=visit, seq=room.seq)

    # --- requests that change no room

    async def handle(self, caller: Caller, request: Request) -> Ok:
        """Answer a request that is not about the room's state. Raise `SignalingError` or `StoreAway`."""
        by, connection = caller.by, caller.connection
        demand_role(by.role, type(request))
        room = await fresh(self._rooms, caller.room, self._seen)
        if room is None:
            raise NotFound("no such room")
        demand_active(room, by, connection)
        match request:
            case MediaPrepare():
                prepare(room, by, request.purpose)
                return Ok(ice_servers=self._ice_servers())
            case MediaOffer(direct=True) | MediaAnswered() | MediaCandidates(direct=True):
                self._pass_on(room, by, request)
            case MediaOffer(purpose="visit"):
                await self._offer(room, caller, request)
            case MediaOffer():
                await self._offer_alone(room, caller, request)
            case MediaCandidates():
                await self._candidates(room, by, request)
            case MediaStats():
                self._measured(room, by, request)
            case Chat():
                self._chat(room, by, request)
            case TellWaiting():
                self._tell_waiting(room, by, request)
            case _:
                raise AssertionError(f"{type(request).__name__} is not for the shell")
        return Ok()

    async def _offer(self, room: Room, caller: Caller, offer: MediaOffer) -> None:
        by, connection = caller.by, caller.connection
        visit = visit_for_offer(room, by)
        if path_of(visit) == "direct":
            # A program that knows of no other way, or that cannot go it, has the server between them both.
            await self._rooms.ask(room.id, by, connection, MediaRelay())
        flag = self._flag(room, by, connection, visit, audio_only=offer.audio_only)
        answer = await self._media.bring(
            Offered(
                room=room.id,
                seq=room.seq,
                fence=visit.media_fence,
                by=replace(by, name=""),
                visit=visit.id,
                peer=offer.peer,
                round=offer.round,
                sdp=offer.sdp,
                audio_only=offer.audio_only,
                device=caller.device,
                warm=self._alone.knows(room.id, by.participant, offer.peer),
            )
        )
        if flag is not None:
            await self._rooms.ask(room.id, by, connection, flag)
        # The visit may have ended while the answer came; its carrier has seen to the peer.
        now = await fresh(self._rooms, room.id, self._seen)
        still = admitted(now, by) if now is not None else None
        if still is None or still.id != visit.id:
            raise Refused("the visit has ended")
        tracks = tuple(to_builtins(line) for line in answer.tracks)
        told = MediaAnswer(peer=offer.peer, round=offer.round, sdp=answer.sdp, tracks=tracks)
        self._here(room.id, (by.participant,), told, connection)

    def _pass_on(self, room: Room, by: Who, said: MediaOffer | MediaAnswered | MediaCandidates) -> None:
        """Bring one browser's words to the other, where they need no server between them; nothing of it is kept."""
        visit, other = other_of(room, by)
        told: MediaOffered | MediaAnswer | MediaTrickled
        match said:
            case MediaOffer(peer=peer, round=round, sdp=sdp):
                demand_size(sdp)
                told = MediaOffered(participant=by.participant, peer=peer, round=round, sdp=sdp)
            case MediaAnswered(peer=peer, round=round, sdp=sdp):
                demand_size(sdp)
                told = MediaAnswer(peer=peer, round=round, sdp=sdp, tracks=())
            case MediaCandidates(peer=peer, round=round, candidates=candidates, done=done):
                told = MediaTrickled(peer=peer, round=round, candidates=candidates, done=done)
        self._passing.tell(room.id, (other,), told, visit=visit.id, seq=room.seq)

    async def _offer_alone(self, room: Room, caller: Caller, offer: MediaOffer) -> None:
        by = caller.by
        demand_alone(room, by, offer.purpose)
        assert offer.purpose != "visit", "that is no peer with the server alone"
        asked = OfferedAlone(
            room=room.id,
            by=replace(by, name=""),
            purpose=offer.purpose,
            peer=offer.peer,
            round=offer.round,
            sdp=offer.sdp,
            device=caller.device,
        )
        answer = await self._alone.bring(asked)
        told = MediaAnswer(peer=offer.peer, round=offer.round, sdp=answer.sdp, tracks=())
        self._here(room.id, (by.participant,), told, caller.connection)

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
        if visit is None:
            asked = TrickledAlone(room.id, replace(by, name=""), request.peer, request.candidates)
            await self._alone.bring(asked)
            return
        await self._media.bring(
            Trickled(
                room=room.id,
                seq=room.seq,
                fence=visit.media_fence,
                by=replace(by, name=""),
                visit=visit.id,
                peer=request.peer,
                round=request.round,
                candidates=request.candidates,
            )
        )

    def _measured(self, room: Room, by: Who, request: MediaStats) -> None:
        visit = admitted(room, by)
        if visit is not None:  # else it is late: the visit has ended meanwhile
            self._reports.take(room, visit, by.participant, request)

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
