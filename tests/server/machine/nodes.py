"""One node of the machine: the service's own parts, put together as `server/app.py` does, over what memory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from server.alarms import Alarms
from server.dispatch import Dispatcher
from server.nodes.together import Together
from server.perform import Performer
from server.quality import Reports
from server.web.closes import Close
from server.web.hub import Hub
from server.web.stored_event import encode
from signaling.errors import NotFound, StaleRound
from signaling.negotiation import replacements
from signaling.view import may_be_told, view
from tests.server.machine.trouble import Ear, Reach, Reached, RoomsReached

ICE = ({"urls": ["turn:here"], "credential": "ice-secret"},)


class Answered(Struct, frozen=True):
    """The answer of a media node that carries nothing."""

    sdp: str
    tracks: Sequence[Any] = ()


class Seen(Struct, frozen=True):
    """What the media node tells."""

    visit: str
    participant: str
    kind: Any
    at: int


def alone(participant: str) -> str:
    """Return the answer to somebody's peer with the server alone."""
    return f"v=0 {participant} alone"


class StillPeers:
    """Peers with the server alone, of which a media node keeps that they are there."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.here: dict[tuple[str, str, str], Any] = {}
        """What for, by room, participant and peer."""
        self.left: Callable[[str, str, str], None] = lambda room, participant, peer: None

    async def offer(self, *, purpose: str, room: str, participant: str, peer: str, **more: Any) -> Answered:
        self.here[room, participant, peer] = purpose
        await self._reach()  # an answer takes its time, too
        return Answered(sdp=alone(participant))

    async def candidates(self, **named: Any) -> None: ...

    def has(self, room: str, participant: str, peer: str) -> bool:
        return (room, participant, peer) in self.here

    def stop(self, room: str, participant: str, peer: str) -> None:
        if self.here.pop((room, participant, peer), None) is not None:
            self.left(room, participant, peer)


class StillMedia:
    """A media node that only keeps who has a peer in which visit.

    It is more careless than the real one: a `stop` that comes while an answer is made does not undo the answer. Whoever
    may not have it any more, the carrier must see to that.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.peers: dict[tuple[str, str], tuple[str, int]] = {}
        self.alone = StillPeers(reach)

    async def offer(
        self, *, visit: str, participant: str, peer: str, round: int, room: str, warm: bool, **more: Any
    ) -> Answered:
        waited = self.alone.here.get((room, participant, peer)) == "warm"
        if waited:
            self.alone.stop(room, participant, peer)
        elif warm and (visit, participant) not in self.peers:
            raise NotFound
        known = self.peers.get((visit, participant))
        if known is not None and known[0] == peer and round < known[1]:
            raise StaleRound
        self.peers[visit, participant] = (peer, round)
        await self._reach()  # an answer takes its time, too
        self.peers[visit, participant] = (peer, round)
        return Answered(sdp=f"v=0 {visit} {participant}")

    async def candidates(self, **named: Any) -> None: ...

    def set_mode(self, **named: Any) -> None: ...

    def has_company(self, visit: str, participant: str) -> bool:
        return any(whose == visit and other != participant for whose, other in self.peers)

    def stop(self, visit: str, participant: str | None = None) -> None:
        for key in [key for key in self.peers if key[0] == visit and participant in (None, key[1])]:
            del self.peers[key]


class Node:
    """One process, as far as there is anything of it."""

    def __init__(self, world: Any, name: str) -> None:
        self.name = name
        self.skew = 0
        """How far this node's estimate of the store's time is off, in ms."""
        self.beaten = 0
        """When it last said that it lives."""
        self._last = 0
        self._count = 0
        self._world = world
        self.reach = reach = Reach()
        store = world.store
        self.media = StillMedia(reach)
        rooms = RoomsReached(reach, store, world.watch.committed)
        self.door = door = Dispatcher(
            rooms,
            clock=self.clock,
            fresh=self._fresh,
            encode=encode,
            perform=lambda room, effects: self.performer.perform(room, effects),
            owed=lambda: None,
            learned=lambda room: self.many.carrier.learned(room),
        )
        self.ear = Ear(
            reach,
            world.air,
            name,
            deliver=lambda room, events: self.many.deliver(room, events),
            gap=lambda: self.many.gap(),
            called=lambda room, letter: self.many.called(room, letter),
            letter=lambda letter: self.many.letter(letter),
        )
        self.many = Together(
            self.ear,
            Reached(reach, store.nodes),
            self.media,
            node=name,
            clock=self.clock,
            rooms=door,
            here=self._here,
            seen=lambda room: self.hub.seen(room),
            deliver=lambda room, events: self.hub.deliver(room, events),
            gap=lambda: self.hub.gap(),
            new_id=self._fresh,
            steady=lambda: world.now / 1000,
        )
        self.media.alone.left = self.many.alone.left
        self.reports = Reports(clock=self.clock, rooms=door, passing=self.many.passing)
        self.performer = Performer(
            self.many.media,
            self.many.carrier,
            self.many.alone,
            seen=self.many.seen,
            clock=self.clock,
            rooms=door,
            passing=self.many.passing,
            here=self._here,
            reports=self.reports,
            ice_servers=lambda: ICE,
        )
        self.hub = Hub(
            rooms=door,
            bus=self.many.listening,
            store=rooms,
            secrets=Reached(reach, store.secrets),
            nodes=self.many.listening,
            shell=self.performer,
            view=lambda room, who: view(room, who, ice_servers=ICE),
            node=name,
            clock=self.clock,
            may_see=lambda room, who, event: may_be_told(door.known(room), who, event),
            ice_servers=lambda: ICE,
            beside=replacements,
            new_id=self._fresh,
            new_secret=lambda: f"s3cr3t-{self._fresh()}",
            steady=lambda: world.now,
            random=lambda: 0.5,
        )
        self.alarms = Alarms(
            node=name,
            clock=self.clock,  # type: ignore[arg-type]  # asked for the time alone
            store=rooms,
            documents=Reached(reach, store.documents),
            nodes=Reached(reach, store.nodes),
            rooms=door,
            open_due=self._nothing_due,
            recheck=door.recheck,
            buried=self._send_away,
        )

    def clock(self) -> int:
        """The store's time, as this node estimates it; it never goes back."""
        self._last = max(self._last, self._world.now + self.skew)
        return self._last

    def _here(self, room: str, who: Any, message: Any, connection: str | None) -> int:
        return self.hub.send(room, who, message, connection=connection)

    def _fresh(self) -> str:
        self._count += 1
        return f"{self.name}x{self._count}"

    def _send_away(self) -> None:
        self.many.buried()
        for session in tuple(self.hub.sessions.values()):
            session.close(Close.STORE_LOST)

    async def _nothing_due(self, item: str) -> None:
        raise AssertionError("the machine opens appointments by itself")
