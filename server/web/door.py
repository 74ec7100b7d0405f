"""What the hub needs from the rest of the shell, beyond `server/ports`, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from server.web.frames import Packet
from signaling.messages import Message, Ok
from signaling.requests import Chat, MediaAnswered, MediaCandidates, MediaOffer, MediaPrepare, MediaStats, TellWaiting
from signaling.state import Room, Who


class Caller(Struct, frozen=True, kw_only=True):
    """Who speaks through a connection; from its ticket, never from a message."""

    connection: str
    room: str
    practice: str
    by: Who
    device: str


ShellRequest = Chat | TellWaiting | MediaPrepare | MediaOffer | MediaAnswered | MediaCandidates | MediaStats
"""What changes no room, and is answered by the shell instead of `handle`."""


class Shell(Protocol):
    """`server/perform.py`: answers what is not the room's business."""

    async def handle(self, caller: Caller, request: ShellRequest) -> Ok:
        """Do it, telling others through `Hub.send`. Raise `SignalingError` or `StoreAway`.

        Requests of one connection come one at a time, in order. `re` of the reply is filled in by the hub.
        """
        ...


View = Callable[[Room, Who], Message]
"""Pure: everything that somebody may see of a room, as of its `seq`."""

MaySee = Callable[[str, Who, Mapping[str, Any]], bool]
"""The last look before a socket: may that participant of that room still be told this event? Must not block.

Asked only about those whom the event's audience names; `server/dispatch` can answer from the room it last saw.
"""


class Wire(Protocol):
    """A connection's transport, as its session sees it."""

    heard: int
    """When the last frame of any kind came: milliseconds of the hub's steady clock."""
    packed: bool
    """Speaks MessagePack in binary frames; else JSON in text frames."""

    def send(self, packet: Packet) -> None:
        """Write now, or when the reader has caught up. Closes the session with 4008 when too much waits."""
        ...

    def ping(self) -> None: ...

    def close(self, code: int) -> None:
        """Close after everything sent so far, within the time limit for closing."""
        ...

    def pause(self) -> None:
        """Read nothing more for now."""
        ...

    def resume(self) -> None: ...


@dataclass
class Counts:
    """What `/metrics` shows of the WebSockets of this node. No names, no label for a person."""

    connections: int = 0
    """Sockets open now."""
    present: int = 0
    """Of them, those that said `hello` and were welcomed."""
    received: int = 0
    sent: int = 0
    recovered: int = 0
    """Resumed, with nothing missed."""
    resumed: int = 0
    """Resumed, but a view was needed."""
    overflows: int = 0
    """Mailboxes that were full."""
    gaps: int = 0
    """Times that events were read from the store because the bus had not brought them."""
    refused: Counter[int] = field(default_factory=Counter)
    """Upgrades refused, by HTTP status."""
    closed: Counter[int] = field(default_factory=Counter)
    """Connections ended, by close code; 1006 is none."""
