"""The media node: visits, their participants, and the peers of each; who is carried to whom."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiortc import RTCIceServer

from server.media import ice, offer
from server.media.alive import Pulse, Turn
from server.media.peer import Line, Peer
from server.media.relay import Source
from server.media.wiring import Sent, assign
from signaling.errors import BadSdp, SignalingError, StaleRound, TooMany

logger = logging.getLogger(__name__)

MOST_PEERS: Final = 4
"""Of one participant at a time."""
MOST_EARLY: Final = 256
"""Of how many unknown peers candidates are kept until their offer comes."""
CONNECT_WITHIN: Final = 30.0
"""Seconds after its offer, after which a peer that never connected is given up."""


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


FactKind = Literal["media_up", "media_down", "video_up", "video_down"]
KINDS: Final[tuple[tuple[FactKind, FactKind], ...]] = (("media_up", "media_down"), ("video_up", "video_down"))


@dataclass(frozen=True, slots=True)
class MediaFact:
    """A participant's transport or video came or went, over all their peers, at `at` (ms of the node's clock)."""

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


@dataclass(slots=True, eq=False)
class _Participant:
    """One participant of a visit."""

    name: str
    audio_only: bool = False
    peers: dict[str, Peer] = field(default_factory=dict)
    """By id, oldest first."""
    carried: dict[str, dict[str, Sent]] = field(default_factory=dict)
    """By peer: what each of its lines carries."""
    told: dict[str, dict[str, Sent]] = field(default_factory=dict)
    """By peer: what its last answer said that its lines carry."""
    asked: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By peer: what was last asked of it."""
    transport: Pulse = field(default_factory=Pulse)
    video: Pulse = field(default_factory=Pulse)
    told_at: list[int] = field(default_factory=lambda: [0, 0])
    """The time of the last fact about each of the two, in ms."""

    def by_rank(self) -> list[Peer]:
        """Return the peers that were answered: connected ones first, of those the newest first."""
        known = [peer for peer in reversed(self.peers.values()) if peer.lines]
        return sorted(known, key=lambda peer: peer.state != "connected")

    def videos(self) -> list[Source]:
        """Return the video sources of all peers."""
        return [line.source for peer in self.peers.values() for line in peer.lines.values() if line.kind == "video"]

    def sources(self) -> dict[Sent, Source]:
        """Return what the participant sends, each from the best peer that carries it."""
        found: dict[Sent, Source] = {}
        for peer in self.by_rank():
            counts = {"audio": 0, "video": 0}
            for line in peer.lines.values():
                sent = Sent(self.name, line.kind, counts[line.kind])
                # The first line of a kind is the microphone or camera, whether it sends already or not.
                if line.sends or not sent.number:
                    counts[line.kind] += 1
                if line.sends:
                    found.setdefault(sent, line.source)
        return found


