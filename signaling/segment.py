"""One unbroken run of a visit, Start or resume to End: what begins with it and what stops with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.lookup import clients_inside, provider_ids
from signaling.messages import ParticipantChanged, VisitResumed, VisitStarted
from signaling.path import path_of, spans_from
from signaling.requests import Rejoin, Start
from signaling.seats import ended as spans_ended
from signaling.shown import (
    Company,
    role_in,
    shown_participant,
    shown_participants,
)
from signaling.state import AS_THEY_COME, IN, IN_PROGRESS, OUT, Attendee, AudioOnly, MediaLog, Segment, Visit
from signaling.visit import demand_move


def begin_segment(draft: Draft, visit: Visit, event: type[Start | Rejoin]) -> Visit:
    """Let a segment run from now on: spans begin, agreements are used up. Everybody in it is told who is."""
    demand_move(visit, event, IN_PROGRESS)
    now, there = draft.now, draft.index.connected
    providers, clients = provider_ids(visit), clients_inside(visit)
    everybody = (*providers, *clients)
    attendees = visit.attendees.copy()
    for id in everybody:
        attendee = attendees.setdefault(id, AS_THEY_COME)
        if attendee.mode == "audio":
            attendees[id] = _audio_only_from(visit, attendee, id, now)
    visit = draft.begun = draft.put_visit(
        replace(
            visit,
            phase=IN_PROGRESS,
            rev=visit.rev + 1,
            segments=(*visit.segments, Segment(now)),
            attendees=attendees,
            agreed=(),
            rejoin_until=None,
            media_node=None,
            peers={},
            lost_peers={},
            alone_since=now if _apart(there, providers, clients) else None,
            direct=spans_from(visit, clients, now),
        )
    )
    company = Company(there, visit, everybody)
    draft.tell_each(everybody, _running(visit, again=event is Rejoin), "participants", company.seen_by)
    return visit


def _audio_only_from(visit: Visit, attendee: Attendee, participant: str, now: int) -> Attendee:
    span = AudioOnly(now, attendee.reason, role_in(visit, participant).value)
    return replace(attendee, audio_only=(*attendee.audio_only, span))


def join_segment(draft: Draft, visit: Visit, participant: str, *, again: bool = False) -> Visit:
    """Tell a client who came later, or came back (`again`), that they are in, and the others that somebody came."""
    attendee = visit.attendees.get(participant, AS_THEY_COME)
    if attendee.mode == "audio":
        attendee = _audio_only_from(visit, attendee, participant, draft.now)
    attendees = {**visit.attendees, participant: attendee}
    visit = draft.put_visit(with_company(draft, replace(visit, attendees=attendees)))
    shown = ("participants", shown_participants, (draft.index.connected, visit, participant))
    draft.tell((participant,), _running(visit, again=again), later=shown)
    tell_participant(draft, visit, participant, themselves=False)
    return visit


def _running(visit: Visit, *, again: bool) -> VisitStarted | VisitResumed:
    """Return the news that a visit runs, but for who is in it; `again`: for somebody who chose to rejoin."""
    id, segment, rev = visit.id, len(visit.segments), visit.rev
    if again:
        return VisitResumed(visit=id, segment=segment, rev=rev, participants=(), ice_servers=(), path=path_of(visit))
    return VisitStarted(
        visit=id,
        appointment=visit.appointment,
        segment=segment,
        rev=rev,
        participants=(),
        ice_servers=(),
        path=path_of(visit),
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
        direct=spans_ended(visit.direct, now),
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
    apart = _apart(draft.index.connected, provider_ids(visit), clients_inside(visit))
    if apart == (visit.alone_since is not None):
        return visit
    return replace(visit, alone_since=draft.now if apart else None)


def _apart(there: Mapping[str, object], providers: Iterable[str], clients: Iterable[str]) -> bool:
    """Tell whether of one side nobody is connected."""
    return there.keys().isdisjoint(providers) or there.keys().isdisjoint(clients)


def tell_participant(draft: Draft, visit: Visit, participant: str, *, themselves: bool = True) -> None:
    """Tell everybody in the visit how one participant is now, `themselves` too: at once those who see the same."""
    told = ParticipantChanged(visit=visit.id, participant={})
    for side in (provider_ids(visit), clients_inside(visit)):
        others = tuple([id for id in side if id != participant])
        alike = ((participant,), others) if themselves and len(others) < len(side) else (others,)
        for to in alike:
            if to:
                shown = ("participant", shown_participant, (draft.index.connected, visit, participant, to[0]))
                draft.tell(to, told, later=shown)
