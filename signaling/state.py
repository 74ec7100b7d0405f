"""What a room holds: frozen values that `handle` replaces and `snapshot` packs. No behaviour but questions.

The aggregate is the room: its waiting entries, the visits of about a day, and who is connected. Times are
integer milliseconds of the store's clock. Mappings are treated as immutable: they are copied to be changed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from signaling.fields import AudioReason, Devices, Modality, Outcome, Place, ShownStatusKind
from signaling.policy import Policy, PracticeInfo


class Role(StrEnum):
    """Who somebody is to a room. `guest` is reserved: every table refuses it."""

    PROVIDER = "provider"
    CO_PROVIDER = "co_provider"
    CLIENT = "client"
    GUEST = "guest"


class Phase(StrEnum):
    """Where a visit stands."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"
    REJOIN_PENDING = "rejoin_pending"
    CLOSED = "closed"


class Stand(StrEnum):
    """Where a client's seat stands; presence is another matter."""

    OUT = "out"
    WAITING = "waiting"
    IN = "in"
    REMOVED = "removed"


# Python 3.11 takes ten times as long to find a member of an enumeration as a name of the module's own, and every
# decision asks for a score of them.
PROVIDER: Final = Role.PROVIDER
CO_PROVIDER: Final = Role.CO_PROVIDER
CLIENT: Final = Role.CLIENT
SCHEDULED: Final = Phase.SCHEDULED
IN_PROGRESS: Final = Phase.IN_PROGRESS
ENDED: Final = Phase.ENDED
REJOIN_PENDING: Final = Phase.REJOIN_PENDING
CLOSED: Final = Phase.CLOSED
OUT: Final = Stand.OUT
WAITING: Final = Stand.WAITING
IN: Final = Stand.IN
REMOVED: Final = Stand.REMOVED


class Who(Struct, frozen=True, gc=False):
    """The identity of a connection, from its ticket and never from a message."""

    role: Role
    participant: str
    visit: str | None = None
    """The visit of a client's seat. None: a provider, or somebody of the unverified lane."""
    name: str = ""
    """As the practice, or the knock, gave it."""


class Person(Struct, frozen=True, gc=False):
    """A provider of a visit."""

    id: str
    name: str


class Status(Struct, frozen=True, gc=False):
    """What waiting clients are told of the provider."""

    kind: ShownStatusKind = "available"
    """`with_someone` is never set: it is shown while a visit is in progress in the room."""
    minutes: int | None = None


class Connection(Struct, frozen=True, gc=False):
    """One live WebSocket of one participant."""

    who: Who
    device: str
    node: str
    since: int


class CheckedIn(Struct, frozen=True, gc=False):
    """What a client said at check-in."""

    at: int
    place: Place
    consent_version: str
    privacy: bool
    devices: Devices
    display_name: str | None = None
    address: str | None = None
    phone: str | None = None


class Entry(Struct, frozen=True, gc=False):
    """One client's check-in to the queue."""

    id: str
    participant: str
    since: int
    visit: str | None = None
    """None: the unverified lane."""
    name: str = ""
    checked_in: CheckedIn | None = None
    acknowledged: bool = False
    away: bool = False
    media: Modality = "video"
    media_reason: AudioReason | None = None
    dropped_at: int | None = None
    """When the last connection went; None while connected."""
    unanswered_at: int | None = None
    """When nobody has answered the notice of this arrival for too long; None: there was none, or that has been told."""
    device: str | None = None
    """Where the client checked in: their other pages were not told. None: sent back to wait, which all are told."""


class Interval(Struct, frozen=True, gc=False):
    """A span of time; `end` is None while it runs."""

    start: int
    end: int | None = None


class AudioOnly(Struct, frozen=True, gc=False):
    """A span in which a participant was audio-only."""

    start: int
    reason: AudioReason | None
    said_by: str
    end: int | None = None


class MediaLog(Struct, frozen=True, gc=False):
    """When one participant's transport was alive, and when video came from it."""

    up: tuple[Interval, ...] = ()
    video: tuple[Interval, ...] = ()
    withheld: tuple[Interval, ...] = ()
    """When pictures to or from them were not forwarded, since their network carries none. No flag of theirs."""
    lost: bool = False
    """Nothing is heard of them, and nothing was heard of their going."""

    @property
    def weak(self) -> bool:
        """Whether pictures are withheld now."""
        return bool(self.withheld) and self.withheld[-1].end is None


class Minute(Struct, frozen=True, array_like=True):
    """How one participant's connection was for a minute, as their browser told."""

    at: int
    """Minutes since 1970, UTC."""
    rtt: int = 0
    """Milliseconds to the other end and back."""
    lost: int = 0
    """Of a thousand packets to them."""
    jitter: int = 0
    """Milliseconds."""
    freezes: int = 0
    """Times that a picture stood still."""
    reports: int = 1


