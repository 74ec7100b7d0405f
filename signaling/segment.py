"""One unbroken run of a visit, Start or resume to End: what begins with it and what stops with it."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.effects import Later
from signaling.lookup import inside
from signaling.messages import (
    ParticipantChanged,
    VisitResumed,
    VisitStarted,
)
from signaling.seats import ended as spans_ended
from signaling.shown import (
    Company,
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
        participants=(),
        ice_servers=(),
    )
    shown = Later("participants", partial(shown_participants, draft.index.connected, visit, participant))
    draft.tell((participant,), resumed(told) if again else told, later=shown)
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


def tell_inside(draft: Draft, visit: Visit, told: VisitStarted | VisitResumed) -> None:
    """Tell everybody in the visit that a segment runs, each with all of them as they may see them."""
    company = Company(draft.index.connected, visit)
    for id in inside(visit):
        draft.tell((id,), told, later=Later("participants", partial(company.seen_by, id)))


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
        media={id: _log_ended(log, now) for id, log in visit.media.items()},
        attendees={id: _flag_ended(attendee, now) for id, attendee in visit.attendees.items()},
    )


def stop_media_log(visit: Visit, participant: str, now: int) -> Visit:
    """Return the visit with a participant's running media and audio-only spans ended at `now`."""
    log, attendee = visit.media.get(participant), visit.attendees.get(participant)
    if log is not None:
        visit = replace(visit, media={**visit.media, participant: _log_ended(log, now)})
    if attendee is not None:
        visit = replace(visit, attendees={**visit.attendees, participant: _flag_ended(attendee, now)})
    return visit


def _log_ended(log: MediaLog, now: int) -> MediaLog:
    return MediaLog(spans_ended(log.up, now), spans_ended(log.video, now))


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
        shown = partial(shown_participant, draft.index.connected, visit, participant, to[0])
        draft.tell(to, ParticipantChanged(visit=visit.id, participant={}), later=Later("participant", shown))
