"""What a browser may send. Requests are the very objects the heart decides about: the shell wraps them as `Asked`.

PROTOCOL.md's tables, as types: a request is a flat object with a `type`; `docs/protocol.md` is generated from them.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from signaling.fields import (
    AudioReason,
    ConsentGiven,
    Count,
    Devices,
    Id,
    Key,
    Millis,
    Modality,
    Name,
    OutcomeGiven,
    Override,
    Place,
    Purpose,
    RelayReason,
    Resume,
    Short,
    StatusKind,
    Text,
)


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
