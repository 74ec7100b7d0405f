"""All that makes many nodes one service, put together: what `server/app.py` starts and wires to the hub."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from server.nodes.alone import Alone
from server.nodes.anywhere import MediaAnywhere
from server.nodes.carrier import Carrier
from server.nodes.errands import Answered, Errand, Errands, OfferedAlone, Shut, TrickledAlone
from server.nodes.following import Following
from server.nodes.leases import Leases
from server.nodes.listening import Listening
from server.nodes.passing import Passing, Tell
from server.nodes.places import Places
from server.nodes.shutting import Shutting
from server.ports import Clock
from server.ports.bus import Bus, Deliver, Gap, Post
from server.ports.door import Rooms
from server.ports.media import Media
from server.ports.nodes import IDLE, Nodes


class Air(Bus, Post, Protocol):
    """The bus, with what nodes say to one another."""


def _new_id() -> str:
    return secrets.token_urlsafe(12)


class Together:
    """This node among the others. `async with` it: it pulses, and at the end says what it still has to say."""

    def __init__(
        self,
        air: Air,
        nodes: Nodes,
        media: Media,
        *,
        node: str,
        clock: Clock,
        rooms: Rooms,
        here: Tell,
        seen: Callable[[str], int],
        deliver: Deliver,
        gap: Gap,
        free: Callable[[int], int] = lambda visits: IDLE.free,
        shut: Callable[[Shut], object] = lambda shut: None,
        new_id: Callable[[], str] = _new_id,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`here` tells people at this node; `seen` is the newest event number that the hub has seen of a room.

        `deliver` and `gap` are the hub's: what the bus brings is for it, too. `shut` ends connections here.
        `free` returns how many more visits' media this node takes when it has so many.
        `steady` is seconds that never jump.
        """
        self._deliver = deliver
        self._gap = gap
        self._seen = seen
        self.listening = Listening(air, nodes, node=node)
        self.leases = Leases(
            nodes,
            node=node,
            taken=lambda visit, room, lease: self.carrier.take(visit, room, lease),
            lost=lambda visit: self.carrier.lose(visit),
            here=self.listening.has_people,
            load=lambda: self.places.load(),
            steady=steady,
        )
        self.passing = Passing(air, node=node, rooms=rooms, here=here, seen=self.seen)
        self.carrier = Carrier(
            media,
            node=node,
            clock=clock,
            rooms=rooms,
            leases=self.leases,
            listening=self.listening,
            passing=self.passing,
            seen=self.seen,
            forget=lambda room: self.following.forget(room),
        )
        self.following = Following(
            rooms,
            here=lambda room: self.carrier.follows(room) or self.alone.follows(room),
            saw=lambda room: self.alone.saw(room),
            gone=self._gone,
            spawn=self.carrier.spawn,
        )
        self.errands = Errands(air, node=node, serve=self._serve, new_id=new_id)
        self.places = Places(self.carrier.carried, free=free, steady=steady)
        self.media = MediaAnywhere(
            self.errands, node=node, leases=self.leases, carrier=self.carrier, places=self.places
        )
        self.alone = Alone(
            media.alone,
            node=node,
            rooms=rooms,
            leases=self.leases,
            listening=self.listening,
            errands=self.errands,
            forget=self.following.forget,
            spawn=self.carrier.spawn,
        )
        self.shutting = Shutting(self.errands, here=shut, others=self.leases.others)

    async def __aenter__(self) -> Self:
        await self.leases.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutting.close()
        await self.media.close()
        await self.errands.close()
        await self.passing.close()
        await self.carrier.close()
        await self.leases.__aexit__(kind, error, trace)

    def deliver(self, room: str, events: Sequence[tuple[int, bytes | None]]) -> None:
        """Take events of a room."""
        self._deliver(room, events)
        self.following.hear(room, events)

    def gap(self) -> None:
        """Look again at what may have changed unheard."""
        self._gap()
        self.following.look_at(self.carrier.rooms() | self.alone.rooms())

    def seen(self, room: str) -> int:
        """Return the newest event number that this node has seen of a room; 0 if it does not listen to it."""
        return max(self._seen(room), self.following.heard(room))

    def _gone(self, room: str) -> None:
        self.carrier.gone(room)
        self.alone.gone(room)

    def called(self, room: str, letter: bytes) -> None:
        """Take what was called to a room."""
        self.passing.called(room, letter)

    def letter(self, letter: bytes) -> None:
        """Take what was posted to this node."""
        self.errands.letter(letter)

    async def _serve(self, errand: Errand, by: str) -> Answered:
        if isinstance(errand, Shut):
            self.shutting.here(errand)
            return Answered()
        if isinstance(errand, OfferedAlone | TrickledAlone):
            return await self.alone.serve(errand)
        return await self.media.serve(errand, by)

    def buried(self) -> None:
        """Others took this node for dead, and forgot which rooms it has media of."""
        self.carrier.spawn(self.listening.note_again())
