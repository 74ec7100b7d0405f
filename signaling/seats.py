"""Where a client stands: out, waiting, in, removed — and the queue of those who wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from signaling.deadlines import kept_waiting_until
from signaling.draft import Draft
from signaling.errors import ConsentRequired, NotFound, PolicyForbids, Refused, RoomFull
from signaling.fields import AudioReason, Modality
from signaling.lookup import (
    device_of,
    entry_of,
    hosts,
    is_connected,
    live_visit,
    provider_ids,
    seat_of,
    situation_of,
    visit_for,
    visit_of,
)
from signaling.messages import ClientReady, QueueChanged, QueueEntered, QueueLeft, VisitClosed
from signaling.permissions import demand
from signaling.policy import AudioOnlyRule
from signaling.requests import Acknowledge, CheckIn, ComeBack, StepAway
from signaling.shown import shown_entry
from signaling.state import IN, OUT, SCHEDULED, WAITING, CheckedIn, Entry, Interval, Room, Seat, Stand, Visit, Who
from signaling.waiting import demand_window, tell_came, tell_moved_up

ROOM_LIMIT = 200
"""Waiting entries of one room."""


def watchers(room: Room, visit: Visit | None) -> tuple[str, ...]:
    """Return who is told of a waiting entry: the visit's providers, or the host alone for a walk-in."""
    return provider_ids(visit) if visit is not None else (room.host.id,)


def tell_entered(draft: Draft, to: Collection[str], entry: Entry, visit: Visit | None) -> None:
    """Show providers somebody who waits."""
    draft.tell(to, QueueEntered(entry={}), later=("entry", shown_entry, (entry, visit)))


def check_in(draft: Draft, by: Who, request: CheckIn) -> None:
    """A client says where they are and consents; the seat waits and the provider is told."""
    room, visit = draft.room, visit_of(draft.room, by)
    demand(by.role, situation_of(room, by, visit), CheckIn)
    policy = visit.policy if visit is not None else room.policy
    wanted = policy.practice.consent.version
    if request.consent is None or request.consent.version != wanted:
        raise ConsentRequired("the present consent text was not accepted")
    if visit is None and not (request.display_name or by.name):
        raise Refused("a walk-in gives a name")
    seat = seat_of(visit, by) if visit is not None else None
    if request.media == "audio":
        demand_audio_allowed(policy.audio_only_for(seat.payer if seat else None), request.audio_reason)

    said = CheckedIn(
        at=draft.now,
        place=request.place,
        consent_version=request.consent.version,
        privacy=request.privacy,
        devices=request.devices,
        display_name=request.display_name,
        address=request.address,
        phone=request.phone,
    )
    reason: AudioReason | None = request.audio_reason if request.media == "audio" else None
    again = entry_of(room, by.participant)
    if again is not None:
        _check_in_again(draft, visit, again, said, request.media, reason)
        return
    if visit is not None and visit.phase is SCHEDULED:
        demand_window(visit, draft.now)
    if len(room.entries) >= ROOM_LIMIT:
        raise RoomFull("200 clients wait")
    entry = Entry(
        id=f"ent_{draft.fresh}",
        participant=by.participant,
        since=draft.now,
        visit=visit.id if visit is not None else None,
        name=seat.name if seat is not None else request.display_name or by.name,
        checked_in=said,
        media=request.media,
        media_reason=reason,
        unanswered_at=draft.now + policy.unanswered_after,
        # Asked, and gone before it was decided: the grace runs, or the entry would stay for hours.
        dropped_at=None if is_connected(room, by.participant) else draft.now,
        device=device_of(room, by.participant),
    )
    draft.put_entry(entry)
    if visit is not None and seat is not None:
        visit = move_seat(draft, visit, replace(seat, checked_in=said), WAITING, entry.id)
    to = watchers(room, visit)
    tell_entered(draft, to, entry, visit)
    draft.tell(to, ClientReady(entry=entry.id))
    draft.notify("client.ready", entry=entry.id, visit=visit.id if visit else None)
    draft.audit("check_in", by.participant, visit.id if visit else entry.id)
    tell_came(draft, entry)


