"""What the shell needs of the outside, as small interfaces; adapters lie beside, `server/app.py` joins them.

All bytes handed to a store are plain: its adapter seals each value (`server/crypto`) with the name of its key and
its version as associated data, and opens it again. Nothing else ever sees a sealed value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from signaling.events import Fact, MediaKind
from signaling.messages import Ok, RoomRequest
from signaling.state import Room, Who

Clock = Callable[[], int]
"""The store's time as this node estimates it, in milliseconds; never this machine's wall clock."""

PARTITIONS = 64


# --- Rooms ------------------------------------------------------------------------------------------


class Stored(Struct, frozen=True):
    """A room as it was saved."""

    version: int
    snapshot: bytes


class Commit(Struct, frozen=True, kw_only=True):
    """One change of one room, saved whole or not at all."""

    request: str
    """The request id: unique for a request, the same for its repeats. A saved one answers with its stored reply."""
    body: str
    """A hash of the request's content: the same `request` with another body is a reused key."""
    keep: int
    """How long the reply is kept, in milliseconds."""
    expected: int
    """The version that was decided on; 0: the room did not exist."""
    snapshot: bytes
    """Of version `expected + 1`."""
    events: tuple[tuple[int, bytes], ...] = ()
    """(seq, payload), ascending, without holes."""
    outbox: tuple[bytes, ...] = ()
    """Each an encoded `Owed`."""
    deadline: int | None = None
    """When the room wants `DeadlinePassed`; None: never."""
    reply: bytes = b""
    documents: Mapping[tuple[str, str], bytes] = {}
    """(kind, id) → value: documents beside the room that change with it."""


class Conflict(Exception):
    """Another commit came first; nothing was saved."""

    def __init__(self, present: Stored | None) -> None:
        super().__init__("the room has another version")
        self.present = present


class Repeated(Exception):
    """This request id was committed before; nothing was saved again."""

    def __init__(self, reply: bytes, body: str) -> None:
        super().__init__("the request was committed before")
        self.reply = reply
        self.body = body


class StoreAway(Exception):
    """The store did not answer in time. Whether a commit was saved is unknown: ask again with its request id."""


class RoomStore(Protocol):
    """Where rooms live. Every method may raise `StoreAway`."""

    async def time(self) -> int:
        """Return the store's time in milliseconds."""
        ...

    async def load(self, room: str) -> Stored | None: ...

    async def commit(self, room: str, commit: Commit) -> None:
        """Save and publish `commit`, or raise `Repeated` (looked at first) or `Conflict`."""
        ...

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        """Return the stored (reply, body) of a request id, if it was committed and is still kept."""
        ...

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        """Return the events with seq > `after`, ascending; None if some of them are no longer kept."""
        ...

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return rooms whose deadline is at or before `now`. A commit replaces the deadline."""
        ...

    async def postpone(self, room: str, until: int) -> None:
        """Move a due room's deadline, if it still has one before `until` (its handling failed)."""
        ...

    async def delete(self, room: str) -> None:
        """Remove the room with its events, deadline and replies (its practice was deleted). The outbox stays."""
        ...


class Bus(Protocol):
    """News of rooms from all nodes, this one included. At most once: the hub fills holes from the store."""

    async def subscribe(self, room: str) -> None:
        """Return when events committed from now on will be delivered."""
        ...

    async def unsubscribe(self, room: str) -> None: ...


class Post(Protocol):
    """What nodes say to one another beside the store: at most once, never stored. Both may raise `StoreAway`."""

    async def post(self, node: str, letter: bytes) -> None:
        """Send to one node, this one included; nobody hears it if that node is not there."""
        ...

    async def call(self, room: str, letter: bytes) -> None:
        """Send to every node that is subscribed to a room, this one included if it is."""
        ...


Deliver = Callable[[str, Sequence[tuple[int, bytes | None]]], None]
"""Called by the bus with (room, [(seq, payload)]); a payload over 8 KiB arrives as None and is read from the store."""
Gap = Callable[[], None]
"""Called by the bus when it may have missed something in any room: the hub then reads all its rooms again."""
Letter = Callable[[bytes], None]
"""Called by the bus with what was posted to this node."""
Called = Callable[[str, bytes], None]
"""Called by the bus with (room, letter) of what was called to all nodes of a room."""


# --- Documents and single keys ----------------------------------------------------------------------


class Document(Struct, frozen=True):
    """A registry document as it was saved."""

    version: int
    value: bytes


class Documents(Protocol):
    """Practices, providers, accounts, appointments ...: durable, sealed, never expiring.

    `place` is a room's or a practice's id and decides the partition; `kind` and `id` name the document in it.
    """

    async def get(self, place: str, kind: str, id: str) -> Document | None: ...

    async def put(
        self,
        place: str,
        kind: str,
        id: str,
        value: bytes,
        *,
        expected: int | None = None,
        outbox: Sequence[bytes] = (),
    ) -> int:
        """Save, with `outbox` in one transaction, and return the new version.

        `expected` (0: must not exist) may raise `Changed`.
        """
        ...

    async def delete(self, place: str, kind: str, id: str, *, outbox: Sequence[bytes] = ()) -> bool: ...

    async def all(self, place: str, kind: str) -> Mapping[str, Document]:
        """Return all documents of a kind by id."""
        ...

    async def schedule(self, place: str, what: str, at: int | None) -> None:
        """Put `what` on the agenda of `place`'s partition at `at` (None: take it off)."""
        ...

    async def scheduled(self, now: int, limit: int = 100) -> Sequence[str]:
        """Return what is on the agenda at or before `now`, in all partitions."""
        ...


