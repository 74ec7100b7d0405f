"""What messages are made of: the limits of their fields, the words that may stand there, and small values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

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
