"""The minutes in which media connected a client with the provider's side: measured, with the gaps left out.

An instant counts for a client when both sides' transports were up while the client was in a running segment, as video
if pictures flowed both ways, else as audio. Pictures that the server withheld from a weak network, or got from one and
passed on to nobody, did not flow.
"""

from __future__ import annotations

from signaling.spans import Spans, length, overlap, spans, union, without
from signaling.state import Interval, MediaLog, Visit


def connected(visit: Visit, participant: str, now: int) -> dict[str, int]:
    """Return a client's connected milliseconds up to `now`: `{video, audio}`, gaps left out."""
    video, audio = flowing(visit, participant, now)
    return {"video": length(video), "audio": length(audio)}


def flowing(visit: Visit, participant: str, now: int) -> tuple[Spans, Spans]:
    """Return when media connected this client with the provider's side: (video, audio), apart from one another."""
    both, video, _ = _measured(visit, participant, now)
    return video, without(both, video)


def withheld(visit: Visit, participant: str, now: int) -> Spans:
    """Return when they were connected, and either side's network was too weak for pictures."""
    both, video, weak = _measured(visit, participant, now)
    return without(overlap(both, weak), video)


def _measured(visit: Visit, participant: str, now: int) -> tuple[Spans, Spans, Spans]:
    """Return when media connected this client, when with pictures, and when anybody's network carried none."""
    seat = visit.seats.get(participant)
    if seat is None:
        return (), (), ()
    running = spans([Interval(segment.started_at, segment.ended_at) for segment in visit.segments], now)
    theirs = visit.media.get(participant, MediaLog())
    # The provider's side is there while any of the providers is.
    ours = [visit.media.get(provider.id, MediaLog()) for provider in visit.providers]
    ups = [(log, spans(log.up, now)) for log in ours]
    our_up = union([span for _, up in ups for span in up])
    our_video = union([span for log, up in ups for span in overlap(_shown(log, now), up)])
    both = overlap(overlap(spans(theirs.up, now), our_up), overlap(running, spans(seat.attended, now)))
    video = overlap(both, overlap(_shown(theirs, now), our_video))
    return both, video, union([span for log in (theirs, *ours) for span in spans(log.withheld, now)])


def _shown(log: MediaLog, now: int) -> Spans:
    """Return when pictures of somebody were passed on, and they got those of others."""
    return without(spans(log.video, now), spans(log.withheld, now))
