"""What travels on the wire: every message a browser may send, and every message it may get.

PROTOCOL.md's tables, as types. A message is a flat object with a `type`; `docs/protocol.md` is generated
from this file. Requests are the very objects the heart decides about: the shell wraps them as `Asked`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

PROTOCOL_VERSION = 1
SUBPROTOCOL_JSON = "carelobby.v1.json"
SUBPROTOCOL_MSGPACK = "carelobby.v1.msgpack"
FRAME_LIMIT = 64 * 1024
SDP_LIMIT = 32 * 1024

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+$",
    ),
]
"""As somebody wants to be called; without characters that make it look like something else in a list."""
Short = Annotated[str, Meta(max_length=100)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Millis = Annotated[float, Meta(ge=0, le=60_000)]
Count = Annotated[int, Meta(ge=0, le=2**53)]

PlaceKind = Literal["home", "lodging", "other"]
Modality = Literal["video", "audio"]
MediaPath = Literal["relay", "direct"]
RelayReason = Literal["no_direct", "failed", "screen", "declined", "company"]
AudioReason = Literal["no_camera", "camera_failed", "bandwidth", "declined", "policy"]
StatusKind = Literal["available", "away", "late"]
ShownStatusKind = Literal["available", "with_someone", "away", "late"]
Purpose = Literal["visit", "check", "warm"]
Outcome = Literal[
    "attended",
    "late_arrival",
    "left_early",
    "no_show",
    "late_cancel",
    "cancelled",
    "provider_absent",
    "technical_failure",
]


class Place(Struct, frozen=True, omit_defaults=True):
    """Where the client is now; place of service and licensure follow from it."""

    state: Annotated[str, Meta(min_length=2, max_length=40)]
    kind: PlaceKind


class ConsentGiven(Struct, frozen=True):
    """Which consent text the client accepted."""

    version: Annotated[str, Meta(min_length=1, max_length=40)]


class Devices(Struct, frozen=True):
    """What the client's check found."""

    camera: bool
    microphone: bool


class OutcomeGiven(Struct, frozen=True, omit_defaults=True):
    """A provider's word on one client's attendance."""

    client: Id
    outcome: Outcome
    service_code: Short | None = None


class Override(Struct, frozen=True):
    """A provider sets a rule aside, for a reason that is audited."""

    rule: Short
    reason: Text


class Resume(Struct, frozen=True):
    """The claim to be a connection that dropped."""

    connection: Id
    secret: Annotated[str, Meta(min_length=1, max_length=128)]
    epoch: Short = ""
    seq: Count = 0


# --- From a browser ---------------------------------------------------------------------------------


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Anything a browser sends. `id` is echoed as `re`; `key` makes a repeat harmless."""

    id: Count | None = None
    key: Key | None = None


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """The first message: who is there."""

    protocol: int
    device: Id
    ticket: Annotated[str, Meta(max_length=128)] | None = None
    resume: Resume | None = None
    takeover: bool = False
    agent: Annotated[str, Meta(max_length=200)] | None = None


class Sync(Request, frozen=True, kw_only=True, tag="sync"):
    """Asks for the whole view."""


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Asks whether the server is there."""


class Bye(Request, frozen=True, kw_only=True, tag="bye"):
    """Lets go at once, without resume."""


class CheckIn(Request, frozen=True, kw_only=True, tag="check_in"):
    """A client says where they are, consents, and begins to wait."""

    place: Place
    consent: ConsentGiven | None = None
    privacy: bool
    devices: Devices
    media: Modality
    audio_reason: AudioReason | None = None
    display_name: Name | None = None
    address: Annotated[str, Meta(max_length=300)] | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None


class StepAway(Request, frozen=True, kw_only=True, tag="step_away"):
    """A waiting client is away for a moment and keeps the place."""


class ComeBack(Request, frozen=True, kw_only=True, tag="come_back"):
    """A waiting client is back."""


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    """A client gives the place up, or goes out of a visit."""


class SetStatus(Request, frozen=True, kw_only=True, tag="set_status"):
    """What waiting clients are told of their provider."""

    status: StatusKind
    minutes: Annotated[int, Meta(ge=0, le=600)] | None = None


class Acknowledge(Request, frozen=True, kw_only=True, tag="acknowledge"):
    """Stops the repeating notice of one entry."""

    entry: Id


class TellWaiting(Request, frozen=True, kw_only=True, tag="tell_waiting"):
    """A text to one waiting client alone; never stored."""

    entry: Id
    text: Text


class Start(Request, frozen=True, kw_only=True, tag="start"):
    """Begins the visit of one appointment, or of one unverified entry; with both, the entry is matched to it."""

    appointment: Id | None = None
    entry: Id | None = None
    client: Id | None = None
    """Whose seat the entry is matched to, where several are free."""
    expect: Count | None = None
    override: Override | None = None


class Admit(Request, frozen=True, kw_only=True, tag="admit"):
    """Lets one more waiting client into a live group visit; an unverified one by naming the appointment."""

    entry: Id
    appointment: Id | None = None
    client: Id | None = None
    """As with `start`."""


