"""What those who wait are told, and when they may come: their provider's status, their place in line, the window."""

from __future__ import annotations

from signaling.deadlines import awaited_since
from signaling.draft import Draft
from signaling.effects import Told
from signaling.errors import Refused
from signaling.lookup import shown_status
from signaling.messages import SetStatus, WaitingChanged
from signaling.state import Entry, Room, Status, Visit


def demand_window(visit: Visit, now: int) -> None:
    """Raise `Refused` outside the time in which a client of an appointment may come."""
    if visit.appointment is None:
        return
    if now < opens(visit):
        raise Refused("too early")
    # As long as the visit itself waits for somebody, it lets them come.
    still_awaited = awaited_since(visit) + visit.policy.no_show_after
    if now > max(visit.end + visit.policy.window_after, still_awaited):
        raise Refused("too late")


def opens(visit: Visit) -> int:
    """Return when the clients of an appointment may begin to check in, in ms."""
    return visit.start - visit.policy.window_before


def set_status(draft: Draft, request: SetStatus) -> None:
    """The provider tells the waiting what to expect."""
    status = Status(request.status, request.minutes if request.status == "late" else None)
    if status != draft.room.status:
        draft.change(status=status)


def tell_status(draft: Draft) -> None:
    """Tell the waiting how their provider is, if it is not what it was before this step."""
    before, room = draft.before, draft.room
    if not _may_have_changed(draft) or shown_status(before) == shown_status(room):
        return
    status = shown_status(room)
    told = {entry.to: entry.message for entry in draft.entries if isinstance(entry, Told)}
    alike: list[str] = []
    for entry in room.entries.values():
        last = told.get((entry.participant,))
        if isinstance(last, WaitingChanged) and (last.status, last.minutes) == (status.kind, status.minutes):
            continue
        if _shows_position(room, entry):
            _tell_waiting(draft, entry, status)
        else:
            alike.append(entry.participant)
    # Said once to all of them: nobody learns who else is told.
    draft.tell(alike, WaitingChanged(status=status.kind, minutes=status.minutes))


def _may_have_changed(draft: Draft) -> bool:
    before, room = draft.before, draft.room
    if (before.status, before.host_away) != (room.status, room.host_away):
        return True
    pairs = ((before.visits.get(id), room.visits.get(id)) for id in draft.touched)
    return any((old and old.phase) is not (new and new.phase) for old, new in pairs)


def tell_waiting_status(draft: Draft, *, behind: Entry) -> None:
    """An entry came or went: tell it how the provider is, and tell those whose place in line it changed, if shown."""
    status = shown_status(draft.room)
    if behind.id in draft.room.entries:
        _tell_waiting(draft, behind, status)
    order = _order(behind)
    for entry in draft.room.entries.values():
        if _shows_position(draft.room, entry) and order < _order(entry):
            _tell_waiting(draft, entry, status)


def _tell_waiting(draft: Draft, entry: Entry, status: Status) -> None:
    told = WaitingChanged(status=status.kind, minutes=status.minutes, ahead=ahead(draft.room, entry))
    draft.tell((entry.participant,), told)


def _order(entry: Entry) -> tuple[int, str]:
    return entry.since, entry.id


def ahead(room: Room, entry: Entry) -> int | None:
    """Return how many wait before this entry; None where the room does not show it."""
    if not _shows_position(room, entry):
        return None
    return sum(1 for other in room.entries.values() if _order(other) < _order(entry))


def _shows_position(room: Room, entry: Entry) -> bool:
    visit = None if entry.visit is None else room.visits.get(entry.visit)
    return (room if visit is None else visit).policy.show_position