class Changed(Exception):
    """The document has another version than expected."""


class Secrets(Protocol):
    """Single keys by the SHA-256 of a secret: tickets, links, sign-ins, API keys, resumable connections."""

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        """Save; `ttl` in milliseconds."""
        ...

    async def get(self, kind: str, hash: str) -> bytes | None: ...

    async def take(self, kind: str, hash: str) -> bytes | None:
        """Return and delete in one: of two takers one gets it."""
        ...

    async def delete(self, kind: str, hash: str) -> None: ...

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        """Give it `ttl` milliseconds from now; False if it is gone."""
        ...

    async def count(self, kind: str, hash: str, window: int) -> int:
        """Add one to a counter that is forgotten `window` ms after its first count; return it (throttling)."""
        ...


# --- Nodes and the outbox ---------------------------------------------------------------------------


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


class Owed(Struct, frozen=True):
    """One item of the outbox, on its way to the ledger."""

    kind: Literal["record", "audit", "notify"]
    practice: str
    room: str
    """Or the practice's id, where no room is concerned."""
    at: int
    data: dict[str, Any]
    """record: PROTOCOL's record. audit: {action, by, target, detail}. notify: {type, data}."""


class Outbox(Protocol):
    """What commits left for the ledger; one stream a partition, trimmed only after archiving."""

    async def read(self, limit: int = 500) -> Sequence[tuple[int, str, bytes]]:
        """Return (partition, stream id, encoded `Owed`) of all partitions, in order within each."""
        ...

    async def length(self) -> int:
        """Return how many items wait, in all partitions."""
        ...

    async def trim(self, done: Mapping[int, str]) -> None:
        """Forget, in each partition, everything up to and including that stream id."""
        ...


WebhookEvent = Literal[
    "client.ready",
    "notice.unanswered",
    "client.left",
    "visit.started",
    "visit.ended",
    "visit.resumed",
    "visit.closed",
    "record.created",
    "record.amended",
    "reminder.due",
]
"""What a practice's webhooks may be told of."""


# --- The one door into a room -----------------------------------------------------------------------


class Rooms(Protocol):
    """`server/dispatch`: load, decide, commit if unchanged, do."""

    async def ask(self, room: str, by: Who, connection: str, request: RoomRequest) -> Ok:
        """Apply a participant's request (with its idempotency key, if any). Raise `SignalingError`."""
        ...

    async def fact(self, room: str, fact: Fact) -> None:
        """Apply a fact. `Connected` may be refused (`Busy`: another device is active), and what the EHR planned.

        An appointment of more clients than a group may have is `TooMany`.
        """
        ...

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        """Return the room as saved, no older than event `seq` (0: as it is now); None if it does not exist."""
        ...


class Ticket(Struct, frozen=True):
    """What a WebSocket ticket stands for."""

    room: str
    practice: str
    by: Who
    sign_in: str | None = None
    """The SHA-256 of the provider's sign-in, so that signing out ends the connection."""
    until: int | None = None
    """ms UTC, when the right to be connected ends; None: with the visit or the sign-in."""


# --- Media ------------------------------------------------------------------------------------------


class Track(Protocol):
    """Which line of an answer carries whom."""

    @property
    def mid(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def source(self) -> str: ...


class Answer(Protocol):
    """The server's session description."""

    @property
    def sdp(self) -> str: ...
    @property
    def tracks(self) -> Sequence[Track]: ...


class MediaFact(Protocol):
    """A participant's transport or video came or went, or is in doubt, or pictures are withheld: at `at` ms."""

    @property
    def visit(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def kind(self) -> MediaKind: ...
    @property
    def at(self) -> int: ...


class Renegotiate(Protocol):
    """A peer must offer again, to have lines to receive on."""

    @property
    def visit(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def receive_audio(self) -> int: ...
    @property
    def receive_video(self) -> int: ...
    @property
    def reason(self) -> str: ...


class MediaAlone(Protocol):
    """Peers of this node that belong to no visit: nothing that they send is heard by anybody else."""

    async def offer(
        self, *, purpose: Literal["warm", "check"], room: str, participant: str, peer: str, round: int, sdp: str
    ) -> Answer:
        """Answer an offer; `warm` waits for its visit, `check` is an echo. Raise as `Media.offer` does."""
        ...

    async def candidates(
        self, *, room: str, participant: str, peer: str, candidates: Sequence[dict[str, Any]]
    ) -> None: ...

    def has(self, room: str, participant: str, peer: str) -> bool:
        """Tell whether a peer is here, and still alone."""
        ...

    def stop(self, room: str, participant: str, peer: str) -> None:
        """Close a peer, if it is here."""
        ...


class Media(Protocol):
    """The media plane of this node: the browser offers, it answers, packets are forwarded."""

    @property
    def alone(self) -> MediaAlone: ...

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
        """Answer an offer. Raise `BadSdp`, `StaleRound` or `TooMany`, and nothing else.

        `others`: who else is expected; if it is one, the answer's tracks name them before they have come.
        `leads`: the visit's providers, whose pictures come before those of the others.
        `warm`: the browser connected this peer beforehand, in `room`; raise `NotFound` if it is not here.
        `since`: when its participant was let in (ms); what a warm peer sent since then counts.
        """
        ...

    async def candidates(
        self, *, visit: str, participant: str, peer: str, round: int, candidates: Sequence[dict[str, Any]]
    ) -> None: ...

    def set_mode(self, *, visit: str, participant: str, audio_only: bool) -> None: ...

    def stop(self, visit: str, participant: str | None = None) -> None:
        """Stop at once: when this returns, not one packet more is forwarded from or to them."""
        ...