class ReturnToWaiting(Request, frozen=True, kw_only=True, tag="return_to_waiting"):
    """Sends a client back to wait."""

    participant: Id | None = None
    entry: Id | None = None
    reason: Short | None = None


class Remove(Request, frozen=True, kw_only=True, tag="remove"):
    """Sends a client away."""

    participant: Id | None = None
    entry: Id | None = None
    reason: Short | None = None


class End(Request, frozen=True, kw_only=True, tag="end"):
    """Ends the present segment for everyone."""

    visit: Id
    expect: Count | None = None


class Rejoin(Request, frozen=True, kw_only=True, tag="rejoin"):
    """Agrees to go on with an ended visit."""

    visit: Id


class Withdraw(Request, frozen=True, kw_only=True, tag="withdraw"):
    """Takes one's agreement to rejoin back."""

    visit: Id


class Finish(Request, frozen=True, kw_only=True, tag="finish"):
    """Closes an ended visit before its rejoin window is over."""

    visit: Id
    outcomes: tuple[OutcomeGiven, ...] = ()


class MediaPrepare(Request, frozen=True, kw_only=True, tag="media.prepare"):
    """Asks for the ICE servers of a peer to be made."""

    purpose: Purpose = "visit"


class MediaOffer(Request, frozen=True, kw_only=True, tag="media.offer"):
    """A browser's session description; the server answers."""

    peer: Id
    round: Count
    sdp: str
    audio_only: bool = False
    direct: bool = False
    """For the other browser, where the visit's media go directly; the provider's offers, and the client's answers."""
    purpose: Purpose = "visit"
    """`warm` waits, without a track, and is the visit's by its next round; `not_found` then: make a new peer."""


class MediaAnswered(Request, frozen=True, kw_only=True, tag="media.answer"):
    """A browser's answer to the other one's offer, where media go directly."""

    peer: Id
    round: Count
    sdp: str


class MediaCandidates(Request, frozen=True, kw_only=True, tag="media.candidates"):
    """ICE candidates of a browser, as W3C RTCIceCandidateInit."""

    peer: Id
    round: Count = 0
    candidates: Annotated[tuple[Any, ...], Meta(max_length=64)] = ()
    done: bool = False
    direct: bool = False
    """For the other browser."""


class MediaRelay(Request, frozen=True, kw_only=True, tag="media.relay"):
    """Asks that media go through the server from now on. An offer that is not `direct` asks for it, too."""

    reason: RelayReason = "no_direct"


class MediaFlow(Request, frozen=True, kw_only=True, tag="media.flow"):
    """Where media go directly: whether one's browser is connected with the other's, and sends pictures."""

    up: bool
    video: bool = False


class MediaState(Request, frozen=True, kw_only=True, tag="media.state"):
    """Which of one's own devices are on."""

    microphone: bool | UnsetType = UNSET
    camera: bool | UnsetType = UNSET
    screen: bool | UnsetType = UNSET


class MediaMode(Request, frozen=True, kw_only=True, tag="media.mode"):
    """The audio-only flag of oneself."""

    mode: Modality
    reason: AudioReason | None = None


class MediaStats(Request, frozen=True, kw_only=True, tag="media.stats"):
    """What a browser measured since its last report; numbers only."""

    peer: Id | None = None
    rtt_ms: Millis | None = None
    loss: Annotated[float, Meta(ge=0, le=1)] | None = None
    """The part of the packets to it that never came."""
    jitter_ms: Millis | None = None
    kbps: Annotated[float, Meta(ge=0, le=1e7)] | None = None
    freezes: Annotated[int, Meta(ge=0, le=1000)] | None = None
    """How often a picture stood still."""


class Chat(Request, frozen=True, kw_only=True, tag="chat"):
    """A line to the others of the visit; relayed, never stored."""

    text: Text


AnyRequest = (
    Hello
    | Sync
    | Ping
    | Bye
    | CheckIn
    | StepAway
    | ComeBack
    | Leave
    | SetStatus
    | Acknowledge
    | TellWaiting
    | Start
    | Admit
    | ReturnToWaiting
    | Remove
    | End
    | Rejoin
    | Withdraw
    | Finish
    | MediaPrepare
    | MediaOffer
    | MediaAnswered
    | MediaCandidates
    | MediaState
    | MediaMode
    | MediaRelay
    | MediaFlow
    | MediaStats
    | Chat
)
"""Everything a browser may send."""

RoomRequest = (
    CheckIn
    | StepAway
    | ComeBack
    | Leave
    | SetStatus
    | Acknowledge
    | Start
    | Admit
    | ReturnToWaiting
    | Remove
    | End
    | Rejoin
    | Withdraw
    | Finish
    | MediaState
    | MediaMode
    | MediaRelay
    | MediaFlow
)
"""What changes a room, and therefore passes through `handle`. All else is answered by the shell."""


# --- From the server --------------------------------------------------------------------------------


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
