"""What each network of a visit carries, looked at about every half second, and what follows for its pictures."""

from __future__ import annotations

from typing import Final

from server.media.alive import PATIENCE, Turn
from server.media.congestion import UNLIMITED
from server.media.peer import Peer
from server.media.reception import Reading, lost
from server.media.relay import Sink, Source
from server.media.visit import Attached, Participant, Visit

VOICE: Final = 45_000
"""Bits a second that are left to a voice with its headers, beside what the sender's pictures may take."""
LITTLE: Final = 100_000
"""What a picture may take that nobody gets now, or whose network is in doubt: it is back at once, if small."""
PLENTY: Final = 5_000_000
"""What a picture may take that nothing holds back, beside one that something does."""
REPEAT: Final = 2.0
"""Seconds until a limit is told again: who is to hear of it may lose packets."""


def look(here: Visit, now: float) -> tuple[list[tuple[Participant, Turn]], bool]:
    """Look at every network. Return what is to be told of whom, and whether pictures begin or cease to be forwarded.

    To be called regularly, once for each moment: it counts what came since the last time.
    """
    missing = {name: _missing(person, now) for name, person in here.people.items()}
    turns: list[tuple[Participant, Turn]] = []
    changed = False
    for name, person in here.people.items():
        was = person.weak, person.receiving.forwards, person.sending.forwards
        told = _feel_receiving(here, person, now), _feel_sending(here, person, missing[name], now)
        changed |= was[1:] != (person.receiving.forwards, person.sending.forwards)
        if person.weak != was[0]:
            turns.append((person, Turn(up=not person.weak, at=max(at for at in told if at is not None))))
    return turns, changed


def rest(person: Participant, now: float) -> list[Turn]:
    """Return the end of what was told of somebody who has no peer any more."""
    weak = person.weak
    person.receiving.rest(now)
    person.sending.rest(now)
    return [Turn(up=True, at=now)] if weak else []


def limits(here: Visit, now: float) -> list[tuple[list[Source], int]]:
    """Return what senders are to be told: (all pictures of a peer, what they may take with a voice, in bits a second).

    What its receivers can take reaches a sender by itself (`feedback`); this is what the node has to say.
    """
    found: list[tuple[list[Source], int]] = []
    for person in here.people.values():
        for attached in person.peers.values():
            pictures = [line.source for line in attached.peer.lines.values() if line.kind == "video" and line.sends]
            caps = [_cap(here, person, source, now) for source in pictures]
            fresh = any(cap != source.cap for cap, source in zip(caps, pictures, strict=True))
            for cap, source in zip(caps, pictures, strict=True):
                source.cap = cap
            late = any(caps) and now - attached.limited_at >= REPEAT
            if attached.peer.path.open and (fresh or late):
                attached.limited_at = now
                allowed = [source.allowed(now) for source in pictures]
                total = sum(PLENTY if rate is None else rate for rate in allowed) + VOICE
                found.append((pictures, total if any(rate is not None for rate in allowed) else UNLIMITED))
    return found


def _cap(here: Visit, person: Participant, source: Source, now: float) -> int | None:
    """Return how much one picture may take, if that is for the node to say."""
    lines = [line for other in here.people.values() for peer in _peers(other) for line in peer.lines.values()]
    getting = [line.sink in source.live for line in lines if line.sink.source is source]
    unseen = bool(getting) and not any(getting)
    return LITTLE if unseen or person.sending.doubtful(now) else None


def _missing(person: Participant, now: float) -> float | None:
    """Return which part of what somebody sends does not arrive; None if they send too little to tell."""
    return lost([line.source.meter.look(line.source, now) for peer in _peers(person) for line in peer.lines.values()])


def _feel_receiving(here: Visit, person: Participant, now: float) -> float | None:
    newest = next(iter(person.by_rank()), None)
    if newest is None or not _has_pictures(here, newest, now):
        return person.receiving.rest(now)
    sent = [_forwarded(line.sink) for line in newest.peer.lines.values()]
    rate = sum(source.meter.rate for source in sent if source is not None)
    return person.receiving.feel(now, newest.peer.path.reception.reading(now, rate))


def _feel_sending(here: Visit, person: Participant, missing: float | None, now: float) -> float | None:
    shown = any(_flows(source, now) for source in person.cameras())
    if person.audio_only or not shown or len(here.people) < 2:
        return person.sending.rest(now)
    return person.sending.feel(now, Reading(loss=missing))


def _has_pictures(here: Visit, attached: Attached, now: float) -> bool:
    """Tell whether anybody sends pictures to that peer, were they only forwarded."""
    for mid, sent in attached.carried.items():
        source = attached.peer.lines[mid].sink.source
        if sent.kind == "video" and not here.people[sent.participant].audio_only and source and _flows(source, now):
            return True
    return False


def _forwarded(sink: Sink) -> Source | None:
    return sink.source if sink.source is not None and sink in sink.source.live else None


def _flows(source: Source, now: float) -> bool:
    return source.last_at is not None and now - source.last_at < PATIENCE


def _peers(person: Participant) -> list[Peer]:
    return [attached.peer for attached in person.peers.values()]
