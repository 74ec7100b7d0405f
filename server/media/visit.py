"""One visit on this node: its participants, their peers, and who is carried to whom on which line."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.media import congestion
from server.media.adaptation import RECEIVING, SENDING, Adaptation
from server.media.alive import Pulse, Turn
from server.media.budget import Share
from server.media.contract import Renegotiate, Track
from server.media.peer import Line, Peer
from server.media.relay import Source
from server.media.speakers import Speakers
from server.media.wiring import Sent, assign

Wish = tuple[int, int, str]
"""Receiving lines for audio and video, and why."""


@dataclass(slots=True, eq=False)
class Attached:
    """A peer of a participant, and what was told about it."""

    peer: Peer
    carried: dict[str, Sent] = field(default_factory=dict)
    """What its lines carry, by mid."""
    told: dict[str, Sent] = field(default_factory=dict)
    """What its last answer said that they carry."""
    asked: Wish | None = None
    """What was asked of it and not met yet."""
    limited_at: float = float("-inf")
    """When it was last told how much its pictures may take."""


@dataclass(slots=True, eq=False)
class Participant:
    """One participant of a visit."""

    name: str
    audio_only: bool = False
    peers: dict[str, Attached] = field(default_factory=dict)
    """By id, oldest first."""
    transport: Pulse = field(default_factory=Pulse)
    video: Pulse = field(default_factory=Pulse)
    doubtful: bool = False
    """Whether it was told that nothing is heard of them."""
    receiving: Adaptation = field(default_factory=lambda: Adaptation(RECEIVING))
    """Whether the way to them carries pictures."""
    sending: Adaptation = field(default_factory=lambda: Adaptation(SENDING))
    """Whether the way from them does."""
    share: Share = field(default_factory=Share)
    """How many pictures they get, of many."""
    paused: frozenset[Sent] = frozenset()
    """What they do not get for now, so that the rest fits."""
    told_at: list[int] = field(default_factory=lambda: [0, 0, 0])
    """The time of the last fact about transport, video and weakness, in ms."""

    @property
    def weak(self) -> bool:
        """Whether it is told that their network carries no picture."""
        return self.receiving.held_at is not None or self.sending.held_at is not None

    def by_rank(self) -> list[Attached]:
        """Return the peers that were answered: connected ones first, of those the newest first."""
        known = [attached for attached in reversed(self.peers.values()) if attached.peer.lines]
        return sorted(known, key=lambda attached: attached.peer.state != "connected")

    def cameras(self) -> list[Source]:
        """Return what may carry the participant's picture, of all peers: their first video lines. A screen is none."""
        peers = [attached.peer.lines.values() for attached in self.peers.values()]
        lines = [[line for line in lines if line.kind == "video" and line.offered] for lines in peers]
        return [videos[0].source for videos in lines if videos and videos[0].sends]

    def sources(self) -> dict[Sent, Source]:
        """Return what the participant sends, each from the best peer that carries it."""
        found: dict[Sent, Source] = {}
        for attached in self.by_rank():
            counts = {"audio": 0, "video": 0}
            for line in attached.peer.lines.values():
                sent = Sent(self.name, line.kind, counts[line.kind])
                # The first line of a kind is the microphone or camera, whether it sends already or not.
                if line.sends or (line.offered and not sent.number):
                    counts[line.kind] += 1
                if line.sends:
                    found.setdefault(sent, line.source)
        return found

    def feel(self, now: float) -> tuple[list[Turn], list[Turn]]:
        """Return what has begun or ended, over all peers: of the transport, and of the video."""
        signs = [(attached.peer.heard.since, attached.peer.heard.at) for attached in self.peers.values()]
        pictures = [(source.first_at, source.last_at) for source in self.cameras() if not self.audio_only]
        transport = self.transport.feel(now, [(a, b) for a, b in signs if a is not None])
        return transport, self.video.feel(now, [(a, b) for a, b in pictures if a is not None and b is not None])


