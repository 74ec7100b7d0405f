"""Audio-only as a flag, and media as it really flowed: what the record's minutes are made of."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Refused
from signaling.events import MediaChanged, MediaMoved
from signaling.fields import AudioReason, Modality
from signaling.lookup import entry_of, hosts, live_visit, situation_of, visit_of
from signaling.permissions import Situation, demand
from signaling.requests import MediaMode, MediaState
from signaling.seats import change_entry, demand_audio_allowed, ended
from signaling.segment import log_ended, tell_participant
from signaling.state import (
    CLIENT,
    IN,
    IN_PROGRESS,
    Attendee,
    AudioOnly,
    Entry,
    Interval,
    MediaLog,
    Room,
    Visit,
    Who,
)


def set_mode(draft: Draft, by: Who, request: MediaMode) -> None:
    """A participant becomes audio-only, or has video again: seen by all, recorded with reason and time."""
    visit = _visit_in_progress(draft.room, by) or visit_of(draft.room, by)
    demand(by.role, situation_of(draft.room, by, visit), MediaMode)
    if request.mode == "audio" and by.role is CLIENT:
        policy = visit.policy if visit is not None else draft.room.policy
        payer = visit.seats[by.participant].payer if visit is not None else None
        demand_audio_allowed(policy.audio_only_for(payer), request.reason)
    entry = entry_of(draft.room, by.participant)
    if entry is not None:
        _set_waiting_mode(draft, entry, request.mode, request.reason)
        return
    if visit is None:
        raise Refused("not in a visit")
    attendee = visit.attendees.get(by.participant, Attendee())
    reason = request.reason if request.mode == "audio" else None
    if (attendee.mode, attendee.reason) == (request.mode, reason):
        return
    spans = attendee.audio_only
    if spans and spans[-1].end is None:
        spans = (*spans[:-1], replace(spans[-1], end=draft.now))
    if request.mode == "audio":
        spans = (*spans, AudioOnly(draft.now, reason, by.role.value))
    attendee = replace(attendee, mode=request.mode, reason=reason, audio_only=spans)
    visit = draft.put_visit(replace(visit, attendees={**visit.attendees, by.participant: attendee}))
    draft.mode_changed(visit.id, by.participant, audio_only=request.mode == "audio")
    tell_participant(draft, visit, by.participant)


def _set_waiting_mode(draft: Draft, entry: Entry, mode: Modality, reason: AudioReason | None) -> None:
    changed = replace(entry, media=mode, media_reason=reason if mode == "audio" else None)
    if changed != entry:
        change_entry(draft, changed)


def set_state(draft: Draft, by: Who, request: MediaState) -> None:
    """A participant switched a device on or off. A camera switched off is not the audio-only flag."""
    visit = _visit_in_progress(draft.room, by)
    demand(by.role, situation_of(draft.room, by, visit), MediaState)
    if visit is None:
        raise Refused("not in a visit")
    attendee = visit.attendees.get(by.participant, Attendee())
    told = replace(
        attendee,
        microphone=attendee.microphone if request.microphone is UNSET else request.microphone,
        camera=attendee.camera if request.camera is UNSET else request.camera,
        screen=attendee.screen if request.screen is UNSET else request.screen,
    )
    if told != attendee:
        visit = draft.put_visit(replace(visit, attendees={**visit.attendees, by.participant: told}))
        tell_participant(draft, visit, by.participant)


def _visit_in_progress(room: Room, by: Who) -> Visit | None:
    """Return the live visit this participant is in."""
    visit = live_visit(room)
    return visit if visit is not None and (hosts(visit, by) or is_in(visit, by.participant)) else None


def is_in(visit: Visit, participant: str) -> bool:
    """Tell whether a client's seat is in."""
    seat = visit.seats.get(participant)
    return seat is not None and seat.stand is IN


def admitted(room: Room, who: Who) -> Visit | None:
    """Return the visit whose media this participant may send and receive now: the gate that every offer passes."""
    visit = _visit_in_progress(room, who)
    return visit if visit is not None and situation_of(room, who, visit) is Situation.IN_PROGRESS else None