def _check_in_again(
    draft: Draft, visit: Visit | None, entry: Entry, said: CheckedIn, media: Modality, reason: AudioReason | None
) -> None:
    # The same arrival with other answers (a reload, a changed mind): the place and the notice stay as they are.
    entry = draft.put_entry(replace(entry, checked_in=said, media=media, media_reason=reason, away=False))
    if visit is not None:
        seat = replace(visit.seats[entry.participant], checked_in=said)
        visit = draft.put_visit(replace(visit, seats={**visit.seats, seat.participant: seat}))
    _tell_changed(draft, entry, visit)


def demand_audio_allowed(rule: AudioOnlyRule, reason: AudioReason | None) -> None:
    """Raise `PolicyForbids` unless the rule lets a client be audio-only for this reason."""
    if rule == "forbidden" or (rule == "allowed_with_reason" and reason is None):
        raise PolicyForbids("audio-only")


def move_seat(draft: Draft, visit: Visit, seat: Seat, stand: Stand, entry: str | None = None) -> Visit:
    """Move a seat, as `moved` does, and count the visit's `rev` up."""
    seats = {**visit.seats, seat.participant: moved(seat, stand, draft.now, entry)}
    return draft.put_visit(replace(visit, rev=visit.rev + 1, seats=seats))


def moved(seat: Seat, stand: Stand, now: int, entry: str | None = None) -> Seat:
    """Return the seat moved, with the spans that billing reads. Who waits from now on does so in an `entry`."""
    was, waited, attended = seat.stand, seat.waited, seat.attended
    if was is stand:
        return seat
    if was is WAITING:
        waited = ended(waited, now)
    elif was is IN:
        attended = ended(attended, now)
    if stand is WAITING:
        waited = (*waited, Interval(now))
    elif stand is IN:
        attended = (*attended, Interval(now))
    sent_back = seat.sent_back and stand is not IN
    return replace(seat, stand=stand, entry=entry, waited=waited, attended=attended, sent_back=sent_back)


def ended(spans: tuple[Interval, ...], at: int) -> tuple[Interval, ...]:
    """Return the spans with the running one ended; never before it began."""
    if not spans or spans[-1].end is not None:
        return spans
    began = spans[-1].start
    return (*spans[:-1], Interval(began, at if at > began else began))


def step_away(draft: Draft, by: Who, request: StepAway | ComeBack) -> None:
    """A waiting client goes for a moment, or is back; the place is kept."""
    demand(by.role, situation_of(draft.room, by, visit_of(draft.room, by)), type(request))
    entry, away = _entry_of(draft.room, by), isinstance(request, StepAway)
    if entry.away != away:
        change_entry(draft, replace(entry, away=away))


def acknowledge(draft: Draft, by: Who, request: Acknowledge) -> None:
    """The provider has seen the notice; it stops repeating and the list stays."""
    entry = entry_for(draft.room, by, request.entry)
    if not entry.acknowledged:
        change_entry(draft, replace(entry, acknowledged=True))


def change_entry(draft: Draft, entry: Entry) -> None:
    """Replace a waiting entry and show its providers."""
    draft.put_entry(entry)
    visit = draft.room.visits.get(entry.visit or "")
    _tell_changed(draft, entry, visit)


def _tell_changed(draft: Draft, entry: Entry, visit: Visit | None) -> None:
    shown = ("entry", shown_entry, (entry, visit))
    draft.tell(watchers(draft.room, visit), QueueChanged(entry={}), later=shown)


def _entry_of(room: Room, who: Who) -> Entry:
    entry = entry_of(room, who.participant)
    if entry is None:
        raise Refused("not waiting")
    return entry


def entry_for(room: Room, by: Who, id: str) -> Entry:
    """Return a waiting entry that this provider may see. Raise `NotFound`."""
    entry = room.entries.get(id)
    if entry is None:
        raise NotFound("no such entry")
    if entry.visit is None:
        if by.participant != room.host.id:
            raise NotFound("no such entry for this provider")
    elif not hosts(room.visits[entry.visit], by):
        raise NotFound("no such entry for this provider")
    return entry


def leave_queue(draft: Draft, entry: Entry, reason: str, to_stand: Stand = OUT) -> Visit | None:
    """Take an entry out of the queue and move its seat; those behind move up. Return the visit as it is then."""
    visit = draft.room.visits.get(entry.visit or "")
    if visit is not None:
        visit = move_seat(draft, visit, visit.seats[entry.participant], to_stand)
    leave_line(draft, (entry,), watchers(draft.room, visit), reason)
    return visit


