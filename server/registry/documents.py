"""The shapes of what the registry keeps. Each `kind` is a name in the store and never changes."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct
from msgspec.structs import replace

from signaling.amending import Change
from signaling.policy import Policy

# --- Documents: durable, sealed, beside their practice or their room ---------------------------------


class Practice(Struct, frozen=True):
    """A tenant. Its id, name and texts are in `policy.practice`."""

    kind: ClassVar[str] = "practice"
    policy: Policy


class RoomOptions(Struct, frozen=True, omit_defaults=True):
    """Where a provider's room goes its own way. None: as the practice has it."""

    show_position: bool | None = None
    grace: int | None = None
    """ms."""

    def over(self, policy: Policy) -> Policy:
        """Return the practice's policy as it is in this room."""
        return replace(
            policy,
            show_position=policy.show_position if self.show_position is None else self.show_position,
            grace=policy.grace if self.grace is None else self.grace,
        )


class Provider(Struct, frozen=True):
    """A clinician, who owns a room."""

    kind: ClassVar[str] = "provider"
    id: str
    name: str
    licences: tuple[str, ...] = ()
    """States, as two letters."""
    options: RoomOptions = RoomOptions()


class Account(Struct, frozen=True):
    """How a provider signs in."""

    kind: ClassVar[str] = "account"
    username: str
    password: str
    """An argon2id hash with its parameters."""
    changed_at: int
    """ms UTC. Sign-ins from before are void."""


class Username(Struct, frozen=True):
    """Whose a username is; usernames are unique in the whole service."""

    kind: ClassVar[str] = "username"
    practice: str
    provider: str


class ApiKey(Struct, frozen=True):
    """That a key exists, so that it can be listed and removed; the key itself is known by its digest alone."""

    kind: ClassVar[str] = "api-key"
    hash: str
    scopes: tuple[str, ...]
    created_at: int


class Member(Struct, frozen=True, omit_defaults=True):
    """A client as the practice names them."""

    id: str
    name: str
    payer: str | None = None
    service_code: str | None = None
    """None: nothing was said of it; empty (`NO_FEE`): nothing is charged."""


class Group(Struct, frozen=True):
    """A therapy group: an appointment may name it instead of listing clients."""

    kind: ClassVar[str] = "group"
    id: str
    name: str
    initials: str
    service_code: str | None
    clients: tuple[Member, ...]
    providers: tuple[str, ...]


class Client(Struct, frozen=True):
    """One client of one appointment."""

    id: str
    name: str
    payer: str | None
    service_code: str | None
    participant: str
    """Random; the seat's id in the visit."""
    token: str
    """The join link's secret, kept so that the same PUT answers with the same link."""


class Appointment(Struct, frozen=True):
    """What the EHR scheduled, beside its host's room."""

    kind: ClassVar[str] = "appointment"
    id: str
    visit: str
    providers: tuple[str, ...]
    """The first is the host."""
    clients: tuple[Client, ...]
    start: int
    """ms UTC."""
    end: int
    """ms UTC."""
    group: bool = False
    state: Literal["open", "cancelled"] = "open"
    """That it is closed is told by the room, in a `Closed` beside it."""
    outcome: str | None = None
    opened: bool = False
    """Its visit has been, or is just being, put into the room."""
    sequence: int = 0
    """Counts the changes that a calendar should hear of (RFC 5545, 3.8.7.4)."""


class Closed(Struct, frozen=True):
    """The room's word that an appointment's visit is over; written by the commit that closed it."""

    kind: ClassVar[str] = "closed"
    outcome: str
    at: int = 0


class Whereabouts(Struct, frozen=True):
    """Beside the practice: in which room an appointment's document lies."""

    kind: ClassVar[str] = "appointment-room"
    room: str


class Shared(Struct, frozen=True):
    """Beside a co-provider's own room: in whose room an opened appointment of theirs is. The appointment decides."""

    kind: ClassVar[str] = "shared"
    room: str


class VisitOf(Struct, frozen=True):
    """Beside the practice: which appointment a visit belongs to."""

    kind: ClassVar[str] = "visit"
    room: str
    appointment: str


class Amended(Struct, frozen=True):
    """Beside a room: all that was said anew of a closed visit's record, and the latest revision made of it."""

    kind: ClassVar[str] = "amended"
    revision: int
    changes: dict[str, Change]
    """By participant; of several words on one client the last."""
    said: str
    """A hash of the latest amendment, by which its repeat is known."""
    at: int
    """ms UTC."""
    by: str
    reason: str


class Webhook(Struct, frozen=True):
    """Where a practice wants to be told of events."""

    kind: ClassVar[str] = "webhook"
    id: str
    url: str
    events: tuple[str, ...]
    secrets: tuple[str, ...]
    """`whsec_...`, the newest first, two at most."""
    active: bool = True
    """False once the receiver said that it is gone for good; the next PUT makes it true again."""


# --- Secrets: single keys by the digest of what somebody holds ----------------------------------------


class Key(Struct, frozen=True):
    """What an API key may do."""

    kind: ClassVar[str] = "key"
    practice: str
    id: str
    scopes: tuple[str, ...]


class Link(Struct, frozen=True):
    """Which document to ask about a join link. That document decides."""

    kind: ClassVar[str] = "link"
    practice: str
    room: str
    appointment: str
    participant: str
    client: str


class SignIn(Struct, frozen=True):
    """A provider who got in."""

    kind: ClassVar[str] = "signin"
    practice: str
    provider: str
    at: int
    """ms UTC."""
