"""One unbroken run of a visit, Start or resume to End: what begins with it and what stops with it."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.lookup import inside
from signaling.messages import (
    ParticipantChanged,
    VisitResumed,
    VisitStarted,
)
from signaling.seats import ended as spans_ended
from signaling.shown import (
    role_in,
    shown_participant,
    shown_participants,
)
from signaling.state import AS_THEY_COME, IN, OUT, Attendee, AudioOnly, MediaLog, Segment, Visit


def begin_segment(draft: Draft, visit: Visit) -> Visit:
    """Let a segment run from now on: spans begin, agreements are used up."""
    now = draft.now
    attendees = dict(visit.attendees)
    for id in inside(visit):
        attendees[id] = _audio_only_from(visit, id, now)
    visit = replace(
        visit,
        segments=(*visit.segments, Segment(now)),
        attendees=attendees,
        agreed=(),
        rejoin_until=None,
        media_node=None,
        peers={},
        lost_peers={},
    )
    return draft.put_visit(with_company(draft, visit))


def _audio_only_from(visit: Visit, participant: str, now: int) -> Attendee:
    attendee = visit.attendees.get(participant, AS_THEY_COME)
    if attendee.mode == "video":
        return attendee
    span = AudioOnly(now, attendee.reason, role_in(visit, participant).value)
    return replace(attendee, audio_only=(*attendee.audio_only, span))


def join_segment(draft: Draft, visit: Visit, participant: str, *, again: bool = False) -> Visit:
    """Tell a client who came later, or came back (`again`), that they are in, and the others that somebody came."""
    attendees = {**visit.attendees, participant: _audio_only_from(visit, participant, draft.now)}
    visit = draft.put_visit(with_company(draft, replace(visit, attendees=attendees)))
    told = VisitStarted(
        visit=visit.id,
        appointment=visit.appointment,
        segment=len(visit.segments),
        rev=visit.rev,
        participants=shown_participants(draft.room, visit, participant),
        ice_servers=(),
    )
    draft.tell((participant,), resumed(told) if again else told)
    tell_participant(draft, visit, participant, besides=participant)
    return visit


def resumed(told: VisitStarted) -> VisitResumed:
    """Return the same news for somebody who chose to rejoin."""
    return VisitResumed(
        visit=told.visit,
        segment=told.segment,
        rev=told.rev,
        participants=told.participants,
        ice_servers=told.ice_servers,
    )


def stop_segment(visit: Visit, now: int, by: str | None, reason: str) -> Visit:
    """Return the visit with everything that runs ended at `now`: segment, seats, media spans, audio-only spans."""
    running = visit.segments[-1]
    segments = (*visit.segments[:-1], replace(running, ended_at=max(now, running.started_at), by=by, reason=reason))
    seats = {
        id: replace(seat, stand=OUT, attended=spans_ended(seat.attended, now)) if seat.stand is IN else seat
        for id, seat in visit.seats.items()
    }
    return replace(
        visit,
        segments=segments,
        seats=seats,
        alone_since=None,
        media={id: replace(log_ended(log, now), lost=False) for id, log in visit.media.items()},
        attendees={id: _flag_ended(attendee, now) for id, attendee in visit.attendees.items()},
    )


def stop_media_log(visit: Visit, participant: str, now: int) -> Visit:
    """Return the visit with a participant's running media and audio-only spans ended at `now`."""
    log, attendee = visit.media.get(participant), visit.attendees.get(participant)
    if log is not None:
        visit = replace(visit, media={**visit.media, participant: replace(log_ended(log, now), lost=False)})
    if attendee is not None:
        visit = replace(visit, attendees={**visit.attendees, participant: _flag_ended(attendee, now)})
    return visit


def log_ended(log: MediaLog, at: int) -> MediaLog:
    """Return a log with everything that runs ended at `at`."""
    ended = spans_ended
    return replace(log, up=ended(log.up, at), video=ended(log.video, at), withheld=ended(log.withheld, at))


def _flag_ended(attendee: Attendee, now: int) -> Attendee:
    if not attendee.audio_only or attendee.audio_only[-1].end is not None:
        return attendee
    last = replace(attendee.audio_only[-1], end=max(now, attendee.audio_only[-1].start))
    return replace(attendee, audio_only=(*attendee.audio_only[:-1], last))


def with_company(draft: Draft, visit: Visit) -> Visit:
    """Return a visit in progress with `alone_since` told from who is connected now."""
    there = draft.index.connected
    providers = [provider for provider in visit.providers if provider.id in there]
    clients = [seat for seat in visit.seats.values() if seat.stand is IN and seat.participant in there]
    if providers and clients:
        return replace(visit, alone_since=None) if visit.alone_since is not None else visit
    return replace(visit, alone_since=draft.now) if visit.alone_since is None else visit


def tell_participant(draft: Draft, visit: Visit, participant: str, *, besides: str | None = None) -> None:
    """Tell everybody in the visit how one participant is now: at once those who see the same."""
    alike: dict[tuple[bool, bool], list[str]] = {}
    for id in inside(visit):
        if id != besides:
            alike.setdefault((id == participant, id in visit.seats), []).append(id)
    for to in alike.values():
        shown = shown_participant(draft.room, visit, participant, to[0])
        draft.tell(to, ParticipantChanged(visit=visit.id, participant=shown))