def leave_line(draft: Draft, entries: Sequence[Entry], to: tuple[str, ...], reason: str) -> None:
    """Take entries out of the queue, and tell those who watch them; who calls this moves the seats."""
    at = draft.drop_entries(entries)
    for entry in entries:
        draft.tell(to, QueueLeft(entry=entry.id, reason=reason))
    if draft.index.shown:
        tell_moved_up(draft, at)


def leave_waiting(draft: Draft, by: Who) -> None:
    """A waiting client gives the place up."""
    leave_entry(draft, _entry_of(draft.room, by))


def leave_entry(draft: Draft, entry: Entry) -> None:
    """A place in the queue is given up."""
    visit = leave_queue(draft, entry, "left")
    draft.notify("client.left", entry=entry.id, visit=visit.id if visit else None)


def grace_over(draft: Draft, entry: Entry) -> None:
    """A waiting client dropped and did not come back."""
    visit = leave_queue(draft, entry, "gone")
    draft.notify("client.left", entry=entry.id, visit=visit.id if visit else None)


def nobody_answers(draft: Draft, entry: Entry) -> None:
    """A client has been ready for a while, and no provider acknowledged it: the practice is told, once."""
    draft.put_entry(replace(entry, unanswered_at=None))
    draft.notify("notice.unanswered", entry=entry.id, visit=entry.visit)


def waited_long_enough(draft: Draft, entry: Entry) -> None:
    """Somebody of the unverified lane waited, and no provider came: they are told so, and need not wait for ever."""
    leave_queue(draft, entry, "closed")
    draft.tell((entry.participant,), VisitClosed(visit="", rev=0, outcome="provider_absent"), close=4510)
    draft.notify("client.left", entry=entry.id, visit=None)
    draft.audit("close", "system", entry.id, "provider_absent")


def kept_waiting_too_long(draft: Draft, visit: Visit) -> bool:
    """Let go whoever waited for hours to be let into a visit that goes on; tell whether there was anybody."""
    seat = next((seat for seat in visit.seats.values() if kept_waiting_until(visit, seat) <= draft.now), None)
    entry = entry_of(draft.room, seat.participant) if seat is not None else None
    if entry is None:
        return False
    rev = (leave_queue(draft, entry, "closed") or visit).rev
    # Theirs alone: of the visit that goes on nothing is told. The same link lets them wait again.
    draft.tell((entry.participant,), VisitClosed(visit=visit.id, rev=rev, outcome="provider_absent"), close=4510)
    draft.notify("client.left", entry=entry.id, visit=visit.id)
    draft.audit("close", "system", entry.id, "provider_absent")
    return True


def seat_meant(
    draft: Draft, by: Who, participant: str | None, entry: str | None
) -> tuple[Visit | None, Entry | None, str]:
    """Return the (visit, entry, participant) a provider means, by either id. Raise `NotFound`."""
    room = draft.room
    if entry is not None:
        found = entry_for(room, by, entry)
        return room.visits.get(found.visit or ""), found, found.participant
    live = live_visit(room)
    # The one in progress first: it is mostly meant, and a participant has one seat in all.
    for visit in (live, *room.visits.values()) if live is not None else room.visits.values():
        if participant is not None and participant in visit.seats:
            visit_for(room, by, visit.id)
            return visit, entry_of(room, participant), participant
    raise NotFound("no such participant")


def forget_waiting(draft: Draft, visit: Visit, reason: str) -> Visit:
    """Take all entries of a visit, as it is when it closes, out of the queue. Return it as it is then."""
    if all(seat.entry is None for seat in visit.seats.values()):
        return visit
    draft.put_visit(visit)
    for entry in [entry for entry in draft.room.entries.values() if entry.visit == visit.id]:
        visit = leave_queue(draft, entry, reason) or visit
    return visit


def drop_waiting(draft: Draft, participant: str) -> None:
    """A waiting client's last connection went: the place is kept for the room's grace."""
    entry = entry_of(draft.room, participant)
    if entry is not None and entry.dropped_at is None:
        change_entry(draft, replace(entry, dropped_at=draft.now))


def return_waiting(draft: Draft, participant: str) -> None:
    """A waiting client who dropped is connected again."""
    entry = entry_of(draft.room, participant)
    if entry is not None and entry.dropped_at is not None and is_connected(draft.room, participant):
        change_entry(draft, replace(entry, dropped_at=None))
