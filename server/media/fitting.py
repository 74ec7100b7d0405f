"""What each network of a visit carries, looked at about every half second, and what follows for its pictures."""

from __future__ import annotations

from typing import Final

from server.media.alive import PATIENCE, Turn
from server.media.budget import in_order
from server.media.congestion import UNLIMITED
from server.media.peer import Peer
from server.media.reception import Reading, lost
from server.media.relay import Sink, Source
from server.media.speakers import LEVEL, Loudness, Speakers
from server.media.visit import Attached, Participant, Visit
from server.media.wiring import Sent

VOICE: Final = 45_000
"""Bits a second that are left to a voice with its headers, beside what the sender's pictures may take."""
LITTLE: Final = 100_000
"""What a picture may take that nobody gets now, or whose network is in doubt: it is back at once, if small."""
PLENTY: Final = 5_000_000
"""What a picture may take that nothing holds back, beside one that something does."""
LOW: Final = 150_000
"""What a camera may take in the largest group while its owner does not have the floor."""
TOGETHER: Final = 1_650_000
"""What such cameras may take together: eleven at `LOW`, or fewer at more, fit where people live."""
REPEAT: Final = 2.0
"""Seconds until a limit is told again: who is to hear of it may lose packets."""


def look(here: Visit, now: float) -> tuple[list[tuple[Participant, Turn]], bool]:
    """Look at every network. Return what is to be told of whom, and whether pictures begin or cease to be forwarded.

    To be called regularly, once for each moment: it counts what came since the last time.
    """
    missing = {name: _missing(person, now) for name, person in here.people.items()}
    _listen(here, now)
    turns: list[tuple[Participant, Turn]] = []
    changed = False
    for name, person in here.people.items():
        was = person.weak, person.receiving.forwards, person.sending.forwards
        told = _feel_receiving(here, person, now), _feel_sending(here, person, missing[name], now)
        changed |= was[1:] != (person.receiving.forwards, person.sending.forwards)
        if person.weak != was[0]:
            turns.append((person, Turn(up=not person.weak, at=max(at for at in told if at is not None))))
    for person in here.people.values():
        paused = _paused(here, person, now)
        changed |= paused != person.paused
        person.paused = paused
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
    seen, low = _seen(here), lowest(len(here.people))
    for name, person in here.people.items():
        cameras = set(person.cameras()) if here.is_group and here.speakers.recent[:1] != (name,) else set()
        doubtful = person.sending.doubtful(now)
        for attached in person.peers.values():
            pictures = [line.source for line in attached.peer.lines.values() if line.kind == "video" and line.sends]
            fresh = False
            for source in pictures:
                little = doubtful or not seen.get(source, True)
                cap = LITTLE if little else low if source in cameras else None
                fresh |= cap != source.cap
                source.cap = cap
                source.floor = LOW if here.is_group else 0
            caps = [source.cap for source in pictures]
            late = any(caps) and now - attached.limited_at >= REPEAT
            if attached.peer.path.open and (fresh or late):
                attached.limited_at = now
                allowed = [source.allowed(now) for source in pictures]
                total = sum(PLENTY if rate is None else rate for rate in allowed) + VOICE
                found.append((pictures, total if any(rate is not None for rate in allowed) else UNLIMITED))
    return found


def lowest(people: int) -> int:
    """Return what a camera may take in a group of so many while its owner does not have the floor, in bits a second."""
    return max(LOW, TOGETHER // max(1, people - 1))


def _seen(here: Visit) -> dict[Source, bool]:
    """Return of each source that somebody has a line for, whether anybody gets it, or will as soon as they connect."""
    seen: dict[Source, bool] = {}
    for person in here.people.values():
        for peer in _peers(person):
            for line in peer.lines.values():
                source = line.sink.source
                if source is not None:
                    seen[source] = seen.get(source, False) or line.sink in source.live or not line.sink.path.open
    return seen


def _listen(here: Visit, now: float) -> None:
    """Learn who speaks. Of two it does not matter: then nobody looks into their packets."""
    loudness: dict[str, float] = {}
    for name, person in here.people.items():
        sounds = [line.source for peer in _peers(person) for line in peer.lines.values() if line.kind == "audio"]
        loudness[name] = max((_loudness(sound, wanted=here.is_group) for sound in sounds), default=0.0)
    if here.is_group:
        here.speakers.hear(now, loudness)
    elif here.speakers.recent:
        here.speakers = Speakers()


def _loudness(sound: Source, *, wanted: bool) -> float:
    """Return how loud a sound was since the last look; 0 where it is not known."""
    extension = sound.formats.extensions.get(LEVEL)
    if not wanted or extension is None:
        sound.loudness = None
        return 0.0
    if sound.loudness is None or sound.loudness.extension != extension:
        sound.loudness = Loudness(extension)
    return sound.loudness.take()


def _paused(here: Visit, person: Participant, now: float) -> frozenset[Sent]:
    """Return which pictures somebody does not get, so that sound and the more important ones fit."""
    if not person.receiving.forwards:
        person.share.one_alone(now)
        return frozenset()
    newest = next(iter(person.by_rank()), None)
    pictures = _pictures(here, newest, now) if newest is not None else {}
    if newest is None or len(pictures) < 2:
        return frozenset()
    order = in_order(pictures, here.speakers.recent, here.leads)
    rates = [pictures[sent].meter.rate for sent in order]
    return frozenset(order[person.share.fit(now, rates, _reading(newest, now)) :])


def _missing(person: Participant, now: float) -> float | None:
    """Return which part of what somebody sends does not arrive; None if they send too little to tell."""
    return lost([line.source.meter.look(line.source, now) for peer in _peers(person) for line in peer.lines.values()])


def _feel_receiving(here: Visit, person: Participant, now: float) -> float | None:
    newest = next(iter(person.by_rank()), None)
    if newest is None or not _pictures(here, newest, now):
        return person.receiving.rest(now)
    return person.receiving.feel(now, _reading(newest, now))


def _feel_sending(here: Visit, person: Participant, missing: float | None, now: float) -> float | None:
    shown = any(_flows(source, now) for source in person.cameras())
    if person.audio_only or not shown or len(here.people) < 2:
        return person.sending.rest(now)
    return person.sending.feel(now, Reading(loss=missing))


def _reading(attached: Attached, now: float) -> Reading:
    """Return what is known of the way to a peer."""
    sent = [_forwarded(line.sink) for line in attached.peer.lines.values()]
    rate = sum(source.meter.rate for source in sent if source is not None)
    return attached.peer.path.reception.reading(now, rate)


def _pictures(here: Visit, attached: Attached, now: float) -> dict[Sent, Source]:
    """Return the pictures that are sent to a peer, or would be, were they only forwarded."""
    found: dict[Sent, Source] = {}
    for mid, sent in attached.carried.items():
        source = attached.peer.lines[mid].sink.source
        if sent.kind == "video" and not here.people[sent.participant].audio_only and source and _flows(source, now):
            found[sent] = source
    return found


def _forwarded(sink: Sink) -> Source | None:
    return sink.source if sink.source is not None and sink in sink.source.live else None


def _flows(source: Source, now: float) -> bool:
    return source.last_at is not None and now - source.last_at < PATIENCE


def _peers(person: Participant) -> list[Peer]:
    return [attached.peer for attached in person.peers.values()]
