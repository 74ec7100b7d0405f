"""Who else serves these rooms, and which node carries which visit's media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct


class Carried(Struct, frozen=True):
    """Who carries a visit's media: a lease that holds while its node pulses."""

    node: str
    fence: int
    """Higher than that of every node before: what comes with a lower one comes from a node that has lost it."""


class Load(Struct, frozen=True):
    """What a node carries, and whether it can carry more."""

    visits: int = 0
    """Whose media it forwards, or is about to."""
    free: int = 1
    """How many more visits it takes; 0: it is full."""
    draining: bool = False
    """It stops soon, and takes none."""


IDLE: Final = Load()
"""Of a node that says nothing of itself: it has room."""


class Pulses(Struct, frozen=True):
    """Who was alive when, and with how much to do."""

    now: int
    """The store's time."""
    last: Mapping[str, int]
    """Each node's last pulse."""
    loads: Mapping[str, Load] = {}
    """What each node said of itself then, as far as it did."""


class Attendance(Protocol):
    """Which rooms this node has connections or media of."""

    async def enter(self, node: str, room: str) -> None:
        """Note that `node` has connections or media of `room`; before the first of them."""
        ...

    async def leave(self, node: str, room: str) -> None: ...


class Carriers(Protocol):
    """Which node carries which visit's media. Every method may raise `StoreAway`."""

    async def pulse(self, node: str, load: Load = IDLE) -> Pulses:
        """Say that `node` is alive, with how much to do, and return when every node last was, and with how much."""
        ...

    async def hush(self, node: str) -> None:
        """Say that `node` goes, and pulses no more."""
        ...

    async def claim(self, visit: str, node: str, *, over: Carried | None = None, floor: int = 0) -> Carried:
        """Return who carries a visit: `node`, if nobody did or if it was `over`; with a fence above `floor`, then."""
        ...

    async def carriers(self, visits: Sequence[str]) -> Mapping[str, Carried]:
        """Return who carries each of these visits, where anybody does."""
        ...

    async def release(self, visit: str, node: str) -> None:
        """Say that `node` carries it no more, if it did. The fence is kept."""
        ...


class Nodes(Attendance, Carriers, Protocol):
    """Who else serves these rooms, and which rooms had connections where."""

    async def beat(self, node: str, now: int) -> None:
        """Say that `node` is alive at `now`."""
        ...

    async def all(self) -> Mapping[str, int]:
        """Return each node's last beat."""
        ...

    async def rooms(self, node: str) -> Sequence[str]: ...

    async def forget(self, node: str) -> None: ...

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        """Take or renew a lease for `ttl` ms; False while another node holds it."""
        ...

    async def agree(self, name: str, value: str) -> str:
        """Write `value` if nothing is there yet, and return what is there (partitions, keyring fingerprint)."""
        ...
