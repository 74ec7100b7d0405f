"""Nodes of one house, with all that makes them one service: recorded media, people's ears, and time in the hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from server.bus.memory import Air, MemoryBus
from server.media.contract import Answer, Track
from server.nodes.errands import Shut
from server.nodes.together import Together
from server.perform import Performer
from server.quality import Reports
from server.web.door import Caller
from signaling.errors import NotFound, SignalingError
from signaling.messages import Message, Ok
from signaling.policy import Policy
from signaling.state import Who
from tests.server.rooms import ROOM, House, Node
from tests.signaling.people import POLICY
from tests.signaling.play import connection_of


class MediaAlone:
    """Peers with the server alone, written down."""

    def __init__(self, did: list[tuple[Any, ...]]) -> None:
        self.did = did
        self.here: set[tuple[str, str, str]] = set()
        self.left: Callable[[str, str, str], None] = lambda room, participant, peer: None
        self.while_answering: Callable[[], Awaitable[object]] | None = None
        self.refuses: SignalingError | None = None
        self.up: set[str] = set()
        """Whose media are here now, of every visit."""

    async def offer(self, *, purpose: str, room: str, participant: str, peer: str, round: int, sdp: str) -> Answer:
        self.did.append((purpose, participant, peer, round))
        self.here.add((room, participant, peer))
        if self.while_answering is not None:
            await self.while_answering()
        if self.refuses is not None:
            self.here.discard((room, participant, peer))
            self.left(room, participant, peer)
            raise self.refuses
        return Answer(f"answer to a {purpose}", ())

    async def candidates(self, *, room: str, participant: str, peer: str, candidates: Sequence[dict[str, Any]]) -> None:
        self.did.append(("candidates alone", participant, peer, len(candidates)))

    def has(self, room: str, participant: str, peer: str) -> bool:
        return (room, participant, peer) in self.here

    def stop(self, room: str, participant: str, peer: str) -> None:
        if self.has(room, participant, peer):
            self.did.append(("stop alone", participant, peer))
            self.here.discard((room, participant, peer))
            self.left(room, participant, peer)


class Media:
    """A media plane that writes down what it is told."""

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []
        self.alone = MediaAlone(self.did)
        self.while_answering: Callable[[], Awaitable[object]] | None = None
        self.refuses: SignalingError | None = None

    async def offer(
        self,
        *,
        visit: str,
        participant: str,
        peer: str,
        round: int,
        sdp: str,
        audio_only: bool,
        others: Sequence[str] = (),
        leads: Sequence[str] = (),
        room: str = "",
        warm: bool = False,
        since: int | None = None,
    ) -> Answer:
        self.since = since
        self.others = list(others)
        if (room, participant, peer) in self.alone.here:
            self.alone.here.remove((room, participant, peer))
            self.alone.left(room, participant, peer)
        elif warm:
            raise NotFound
        self.did.append(("offer", visit, participant, peer, round, audio_only))
        if self.while_answering is not None:
            await self.while_answering()
        if self.refuses is not None:
            raise self.refuses
        return Answer("answer", (Track("0", "dr_host", "audio", "camera"),))

    async def candidates(
        self, *, visit: str, participant: str, peer: str, round: int, candidates: Sequence[dict[str, Any]]
    ) -> None:
        self.did.append(("candidates", visit, participant, peer, round, len(candidates)))

    def set_mode(self, *, visit: str, participant: str, audio_only: bool) -> None:
        self.did.append(("mode", visit, participant, audio_only))

    def has_company(self, visit: str, participant: str) -> bool:
        return bool(self.up - {participant})

    def stop(self, visit: str, participant: str | None = None) -> None:
        self.did.append(("stop", visit, participant))


class Place:
    """One node of a house."""

    def __init__(self, house: House, air: Air, name: str, *, node: Node | None = None) -> None:
        self.house = house
        self.name = name
        self.node = node or house.another(name)
        self.media = Media()
        self.told: list[tuple[tuple[str, ...], Message, str | None]] = []
        self.shut: list[Shut] = []
        """What was to end here."""
        self.heard = 0
        """The newest event that the hub of this node was given."""
        self.free = 100
        """How many visits this node takes."""
        self.steady = 0.0
        """Seconds, as this machine counts them."""
        self.bus = MemoryBus(
            air,
            lambda room, events: self.many.deliver(room, events),
            lambda: self.many.gap(),
            node=name,
            letter=lambda letter: self.many.letter(letter),
            called=lambda room, letter: self.many.called(room, letter),
        )
        ids = itertools.count(1)
        self.many = Together(
            self.bus,
            house.store.nodes,
            self.media,
            node=name,
            clock=lambda: house.now,
            rooms=self.node.door,
            here=self._here,
            seen=self._seen,
            deliver=self._deliver,
            gap=lambda: None,
            free=lambda visits: max(0, self.free - visits),
            shut=lambda shut: self.shut.append(shut),
            new_id=lambda: f"{name}-{next(ids)}",
            steady=lambda: self.steady,
        )
        self.reports = Reports(clock=lambda: house.now, rooms=self.node.door, passing=self.many.passing)
        self.performer = Performer(
            self.many.media,
            self.many.carrier,
            self.many.alone,
            seen=self.many.seen,
            clock=lambda: house.now,
            rooms=self.node.door,
            passing=self.many.passing,
            here=self._here,
            reports=self.reports,
            ice_servers=lambda: ({"urls": ["stun:stun.example"]},),
        )
        self.media.alone.left = self.many.alone.left
        self.node.performs, self.node.learns = self.performer.perform, self.many.carrier.learned

    async def handle(self, who: Who, request: Any, *, connection: str = "", device: str = "phone") -> Ok:
        """Let somebody who is connected here ask for something that changes no room."""
        connection = connection or connection_of(who)
        caller = Caller(connection=connection, room=ROOM, practice="pr_1", by=who, device=device)
        return await self.performer.handle(caller, request)

    def messages(self, kind: type[Message]) -> list[Any]:
        """What people here were told of one kind."""
        return [message for _, message, _ in self.told if isinstance(message, kind)]

    def stops(self) -> list[tuple[str, str | None]]:
        """What media were stopped here."""
        return [(did[1], did[2]) for did in self.media.did if did[0] == "stop"]

    def _here(self, room: str, who: Collection[str], message: Message, connection: str | None) -> None:
        assert room == ROOM
        self.told.append((tuple(who), message, connection))

    def _deliver(self, room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
        self.heard = events[-1][0]

    def _seen(self, room: str) -> int:
        known = self.node.door.known(room)
        return max(self.heard, known.seq if known is not None else 0)


class City:
    """Two nodes over one store, in a visit of Ann's: she is connected at the first, her host at the second."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.house = House(policy)
        self.air = Air()
        self.house.store.rooms._publish = self.air.publish
        self.one, self.two = (Place(self.house, self.air, name) for name in ("one", "two"))

    async def opened(self) -> City:
        """The visit is in progress, and both nodes hear of the room and of one another."""
        await self.house.started()
        return await self._heard_of()

    async def waiting(self) -> City:
        """She waits."""
        await self.house.everybody_comes()
        return await self._heard_of()

    async def _heard_of(self) -> City:
        for place in (self.one, self.two):
            await place.many.listening.enter(place.name, ROOM)
            await place.many.listening.subscribe(ROOM)
            await place.node.door.present(ROOM)
        await self.pass_time(6000)
        return self

    async def pass_time(self, ms: int, *, without: Place | None = None) -> None:
        """Let time pass, with the pulses of all nodes, or all but one."""
        while ms > 0:
            step = min(ms, 500)
            ms -= step
            self.house.now += step
            for place in (self.one, self.two):
                place.steady += step / 1000
                if place is not without:
                    await self.house.store.nodes.beat(place.name, self.house.now)
                    await place.many.leases.tick()
            await settled()


async def settled() -> None:
    """Return when all that was begun has been done, but for what waits for time."""
    for _ in range(50):
        await asyncio.sleep(0)
