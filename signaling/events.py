"""What happens to a room. Requests are asked and may be refused; facts are past tense and never are.

Two tell of what somebody wants all the same: `Connected` (`Busy`), and an appointment of too many clients (`TooMany`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.policy import Policy
from signaling.requests import RoomRequest
from signaling.state import Minute, Person, Seat, Who


class Asked(Struct, frozen=True):
    """A participant's request. `by` and `connection` come from the socket, never from the message."""

    by: Who
    connection: str
    request: RoomRequest
    fresh: str
    """Random, made by the shell once for this request: new ids are built from it, so deciding again gives the same."""


class Connected(Struct, frozen=True):
    """A connection said `hello`, or came back by `resume`.

    Raises `Busy` if another device of that client is active and `takeover` is not said.
    """

    by: Who
    connection: str
    device: str
    node: str
    takeover: bool = False
    resumed: bool = False


class Disconnected(Struct, frozen=True):
    """A connection is gone. `bye`: on purpose, without resume."""

    connection: str
    bye: bool = False


class NodeGone(Struct, frozen=True):
    """A node died: all its connections are gone, and its media since `alive_until`."""

    node: str
    alive_until: int


class Appointment(Struct, frozen=True):
    """What the EHR scheduled, as the room needs it."""

    id: str
    visit: str
    providers: tuple[Person, ...]
    seats: tuple[Seat, ...]
    start: int
    end: int
    group: bool = False


class Opened(Struct, frozen=True):
    """An appointment's day has come, or somebody knocked: it becomes a visit. Opening it again changes nothing."""

    appointment: Appointment
    policy: Policy


class Rescheduled(Struct, frozen=True):
    """The EHR changed an opened appointment."""

    appointment: Appointment
    policy: Policy


class Cancelled(Struct, frozen=True):
    """The EHR cancelled an opened appointment."""

    appointment: str
    outcome: Literal["cancelled", "late_cancel"] = "cancelled"


class LinkRevoked(Struct, frozen=True):
    """A client's join link is dead: its connections end."""

    participant: str


class Configured(Struct, frozen=True):
    """The practice's policy or the host's name changed: for what comes from now on."""

    host: Person
    policy: Policy


MediaKind = Literal[
    "media_up", "media_down", "media_silent", "media_heard", "video_up", "video_down", "withheld", "restored"
]


class MediaChanged(Struct, frozen=True):
    """The media node saw something of a participant's media come or go, at its own estimate of the store's time.

    Transport and video; and pictures that it withholds, or forwards again, as a network is too weak for them or not.
    `media_silent` is a doubt, for people to see, and `media_heard` its end; minutes are made of the others.
    """

    visit: str
    participant: str
    kind: MediaKind
    at: int
    node: str = ""
    peer: str = ""
    """With `media_up`: the browser's name of its peer."""
    fence: int = 0
    """By which `node` carries the visit. Once a higher one was seen, this node has lost it, and tells nothing."""


class MediaMoved(Struct, frozen=True):
    """Another node carries the visit's media from now on; through the one before nothing flowed after `alive_until`.

    `fence` is higher than that of every node before.
    """

    visit: str
    node: str
    fence: int
    alive_until: int
    lost: bool = True
    """The node before died; else it hands over what it carries, and that is no fault."""


class QualityMeasured(Struct, frozen=True):
    """Browsers of a visit told how a minute was; each node tells of its own."""

    visit: str
    minutes: dict[str, Minute]
    """By participant."""


class EndedOffline(Struct, frozen=True):
    """Somebody in the visit ended it while the store was away, at `at`; from then on no media flowed.

    It is about the segment of that number, counted from 1: once that is over, it comes too late and changes nothing.
    """

    visit: str
    segment: int
    by: Who
    at: int


class DeadlinePassed(Struct, frozen=True):
    """The room's deadline may have passed; early, late or twice is harmless."""


Fact = (
    Connected
    | Disconnected
    | NodeGone
    | Opened
    | Rescheduled
    | Cancelled
    | LinkRevoked
    | Configured
    | MediaChanged
    | MediaMoved
    | QualityMeasured
    | EndedOffline
    | DeadlinePassed
)