class Attendee(Struct, frozen=True, gc=False):
    """What is shown of one participant's devices, and their audio-only flag."""

    microphone: bool = True
    camera: bool = True
    screen: bool = False
    mode: Modality = "video"
    reason: AudioReason | None = None
    audio_only: tuple[AudioOnly, ...] = ()
    """The flag's history while in the visit."""


AS_THEY_COME: Final = Attendee()
"""Everything on, nothing said."""


class Seat(Struct, frozen=True, gc=False):
    """One client of a visit."""

    participant: str
    name: str
    client: str | None = None
    """The practice's id of the client. None: never matched."""
    payer: str | None = None
    service_code: str | None = None
    stand: Stand = Stand.OUT
    entry: str | None = None
    checked_in: CheckedIn | None = None
    """The latest check-in; rejoining asks for nothing again."""
    waited: tuple[Interval, ...] = ()
    attended: tuple[Interval, ...] = ()
    """When the seat was in; one span a segment at the least."""
    sent_back: bool = False
    """Sent back to wait since they were last in: they come in by way of the queue, and not by rejoining."""
    outcome: Outcome | None = None
    """A provider's word."""
    called: str | None = None
    """What somebody who walked in and was matched called themselves: all they are shown of their own name."""


class Segment(Struct, frozen=True, gc=False):
    """One unbroken run, Start or resume to End."""

    started_at: int
    ended_at: int | None = None
    by: str | None = None
    """The role that ended it."""
    reason: str | None = None


class Visit(Struct, frozen=True, gc=False):
    """The encounter for one appointment, from its opening to its close."""

    id: str
    policy: Policy
    providers: tuple[Person, ...]
    """The first is the host."""
    seats: dict[str, Seat]
    """By participant."""
    appointment: str | None = None
    start: int = 0
    """Scheduled."""
    end: int = 0
    """Scheduled."""
    group: bool = False
    rev: int = 0
    phase: Phase = Phase.SCHEDULED
    segments: tuple[Segment, ...] = ()
    agreed: tuple[str, ...] = ()
    """Participants who chose Rejoin since the last End, in order."""
    rejoin_until: int | None = None
    attendees: dict[str, Attendee] = {}
    """By participant, providers included; kept from segment to segment."""
    media: dict[str, MediaLog] = {}
    """By participant, providers included."""
    direct: tuple[Interval, ...] = ()
    """When media went from browser to browser; the last one runs while they do."""
    fell_back: bool = False
    """It was tried, and given up for the rest of the visit."""
    quality: dict[str, tuple[Minute, ...]] = {}
    """By participant, in order of time: how the network was."""
    peers: dict[str, str] = {}
    """By participant: the browser's name of the peer that last carried their media."""
    lost_peers: dict[str, str] = {}
    """Of them, those whose node died and that are still to be replaced."""
    media_node: str | None = None
    """The node that last told of this visit's media."""
    media_fence: int = 0
    """The highest fence of a node that carried them."""
    opened_at: int = 0
    """When it was opened, or its start last changed: nobody is absent before."""
    alone_since: int | None = None
    """In progress, and one side has nobody connected since then."""
    faults: tuple[str, ...] = ()
    """Codes of technical faults of ours, for the record."""
    matched: dict[str, str] = {}
    """By the participant of a join link: the walk-in whom a provider gave that seat."""
    outages: tuple[Interval, ...] = ()
    """When the service could serve nobody while clients were awaited or waited."""


class Room(Struct, frozen=True, dict=True):
    """A provider's permanent private place. Beside its fields it carries its index, which is no part of its value."""

    id: str
    practice: str
    host: Person
    epoch: str
    """Made with the room; another epoch means that sequence numbers began again."""
    version: int = 0
    """Numbers snapshots; compared with nothing on the wire."""
    seq: int = 0
    """The last event's number."""
    time: int = 0
    """The latest time this room has seen; it never goes back."""
    policy: Policy = field(default_factory=Policy)
    """The practice's present policy: for the unverified lane and for visits yet to be opened."""
    status: Status = field(default_factory=Status)
    host_gone_since: int | None = None
    """When the host's last connection went; None while connected or never seen."""
    host_away: bool = True
    """Nobody of the host is connected, for longer than a blink; waiting clients see `away`."""
    entries: dict[str, Entry] = {}
    visits: dict[str, Visit] = {}
    closed: dict[str, int] = {}
    """Visits that closed within a day, and when: opened again by a late fact, one would be billed twice."""
    connections: dict[str, Connection] = {}
    outages_until: int = 0
    """The end of the last outage of the service that this room has heard of."""

    @property
    def info(self) -> PracticeInfo:
        """What everybody who holds a link of this practice may be shown."""
        return self.policy.practice