def media_changed(draft: Draft, event: MediaChanged) -> None:
    """The media node saw something of somebody's media come or go. Only a running segment counts."""
    visit = draft.room.visits.get(event.visit)
    if visit is None or visit.phase is not IN_PROGRESS or event.fence < visit.media_fence:
        return
    if not (is_in(visit, event.participant) or any(p.id == event.participant for p in visit.providers)):
        return
    # The media node's clock is an estimate of ours: never before the segment, never after now.
    at = min(max(event.at, visit.segments[-1].started_at), draft.now)
    log = visit.media.get(event.participant, MediaLog())
    match event.kind:
        case "media_up":
            log = replace(log, up=begun(log.up, at), lost=False)
        case "media_down":
            log = replace(log, up=ended(log.up, at), video=ended(log.video, at))  # who goes on purpose is not lost
        case "media_silent":
            log = replace(log, lost=bool(log.up))
        case "media_heard":
            log = replace(log, lost=False)
        case "video_up":
            log = replace(log, video=begun(log.video, at))
        case "video_down":
            log = replace(log, video=ended(log.video, at))
        case "withheld":
            log = replace(log, withheld=begun(log.withheld, at))
        case "restored":
            log = replace(log, withheld=ended(log.withheld, at))
    before = visit.media.get(event.participant, MediaLog())
    after = replace(
        visit,
        media_node=event.node or visit.media_node,
        media_fence=event.fence,
        media={**visit.media, event.participant: log},
    )
    if event.kind == "media_up":
        lost = {id: peer for id, peer in visit.lost_peers.items() if id != event.participant}
        after = replace(after, peers={**visit.peers, event.participant: event.peer}, lost_peers=lost)
    if after != visit:
        after = draft.put_visit(after)
    if log.weak != before.weak:
        draft.network_changed(visit.id, event.participant, weak=log.weak)
    if (log.lost, log.weak) != (before.lost, before.weak):
        tell_participant(draft, after, event.participant)


def begun(spans: tuple[Interval, ...], at: int) -> tuple[Interval, ...]:
    """Return the spans with one that runs since `at`, or goes on with the last one if that ended no sooner."""
    if spans and spans[-1].end is None:
        return spans
    if spans and spans[-1].end is not None and spans[-1].end >= at:
        return (*spans[:-1], Interval(spans[-1].start))
    return (*spans, Interval(at))


def media_gone(draft: Draft, visit: Visit, alive_until: int) -> None:
    """The node that carried this visit's media died: nothing flowed after it was last alive."""
    cut = _cut(visit, min(alive_until, draft.now))
    after = draft.put_visit(replace(cut, media_node=None, faults=(*visit.faults, "media_node_lost")))
    _tell_anew(draft, visit, after)


def media_moved(draft: Draft, event: MediaMoved) -> None:
    """Another node took the visit's media over. Who was connected by the one before makes a new peer."""
    visit = draft.room.visits.get(event.visit)
    if visit is None or visit.phase is not IN_PROGRESS or event.fence <= visit.media_fence:
        return
    faults = (*visit.faults, "media_node_lost") if event.lost and visit.media_node is not None else visit.faults
    cut = _cut(visit, min(event.alive_until, draft.now))
    after = draft.put_visit(replace(cut, media_node=event.node, media_fence=event.fence, faults=faults))
    _tell_anew(draft, visit, after)


def _tell_anew(draft: Draft, before: Visit, after: Visit) -> None:
    """Whose network was told to be weak is not any more: another node looks for itself."""
    for id, log in before.media.items():
        if log.weak and not after.media[id].weak:
            draft.network_changed(after.id, id, weak=False)
            tell_participant(draft, after, id)


def _cut(visit: Visit, at: int) -> Visit:
    """Return the visit with everybody's media ended at `at`, and their peers to be replaced."""
    at = max(at, visit.segments[-1].started_at if visit.segments else 0)
    media = {id: log_ended(log, at) for id, log in visit.media.items()}
    return replace(visit, media=media, lost_peers={id: peer for id, peer in visit.peers.items() if peer})