class MediaNode:
    """All visits whose media this node forwards. To be used from one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        fact: Callable[[MediaFact], None],
        ask: Callable[[Renegotiate], None],
        ice_servers: Sequence[RTCIceServer] = (),
        interval: float = 0.5,
        loopback: bool = False,
        private: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`clock`: ms, as facts are to be dated. `interval`: seconds between two looks at who is alive.

        `loopback`: offer 127.0.0.1 as well (a machine without another address always does). `private`: accept
        candidates that are not globally routable.
        """
        self._clock = clock
        self._fact = fact
        self._ask = ask
        self._ice_servers = tuple(ice_servers)
        self._interval = interval
        self._loopback = loopback
        self._private = private
        self._monotonic = monotonic
        self._chance = chance or random.SystemRandom()
        self._visits: dict[str, dict[str, _Participant]] = {}
        self._early: OrderedDict[tuple[str, str, str], tuple[float, list[str]]] = OrderedDict()
        self._closings: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._gone = [0, 0, 0]
        """Packets received, forwarded, and datagrams dropped by peers that are gone."""

    # --- Negotiation

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
    ) -> Answer:
        """Answer an offer. Raise `BadSdp`, `StaleRound` or `TooMany`, and nothing else whatever the offer says.

        `others`: who else is expected in the visit. If it is one, the answer says so of lines that carry nobody yet.
        """
        offered = _read(sdp)
        person = self._visits.setdefault(visit, {}).setdefault(participant, _Participant(participant))
        this = person.peers.get(peer)
        if this is None:
            this = self._new_peer(visit, person, peer)
        this.expect(round)
        self._wake()
        self.set_mode(visit=visit, participant=participant, audio_only=audio_only)
        async with this.lock:
            this.insist(round)
            this.since = self._monotonic()
            try:
                text = await this.answer(offered)
            except SignalingError:
                self._forget_unanswered(visit, person, peer, this)
                raise
            except Exception as error:  # noqa: BLE001 - nothing in a description may raise anything else
                stale = this.gone or round != this.round
                self._forget_unanswered(visit, person, peer, this)
                logger.info("%s could not be answered: %s", this.name, type(error).__name__)
                raise (StaleRound() if stale else BadSdp(type(error).__name__)) from None
            for candidate in self._early.pop((visit, participant, peer), (0.0, []))[1]:
                await this.add(candidate)
        this.insist(round)
        self._wire(visit, answering=this)
        asyncio.get_running_loop().call_soon(
            self._wire, visit
        )  # asks for lines that this offer lacks, behind the answer
        carried = person.told[peer] = dict(person.carried.get(peer, {}))
        tracks = [Track(mid, sent.participant, sent.kind, sent.source) for mid, sent in carried.items()]
        if len(others) == 1:
            tracks += _expected(this, others[0], carried)
        order = list(this.lines)
        return Answer(text, tuple(sorted(tracks, key=lambda track: order.index(track.mid))))

    async def candidates(
        self,
        *,
        visit: str,
        participant: str,
        peer: str,
        round: int,
        candidates: Sequence[Any],
    ) -> None:
        """Add a browser's candidates, `[{candidate, sdpMid, sdpMLineIndex}]`. Raise `TooMany`.

        They may come before the offer; those of a peer that never makes one are forgotten. A peer has one generation of
        ICE, so they are good in any `round`.
        """
        lines = ice.read(candidates)
        if len(lines) > 2 * ice.LIMIT:
            raise TooMany
        person = self._visits.get(visit, {}).get(participant)
        this = person.peers.get(peer) if person else None
        if this is not None and this.lines:
            if not all([await this.add(line) for line in lines]):
                raise TooMany
            return
        key = (visit, participant, peer)
        _, kept = self._early.get(key, (0.0, []))
        if len(kept) + len(lines) > 2 * ice.LIMIT:
            raise TooMany
        self._early[key] = self._monotonic(), kept + lines
        while len(self._early) > MOST_EARLY:
            self._early.popitem(last=False)
        self._wake()

    def set_mode(self, *, visit: str, participant: str, audio_only: bool) -> None:
        """Stop forwarding a participant's video, or begin again."""
        person = self._visits.get(visit, {}).get(participant)
        if person is not None and person.audio_only != audio_only:
            self._feel(visit, person)
            person.audio_only = audio_only
            for source in person.videos():
                source.first_at = source.last_at = None  # what comes from now on is another run
            self._wire(visit)

    def _new_peer(self, visit: str, person: _Participant, peer: str) -> Peer:
        if len(person.peers) >= MOST_PEERS:
            raise TooMany
        made = Peer(
            f"{visit} {person.name} {peer}",
            monotonic=self._monotonic,
            changed=lambda: self._changed(visit, person, peer, made),
            ice_servers=self._ice_servers,
            loopback=self._loopback,
            private=self._private,
            chance=self._chance,
        )
        person.peers[peer] = made
        return made

    def _forget_unanswered(self, visit: str, person: _Participant, peer: str, this: Peer) -> None:
        """Let go of a peer whose first offer could not be answered."""
        if not this.lines and person.peers.get(peer) is this:
            self._drop(person, peer)
            self._tidy(visit, person)

    # --- Ends

    def stop(self, visit: str, participant: str | None = None) -> None:
        """Stop forwarding at once from and to a participant, or all of a visit; their peers close behind it."""
        people = self._visits.get(visit, {})
        for name in [participant] if participant is not None else list(people):
            if (person := people.pop(name, None)) is not None:
                for peer in list(person.peers):
                    self._drop(person, peer)
        for key in [key for key in self._early if key[0] == visit and participant in (None, key[1])]:
            del self._early[key]
        if people:
            self._wire(visit)
        else:
            self._visits.pop(visit, None)
            self._rest()

    async def close(self) -> None:
        """Stop everything, and return when all peers are closed."""
        for visit in list(self._visits):
            self.stop(visit)
        self._early.clear()
        self._rest()
        while self._closings:
            await asyncio.wait(self._closings)

    def _drop(self, person: _Participant, peer: str) -> None:
        """Halt a peer now and close it behind."""
        this = person.peers.pop(peer)
        for known in (person.carried, person.told, person.asked):
            known.pop(peer, None)
        this.halt()
        for place, number in enumerate(_numbers(this)):
            self._gone[place] += number
        self._run(this.close())

    def _run(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closings.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closings.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("closing a peer failed", exc_info=error)

    def _changed(self, visit: str, person: _Participant, peer: str, this: Peer) -> None:
        """A peer connected, failed, or was closed by its browser."""
        if person.peers.get(peer) is not this:
            return
        if this.state == "closed":
            self._feel(visit, person)  # what was seen last of this peer still counts
            self._drop(person, peer)
        self._feel(visit, person)
        self._tidy(visit, person)
        self._wire(visit)

    def _tidy(self, visit: str, person: _Participant) -> None:
        """Forget a participant without peers, and a visit without participants."""
        people = self._visits.get(visit)
        if people is None or person.peers or people.get(person.name) is not person:
            return
        self._tell(visit, person, person.transport.end(), person.video.end())
        del people[person.name]
        if not people:
            del self._visits[visit]

    # --- Who gets what

    def _wire(self, visit: str, answering: Peer | None = None) -> None:
        """Bind each peer's lines to what the others send. Cheap and repeatable: it changes what has to change."""
        people = self._visits.get(visit, {})
        now = self._monotonic()
        sources = {name: person.sources() for name, person in people.items()}
        present = 0
        for person in people.values():
            ranked = person.by_rank()
            present += bool(ranked)
            for peer in ranked:
                peer.newest = peer is ranked[0]
        for person in people.values():
            # Cameras and microphones first: a screen must not take the line that its owner's face will need.
            wanted = [sent for name, theirs in sources.items() if name != person.name for sent in theirs]
            wanted.sort(key=lambda sent: sent.number > 0)
            for name, peer in person.peers.items():
                lines = [(line.mid, line.kind) for line in peer.lines.values() if line.receives]
                carried, left = assign(lines, wanted, person.carried.get(name, {}))
                person.carried[name] = carried
                for line in peer.lines.values():
                    sent = carried.get(line.mid)
                    muted = sent is not None and sent.kind == "video" and people[sent.participant].audio_only
                    _connect(line, sources[sent.participant][sent] if sent else None, now, muted=muted)
                if peer is not answering and peer.newest and peer.lines and not peer.lock.locked():
                    self._maybe_ask(visit, person, name, lines, left, pair=present == 2)

    def _maybe_ask(
        self,
        visit: str,
        person: _Participant,
        peer: str,
        lines: list[tuple[str, str]],
        left: list[Sent],
        *,
        pair: bool,
    ) -> None:
        """Ask for more lines, or for a look at who is carried now; not twice for the same."""
        had = {kind: sum(kind == other for _, other in lines) for kind in ("audio", "video")}
        # Who offers no line of a kind wants none of it. In 1:1 the first lines are understood without words.
        left = [sent for sent in left if had[sent.kind] and (sent.number or not pair)]
        first = {kind: next((mid for mid, other in lines if other == kind), None) for kind in ("audio", "video")}
        told = person.told.get(peer, {})
        unsaid = [
            sent
            for mid, sent in person.carried[peer].items()
            if told.get(mid) != sent and (not pair or first[sent.kind] != mid)
        ]
        if not left and not unsaid:
            person.asked.pop(peer, None)
            return
        need = {kind: had[kind] + sum(sent.kind == kind for sent in left) for kind in had}
        reason = "tracks" if not left else "screen" if all(sent.number for sent in left) else "joined"
        wish = (need["audio"], need["video"], reason)
        if person.asked.get(peer) != wish:
            person.asked[peer] = wish
            self._ask(Renegotiate(visit, person.name, peer, *wish))

    # --- Who is there

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._sweep)

    def _rest(self) -> None:
        if self._timer is not None and not self._visits and not self._early:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        """Look after everything once: facts, peers that never connected, keyframes that could not be asked for yet."""
        self._timer = None
        now = self._monotonic()
        for key in [key for key, (at, _) in self._early.items() if now - at > CONNECT_WITHIN]:
            del self._early[key]
        for visit, people in list(self._visits.items()):
            for person in list(people.values()):
                lost = [n for n, p in person.peers.items() if p.state == "new" and now - p.since > CONNECT_WITHIN]
                for name in lost:
                    self._drop(person, name)
                for peer in person.peers.values():
                    peer.find_way()
                    for line in peer.lines.values():
                        if line.source.wanted and line.source.live:
                            line.source.ask_keyframe(now)
                self._feel(visit, person)
                if lost:
                    self._tidy(visit, person)
                    self._wire(visit)
        if self._visits or self._early:
            self._wake()

    def _feel(self, visit: str, person: _Participant) -> None:
        """Tell what began or ended for a participant, over all their peers."""
        now = self._monotonic()
        signs = [(peer.heard_since, peer.heard_at) for peer in person.peers.values()]
        pictures = [(source.first_at, source.last_at) for source in person.videos() if not person.audio_only]
        transport = person.transport.feel(now, [(a, b) for a, b in signs if a is not None])
        video = person.video.feel(now, [(a, b) for a, b in pictures if a is not None and b is not None])
        self._tell(visit, person, transport, video)

    def _tell(self, visit: str, person: _Participant, transport: list[Turn], video: list[Turn]) -> None:
        """Tell it in the node's time; of one thing never backwards, should the clock have been corrected."""
        clock, now = self._clock(), self._monotonic()
        for kind, turns in enumerate((transport, video)):
            for turn in turns:
                at = max(person.told_at[kind], clock - round((now - turn.at) * 1000))
                person.told_at[kind] = at
                self._fact(MediaFact(visit, person.name, KINDS[kind][not turn.up], at))

    def counts(self) -> Counts:
        """Return what there is and what has happened."""
        peers = [p for people in self._visits.values() for person in people.values() for p in person.peers.values()]
        totals = [sum(numbers) for numbers in zip(self._gone, *map(_numbers, peers), strict=True)]
        return Counts(len(self._visits), len(peers), sum(p.state == "connected" for p in peers), *totals)


def _read(sdp: str) -> offer.Offer:
    try:
        return offer.read(sdp)
    except SignalingError:
        raise
    except Exception as error:  # noqa: BLE001 - nothing in a description may raise anything else
        raise BadSdp(type(error).__name__) from None


def _numbers(peer: Peer) -> tuple[int, int, int]:
    return peer.packets, sum(line.sink.packets for line in peer.lines.values()), peer.guard.dropped


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


def _expected(peer: Peer, other: str, carried: dict[str, Sent]) -> list[Track]:
    """Say of a peer's first lines that they will carry the `other`, where they carry nobody yet."""
    tracks: list[Track] = []
    for kind in ("audio", "video"):
        first = next((line.mid for line in peer.lines.values() if line.kind == kind and line.receives), None)
        if first is not None and first not in carried:
            tracks.append(Track(first, other, kind, "camera"))
    return tracks


__all__ = ["Answer", "Counts", "MediaFact", "MediaNode", "Renegotiate", "StaleRound", "Track"]
