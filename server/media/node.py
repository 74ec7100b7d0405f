"""The media node: the one door to all visits whose media this process forwards."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from aiortc import RTCIceServer

from server.media import answering, feedback, fitting, ice
from server.media.alive import Turn
from server.media.alone import Alone
from server.media.contract import KINDS, Answer, Counts, FactKind, MediaFact, Renegotiate, Track
from server.media.networks import Networks
from server.media.peer import Peer
from server.media.visit import Attached, Participant, Visit, tracks
from server.media.wire import Wires
from signaling.errors import NotFound, SignalingError, TooMany

__all__ = ["Answer", "Counts", "MediaFact", "MediaNode", "Renegotiate", "Track"]

logger = logging.getLogger(__name__)

MOST_PEERS: Final = 4
"""Of one participant at a time."""
MOST_EARLY: Final = 256
"""Of how many unknown peers candidates are kept until their offer comes."""
SAME_TIME: Final = 2.0
"""Milliseconds by which two looks at both clocks differ though neither was corrected."""
CONNECT_WITHIN: Final = 30.0
"""Seconds after its offer, after which a peer that never connected is given up."""


class MediaNode:
    """All visits whose media this node forwards. To be used from one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        fact: Callable[[MediaFact], None],
        ask: Callable[[Renegotiate], None],
        left: Callable[[str, str, str], None] = lambda room, participant, peer: None,
        ice_servers: Sequence[RTCIceServer] = (),
        interval: float = 0.5,
        loopback: bool = False,
        networks: Networks = ice.ANYWHERE,
        monotonic: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`clock`: ms, as facts are to be dated. `interval`: seconds between two looks at who is alive.

        `left` hears (room, participant, peer) of each peer that is no longer alone with this server.
        `loopback`: offer 127.0.0.1 as well (a machine without another address always does). `networks`: where
        candidates are accepted.
        """
        self._clock = clock
        self._fact = fact
        self._ask = ask
        self._ice_servers = tuple(ice_servers)
        self._interval = interval
        self._swept = 0
        self._loopback = loopback
        self._networks = networks
        self._monotonic = monotonic
        self._chance = chance or random.SystemRandom()
        self._visits: dict[str, Visit] = {}
        self.alone = Alone(make=self._make, drop=self._close_behind, left=left, wake=self._wake, now=monotonic)
        self._early: OrderedDict[tuple[str, str, str], tuple[float, list[str]]] = OrderedDict()
        self._wires = Wires()
        self._closings: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = itertools.count(1)
        self._between = 0.0
        """What lies between the monotonic clock and the node's time, in ms."""
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
        leads: Collection[str] = (),
        room: str = "",
        warm: bool = False,
        since: int | None = None,
    ) -> Answer:
        """Answer an offer. Raise `BadSdp`, `StaleRound` or `TooMany`, and nothing else whatever the offer says.

        `others`: who else is expected in the visit. If it is one, the answer says so of lines that carry nobody yet.
        `leads`: the visit's providers, who are shown before the others where not everybody can be.
        `warm`: the browser connected this peer beforehand, as one of `room`. Raise `NotFound` if that is not here, or
        gone: what it offers can be answered by no other. `since`: when its participant was let in (ms): what a warm
        peer has sent since then may have overtaken this offer, and counts.
        """
        offered = answering.read(sdp)
        here = self._visits.setdefault(visit, Visit(visit))
        here.leads = frozenset(leads)
        person = here.people.setdefault(participant, Participant(participant))
        try:
            attached = self._attached(here, person, peer, room=room, round=round, warm=warm)
        except SignalingError:
            self._tidy(here, person)
            raise
        this = attached.peer
        this.expect(round)
        if since is not None:
            this.let_in_at = self._monotonic() - (self._clock() - since) / 1000
        self._wake()
        text = await answering.answer(
            this,
            round,
            offered,
            now=self._monotonic,
            forget=lambda: self._forget_unanswered(here, person, peer, this),
            early=lambda: self._early.pop((visit, participant, peer), (0.0, []))[1],
        )
        self.set_mode(visit=visit, participant=participant, audio_only=audio_only)
        self._wire(here, answering=this)
        attached.told = dict(attached.carried)
        # What this offer lacks is asked for once its answer is on its way.
        asyncio.get_running_loop().call_soon(self._wire, here)
        return Answer(text, tracks(attached, list(others)))

    async def candidates(
        self, *, visit: str, participant: str, peer: str, round: int, candidates: Sequence[Any]
    ) -> None:
        """Add a browser's candidates, `[{candidate, sdpMid, sdpMLineIndex}]`. Raise `TooMany`.

        They may come before the offer; those of a peer that never makes one are forgotten. A peer has one generation of
        ICE, so they are good in any `round`.
        """
        lines = ice.read(candidates)
        if len(lines) > 2 * ice.LIMIT:
            raise TooMany
        here = self._visits.get(visit)
        person = here.people.get(participant) if here else None
        attached = person.peers.get(peer) if person else None
        if attached is not None and attached.peer.lines:
            if not all([await attached.peer.add(line) for line in lines]):
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
        here = self._visits.get(visit)
        person = here.people.get(participant) if here else None
        if here is None or person is None or person.audio_only == audio_only:
            return
        self._feel(here, person)
        person.audio_only = audio_only
        for source in person.cameras():
            source.first_at = source.last_at = source.beginning = None  # what comes from now on is another run
        self._wire(here)

    def has_company(self, visit: str, participant: str) -> bool:
        """Tell whether anybody else's media of the visit are here now."""
        here = self._visits.get(visit)
        return here is not None and any(one.transport.up for name, one in here.people.items() if name != participant)

    def _attached(self, here: Visit, person: Participant, peer: str, *, room: str, round: int, warm: bool) -> Attached:
        """Return a participant's peer: one they have, one that waited for this, or a new one."""
        known = person.peers.get(peer)
        if known is not None:
            return known
        this = self.alone.adopted(room, person.name, peer, round)
        if this is None and warm:
            raise NotFound("no such peer")
        while len(person.peers) >= MOST_PEERS:
            # A page that was reloaded leaves peers behind that notice it late: the oldest is the likeliest to be dead.
            self._drop(person, next(iter(person.peers)))
        made = this or self._make()
        made.changed = lambda this: self._changed(here, person, peer, this)
        person.peers[peer] = Attached(made)
        logger.debug("%s is of %s in %s", made.name, person.name, here.name)
        return person.peers[peer]

    def _make(self) -> Peer:
        return Peer(
            next(self._numbers),
            monotonic=self._monotonic,
            ice_servers=self._ice_servers,
            loopback=self._loopback,
            networks=self._networks,
            wires=self._wires,
            chance=self._chance,
        )

    def _forget_unanswered(self, here: Visit, person: Participant, peer: str, this: Peer) -> None:
        """Let go of a peer whose first offer could not be answered."""
        if (this.held or not this.lines) and not this.gone:
            self._drop(person, peer)
            self._tidy(here, person)

    # --- Ends

    def stop(self, visit: str, participant: str | None = None) -> None:
        """Stop forwarding at once from and to a participant, or all of a visit; their peers close behind it."""
        here = self._visits.get(visit)
        people = here.people if here else {}
        for name in list(people) if participant is None else [participant]:
            if here is not None and (person := people.pop(name, None)) is not None:
                # Somebody may stay in the visit, at another device, and their network is looked at anew.
                self._tell(here, person, [], [], fitting.rest(person, self._monotonic()))
                for peer in list(person.peers):
                    self._drop(person, peer)
        for key in [key for key in self._early if key[0] == visit and participant in {None, key[1]}]:
            del self._early[key]
        if here is not None and people:
            self._wire(here)
        else:
            self._visits.pop(visit, None)
            self._rest()

    async def close(self) -> None:
        """Stop everything, and return when all peers are closed."""
        for visit in list(self._visits):
            self.stop(visit)
        self.alone.stop_all()
        self._early.clear()
        self._rest()
        while self._closings:
            await asyncio.wait(self._closings)

    def _drop(self, person: Participant, peer: str) -> None:
        self._close_behind(person.peers.pop(peer).peer)

    def _close_behind(self, this: Peer) -> None:
        """Halt a peer now and close it behind."""
        this.halt()
        for place, number in enumerate(_numbers(this)):
            self._gone[place] += number
        task = asyncio.get_running_loop().create_task(this.close(), name=f"close {this.name}")
        self._closings.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closings.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)

    def _changed(self, here: Visit, person: Participant, peer: str, this: Peer) -> None:
        """A peer connected, failed, or was closed by its browser."""
        if peer not in person.peers or person.peers[peer].peer is not this:
            return
        self._feel(here, person)  # what was seen last of a peer that is gone still counts
        if this.gone:
            self._drop(person, peer)
            self._tidy(here, person)
        self._wire(here)

    def _tidy(self, here: Visit, person: Participant) -> None:
        """Forget a participant without peers, and a visit without participants."""
        if person.peers or here.people.get(person.name) is not person:
            return
        self._tell(here, person, person.transport.end(), person.video.end(), fitting.rest(person, self._monotonic()))
        del here.people[person.name]
        if not here.people and self._visits.get(here.name) is here:
            del self._visits[here.name]

    # --- Looking after

    def _wire(self, here: Visit, answering: Peer | None = None) -> None:
        """Let everyone get what the others send, and ask for the lines that are lacking."""
        for wish in here.wire(self._monotonic(), answering=answering):
            self._ask(wish)

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._sweep)

    def _rest(self) -> None:
        if self._timer is not None and not (self._visits or self._early or self.alone):
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        """Look after everything once: facts, networks, peers that never connected, keyframes still to be asked for."""
        self._timer = None
        self._wake()
        now = self._monotonic()
        for key in [key for key, (at, _) in self._early.items() if now - at > CONNECT_WITHIN]:
            del self._early[key]
        self._swept += 1
        for here in list(self._visits.values()):
            for person in list(here.people.values()):
                self._look_after(here, person, now)
            # Of two nobody has the floor, and networks are judged over seconds: every other look is enough.
            if here.is_group or self._swept % 2:
                self._fit(here, now)
        self.alone.look_after(now, connect_within=CONNECT_WITHIN)
        self._rest()

    def _look_after(self, here: Visit, person: Participant, now: float) -> None:
        known = len(person.peers)
        for name, attached in list(person.peers.items()):
            peer = attached.peer
            if peer.state == "new" and now - peer.since > CONNECT_WITHIN:
                self._drop(person, name)
                continue
            peer.look_after(now)
            peer.congestion.look(now)
            for line in peer.lines.values():
                if line.source.wanted and line.source.live:
                    line.source.ask_keyframe(now)
        self._feel(here, person)
        if len(person.peers) < known:
            self._tidy(here, person)
            self._wire(here)

    def _fit(self, here: Visit, now: float) -> None:
        """Withhold pictures from networks that do not carry them, and tell so."""
        turns, changed = fitting.look(here, now)
        if changed:
            self._wire(here)
        for person, turn in turns:
            self._tell(here, person, [], [], [turn])
        for sources, rate in fitting.limits(here, now):
            feedback.limit(sources, rate)

    def _feel(self, here: Visit, person: Participant) -> None:
        """Tell what has begun or ended for a participant, or is in doubt."""
        now = self._monotonic()
        turns = person.feel(now)
        doubtful = person.transport.doubtful(now)
        if doubtful != person.doubtful:
            person.doubtful = doubtful
            kind: FactKind = "media_silent" if doubtful else "media_heard"
            self._fact(MediaFact(here.name, person.name, kind, self._clock()))
        self._tell(here, person, *turns)

    def _tell(self, here: Visit, person: Participant, *changes: list[Turn]) -> None:
        """Tell changes of each of the `KINDS`, in the node's time; of one thing never backwards, if a clock was set."""
        between = self._clock() - self._monotonic() * 1000
        if abs(between - self._between) > SAME_TIME:
            self._between = between
        for kind, turns in enumerate(changes):
            for turn in turns:
                at = max(person.told_at[kind], round(turn.at * 1000 + self._between))
                person.told_at[kind] = at
                self._fact(MediaFact(here.name, person.name, KINDS[kind][not turn.up], at))

    def counts(self) -> Counts:
        """Return what there is and what has happened."""
        people = [person for here in self._visits.values() for person in here.people.values()]
        peers = [attached.peer for person in people for attached in person.peers.values()]
        numbers = map(_numbers, (*peers, *self.alone))
        received, forwarded, dropped = (sum(each) for each in zip(self._gone, *numbers, strict=True))
        return Counts(
            visits=len(self._visits),
            peers=len(peers),
            connected=sum(p.state == "connected" for p in peers),
            packets_received=received,
            packets_forwarded=forwarded,
            datagrams_dropped=dropped,
            packets_held=self.alone.packets_held,
            warm=len(self.alone.warm),
            checks=len(self.alone.checks),
        )


def _numbers(peer: Peer) -> tuple[int, int, int]:
    return peer.heard.packets, sum(line.sink.packets for line in peer.lines.values()), peer.guard.dropped
