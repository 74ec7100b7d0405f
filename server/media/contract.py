"""What passes between the media node and the rest of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Track:
    """Whom a line of an answer carries."""

    mid: str
    participant: str
    kind: str
    """`audio` or `video`."""
    source: str
    """`camera` or `screen`; a microphone is `camera` too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an offer, and which of its lines carry whom, as far as it is known."""

    sdp: str
    tracks: tuple[Track, ...]


FactKind = Literal[
    "media_up", "media_down", "media_silent", "media_heard", "video_up", "video_down", "restored", "withheld"
]
KINDS: Final[tuple[tuple[FactKind, FactKind], ...]] = (
    ("media_up", "media_down"),
    ("video_up", "video_down"),
    ("restored", "withheld"),
)
"""What came and what went: transport, video, and pictures on a network that is too weak for them."""


@dataclass(frozen=True, slots=True)
class MediaFact:
    """Something of a participant's media came or went, over all their peers, at `at` (ms of the node's clock).

    `media_silent`: nothing was heard of them for `DOUBT` seconds. It ends with `media_heard`; or they are down.
    """

    visit: str
    participant: str
    kind: FactKind
    at: int


@dataclass(frozen=True, slots=True)
class Renegotiate:
    """A wish for another offer of a peer, with so many receiving lines in all."""

    visit: str
    participant: str
    peer: str
    receive_audio: int
    receive_video: int
    reason: str
    """`joined`: somebody has no line yet. `screen`: a shared screen has none. `tracks`: lines carry somebody new."""


@dataclass(frozen=True, slots=True)
class Counts:
    """For metrics: what there is now, and what has happened since the start."""

    visits: int
    peers: int
    connected: int
    packets_received: int
    packets_forwarded: int
    datagrams_dropped: int
    packets_held: int
    """Of those received, what came on peers that wait for admission; nobody heard it."""
    warm: int
    """Peers that wait."""
    checks: int
    """Peers of device checks."""
