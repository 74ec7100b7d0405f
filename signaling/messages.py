"""What a browser may get: replies, events of its room, and what passes by.

PROTOCOL.md's tables, as types: a message is a flat object with a `type`; `docs/protocol.md` is generated from them.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from signaling.fields import AudioReason, MediaPath, Modality, RelayReason, ShownStatusKind


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """Anything the server sends."""


class StateEvent(Message, frozen=True, kw_only=True):
    """A change of state: stored, numbered, replayed after a drop. `at` is milliseconds UTC."""

    epoch: str = ""
    seq: int = 0
    at: int = 0
    version: int = 0


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The answer to `hello`."""

    connection: str
    secret: str
    resume_for: int
    """Seconds."""
    role: str
    heartbeat: int
    """Seconds."""
    limits: dict[str, int]
    recovered: bool | UnsetType = UNSET


class Ok(Message, frozen=True, kw_only=True, tag="ok"):
    """A request was granted."""

    re: int | None = None
    version: int | None = None
    visit: str | None = None
    rev: int | None = None
    ice_servers: tuple[dict[str, Any], ...] | UnsetType = UNSET


class Error(Message, frozen=True, kw_only=True, tag="error"):
    """A request was refused; codes, never sentences."""

    code: str
    temporary: bool | UnsetType = UNSET
    re: int | None = None
    retry_after: float | None = None
    """Seconds."""
    visit: dict[str, Any] | None = None
    """With `stale`: the visit as it is."""


class MediaAnswer(Message, frozen=True, kw_only=True, tag="media.answer"):
    """The server's session description, with all its candidates."""

    peer: str
    round: int
    sdp: str
    tracks: tuple[dict[str, str], ...]


class MediaOffered(Message, frozen=True, kw_only=True, tag="media.offer"):
    """The other browser's offer, where media go directly: answer it by `media.answer`."""

    participant: str
    peer: str
    round: int
    sdp: str


class MediaTrickled(Message, frozen=True, kw_only=True, tag="media.candidates"):
    """The other browser's candidates, where media go directly."""

    peer: str
    round: int
    candidates: tuple[Any, ...]
    done: bool = False


class MediaRenegotiate(Message, frozen=True, kw_only=True, tag="media.renegotiate"):
    """Asks for another offer of that peer."""

    peer: str
    receive: dict[str, int]
    reason: str


class MediaReplace(Message, frozen=True, kw_only=True, tag="media.replace"):
    """Asks for a new peer, made before this one is closed."""

    peer: str
    reason: Literal["node_lost", "ice_failed", "moved"]


class MediaModeTold(Message, frozen=True, kw_only=True, tag="media.mode"):
    """Somebody's audio-only flag changed; or, by `server`, their network carries no picture, or does again.

    That is no flag of theirs: `participant.network` tells of it, and `participant.mode` stays as it is.
    """

    participant: str
    mode: Modality
    by: str
    """Who set it: `participant`, themselves; `server`, for a network that carries no picture."""
    reason: AudioReason | None = None


class MediaQuality(Message, frozen=True, kw_only=True, tag="media.quality"):
    """To providers: how somebody's connection is now, as their browser told."""

    participant: str
    level: Literal["good", "fair", "poor"]
    rtt_ms: int
    loss: float
    """The part of the packets to them that never came."""
    freezes: int
    """Of the last minute."""


class ChatLine(Message, frozen=True, kw_only=True, tag="chat"):
    """A line from another participant of the visit."""

    participant: str
    text: str
    at: int


class GoAway(Message, frozen=True, kw_only=True, tag="goaway"):
    """This node is draining. Milliseconds."""

    after: int
    jitter: int


class QueueEntered(StateEvent, frozen=True, kw_only=True, tag="queue.entered"):
    """A client waits."""

    entry: dict[str, Any]


class QueueChanged(StateEvent, frozen=True, kw_only=True, tag="queue.changed"):
    """Something about a waiting client changed."""

    entry: dict[str, Any]


class QueueLeft(StateEvent, frozen=True, kw_only=True, tag="queue.left"):
    """An entry is no longer in the queue: left, admitted, removed, gone or closed."""

    entry: str
    reason: str


class ClientReady(StateEvent, frozen=True, kw_only=True, tag="client.ready"):
    """A client has arrived; once for each arrival."""

    entry: str