@dataclass(slots=True, eq=False)
class Visit:
    """All who take part, here."""

    name: str
    people: dict[str, Participant] = field(default_factory=dict)
    leads: frozenset[str] = frozenset()
    """Of them, the providers."""
    speakers: Speakers = field(default_factory=Speakers)
    """Of three or more: who has the floor."""

    @property
    def is_group(self) -> bool:
        """Whether three or more are here."""
        return len(self.people) > 2

    def wire(self, now: float, *, answering: Peer | None = None) -> list[Renegotiate]:
        """Bind each peer's lines to what the others send, and return what is to be asked of whom.

        Cheap and repeatable: only what has to change is changed. `answering`: its answer is just being made.
        """
        sources = {name: person.sources() for name, person in self.people.items()}
        ranks = {name: person.by_rank() for name, person in self.people.items()}
        pair = sum(map(bool, ranks.values())) == 2
        wishes: list[Renegotiate] = []
        for name, person in self.people.items():
            # Cameras and microphones first: a screen must not take the line that its owner's face will need.
            wanted = [sent for other, theirs in sources.items() if other != name for sent in theirs]
            wanted.sort(key=lambda sent: sent.number > 0)
            for peer_id, attached in person.peers.items():
                peer = attached.peer
                newest = peer.newest = ranks[name][:1] == [attached]
                receiving = [(line.mid, line.kind) for line in peer.lines.values() if line.receives]
                attached.carried, left = assign(receiving, wanted, attached.carried)
                for line in peer.lines.values():
                    sent = attached.carried.get(line.mid)
                    muted = sent is not None and sent.kind == "video" and not self.shows(sent, name)
                    _connect(line, sources[sent.participant][sent] if sent else None, now, muted=muted)
                wish = _wish(attached, receiving, left, pair=pair)
                if wish is None:
                    attached.asked = None
                elif newest and peer is not answering and not peer.lock.locked() and wish != attached.asked:
                    attached.asked = wish
                    wishes.append(Renegotiate(self.name, name, peer_id, *wish))
        self.settle()
        return wishes

    def settle(self) -> None:
        """Decide whose word about the network each sender of pictures hears."""
        peers = [attached.peer for person in self.people.values() for attached in person.peers.values()]
        congestion.settle(
            {peer.congestion: peer.numbered() for peer in peers}, [peer.congestion for peer in peers if peer.newest]
        )

    def shows(self, sent: Sent, receiver: str) -> bool:
        """Tell whether a picture goes to somebody: both networks carry it, and a camera is not of one by audio only."""
        one, other = self.people[sent.participant], self.people[receiver]
        carried = one.sending.forwards and other.receiving.forwards and sent not in other.paused
        # A screen is no camera: who takes part by audio may share one.
        return carried and (sent.number > 0 or not one.audio_only)


def _connect(line: Line, source: Source | None, now: float, *, muted: bool) -> None:
    """Let a line carry `source`, or nothing."""
    line.sink.bind(source)
    if source is None:
        return
    line.sink.agree()
    if line.sink.path.open and not muted and not line.sink.broken:
        source.link(line.sink, now)
    else:
        source.unlink(line.sink)


def _wish(attached: Attached, receiving: list[tuple[str, str]], left: list[Sent], *, pair: bool) -> Wish | None:
    """Return which lines are wanted for what is `left`, or a look at who is carried now; None: all is well."""
    had = {kind: sum(kind == other for _, other in receiving) for kind in ("audio", "video")}
    first = {kind: next((mid for mid, other in receiving if other == kind), None) for kind in had}
    # Who offers no line of a kind wants none of it, but for screens. In 1:1 the first lines need no words.
    left = [sent for sent in left if sent.number or (had[sent.kind] and not pair)]
    unsaid = [
        mid
        for mid, sent in attached.carried.items()
        if attached.told.get(mid) != sent and not (pair and first[sent.kind] == mid and not sent.number)
    ]
    if not left and not unsaid:
        return None
    reason = "tracks" if not left else "screen" if all(sent.number for sent in left) else "joined"
    audio, video = (had[kind] + sum(sent.kind == kind for sent in left) for kind in ("audio", "video"))
    return audio, video, reason


def tracks(attached: Attached, others: list[str]) -> tuple[Track, ...]:
    """Say whom the lines carry. If just one other is expected, that one on the first lines, should they be free yet."""
    found = {mid: Track(mid, s.participant, s.kind, s.source) for mid, s in attached.carried.items()}
    lines = [line for line in attached.peer.lines.values() if line.receives]
    for kind in ("audio", "video"):
        first = next((line.mid for line in lines if line.kind == kind), None)
        if first is not None and len(others) == 1:
            found.setdefault(first, Track(first, others[0], kind, "camera"))
    return tuple(found[line.mid] for line in lines if line.mid in found)