class WaitingChanged(StateEvent, frozen=True, kw_only=True, tag="waiting.changed"):
    """What a waiting client is told: nothing about anyone else."""

    status: ShownStatusKind
    minutes: int | None = None
    ahead: int | None = None


class WaitingText(Message, frozen=True, kw_only=True, tag="waiting.changed"):
    """The provider's words to one waiting client: passing, never stored."""

    text: str
    status: ShownStatusKind
    minutes: int | None = None


class VisitStarted(StateEvent, frozen=True, kw_only=True, tag="visit.started"):
    """The first segment runs and this participant is in it."""

    visit: str
    segment: int
    rev: int
    participants: tuple[dict[str, Any], ...]
    ice_servers: tuple[dict[str, Any], ...]
    path: MediaPath = "relay"
    appointment: str | None = None


class VisitResumed(StateEvent, frozen=True, kw_only=True, tag="visit.resumed"):
    """A further segment runs."""

    visit: str
    segment: int
    rev: int
    participants: tuple[dict[str, Any], ...]
    ice_servers: tuple[dict[str, Any], ...]
    path: MediaPath = "relay"


class VisitEnded(StateEvent, frozen=True, kw_only=True, tag="visit.ended"):
    """Everybody is out, or this client alone."""

    visit: str
    rev: int
    reason: str
    rejoin_until: int | None = None
    """Left out for a client who goes out alone."""
    by: str | None = None
    pending: bool = False
    """Not yet saved: the store is away."""
    live: bool = False
    """It goes on without this client, whose own `rejoin` lets them in again at once."""
    text: str | None = None
    """The provider's words to a client who was removed or sent back to wait: to them alone."""


class VisitRejoinPending(StateEvent, frozen=True, kw_only=True, tag="visit.rejoin_pending"):
    """Somebody agreed, or took it back; `agreed` holds roles."""

    visit: str
    rev: int
    agreed: tuple[str, ...]
    rejoin_until: int | None = None
    """Left out while it is live: there is no window then."""
    mine: bool = False
    """This participant is among those who agreed."""
    live: bool = False
    """It was resumed without this client, whose own `rejoin` lets them in at once."""


class VisitClosed(StateEvent, frozen=True, kw_only=True, tag="visit.closed"):
    """The visit is over for good."""

    visit: str
    rev: int
    outcome: str


class VisitChanged(StateEvent, frozen=True, kw_only=True, tag="visit.changed"):
    """To providers: an appointment was opened or changed, or the coming and going of its clients moved `rev`."""

    appointment: dict[str, Any]


class VisitPath(StateEvent, frozen=True, kw_only=True, tag="visit.path"):
    """The visit's media go another way from now on: make the new peers, then close those of the other way."""

    visit: str
    path: MediaPath
    reason: RelayReason


class ParticipantChanged(StateEvent, frozen=True, kw_only=True, tag="participant.changed"):
    """Presence, devices or mode of one participant of my visit."""

    visit: str
    participant: dict[str, Any]


class Displaced(StateEvent, frozen=True, kw_only=True, tag="displaced"):
    """A newer device of the same participant took over."""


class ClientView(Message, frozen=True, kw_only=True, tag="view"):
    """Everything a client may see."""

    version: int
    epoch: str
    seq: int
    phase: str
    rev: int
    provider: dict[str, Any]
    practice: dict[str, Any]
    checked_in: bool
    appointment: dict[str, Any] | None = None
    away: bool = False
    ahead: int | None = None
    visit: str | None = None
    rejoin_until: int | None = None
    agreed: tuple[str, ...] | None = None
    mine: bool = False
    """This client is among those who agreed to rejoin."""
    live: bool = False
    """The visit goes on without this client, whose own `rejoin` lets them in at once."""
    path: MediaPath | None = None
    """Only while in."""
    participants: tuple[dict[str, Any], ...] | UnsetType = UNSET
    ice_servers: tuple[dict[str, Any], ...] | UnsetType = UNSET
    re: int | None = None


class ProviderView(Message, frozen=True, kw_only=True, tag="view"):
    """Everything a provider may see."""

    version: int
    epoch: str
    seq: int
    status: str
    waiting: tuple[dict[str, Any], ...]
    unverified: tuple[dict[str, Any], ...]
    appointments: tuple[dict[str, Any], ...]
    visits: tuple[dict[str, Any], ...]
    minutes: int | None = None
    ice_servers: tuple[dict[str, Any], ...] | UnsetType = UNSET
    re: int | None = None
