"""What those who wait are told, and when they may come: their provider's status, their place in line, the window."""

from __future__ import annotations

from collections.abc import Collection

from signaling.deadlines import awaited_since
from signaling.draft import Draft
from signaling.effects import Own
from signaling.errors import Refused
from signaling.index import Index, index_of
from signaling.lookup import shown_status
from signaling.messages import WaitingChanged
from signaling.requests import SetStatus
from signaling.state import Entry, Room, Status, Visit, Who


def demand_window(visit: Visit, now: int) -> None:
    """Raise `Refused` outside the time in which a client of an appointment may come."""
    if visit.appointment is None:
        return
    if now < opens(visit):
        raise Refused("too early")
    # As long as the visit itself waits for somebody, it lets them come.
    policy = visit.policy
    if now > visit.end + policy.window_after and now > awaited_since(visit) + policy.no_show_after:
        raise Refused("too late")


def opens(visit: Visit) -> int:
    """Return when the clients of an appointment may begin to check in, in ms."""
    return visit.start - visit.policy.window_before


def set_status(draft: Draft, _: Who, request: SetStatus) -> None:
    """The provider tells the waiting what to expect."""
    status = Status(request.status, request.minutes if request.status == "late" else None)
    if status != draft.room.status:
        draft.change(status=status)


def tell_status(draft: Draft) -> None:
    """Tell the waiting how their provider is, if it is not what it was before this step, or what they were just told.

    One step may hold several changes: a visit that was over long ago, and the one that begins.
    """
    if not draft.stirred:
        return
    status = shown_status(draft.room)
    same = shown_status(draft.before) == status
    said = draft.waiting_told
    if same and (not said or all(_says(told, status) for _, told in said)):
        return
    ignorant: Collection[str] = draft.index.waiting
    places = _places(draft.index) if draft.index.shown else {}
    if said:
        last: dict[str, WaitingChanged] = {}
        for to, told in said:
            last |= dict.fromkeys(to, told)
        know = {who for who, told in last.items() if _says(told, status)}
        ignorant = {who: None for who in ignorant if who not in know and (who in last or not same)}
        places = {who: at for who, at in places.items() if who in ignorant}
    _tell(draft, ignorant, places, status)


def _says(told: WaitingChanged, status: Status) -> bool:
    return told.status == status.kind and told.minutes == status.minutes


def tell_came(draft: Draft, entry: Entry) -> None:
    """Somebody waits from now on: tell them how the provider is, and those behind them their place, if it is shown."""
    index, to = draft.index, [entry.participant]
    places: dict[str, int] = {}
    if index.shown:
        places = _places(index, index.place(entry))
        to += [who for who in places if who != entry.participant]
    _tell(draft, to, places, shown_status(draft.room))


def tell_moved_up(draft: Draft, at: int) -> None:
    """Somebody who had `at` before them waits no more: tell those behind their place, if it is shown."""
    places = _places(draft.index, at)
    if places:
        _tell(draft, list(places), places, shown_status(draft.room))


def _tell(draft: Draft, to: Collection[str], places: dict[str, int], status: Status) -> None:
    # Said once to all of them, and to each their own place: nobody learns who else is told.
    told = WaitingChanged(status=status.kind, minutes=status.minutes)
    draft.tell(to, told, own=Own("ahead", places) if places else None)
    draft.waiting_told.append((to, told))


def _places(index: Index, start: int = 0) -> dict[str, int]:
    """Return how many wait before each of those who are told so and have as many as `start` before them."""
    return {who: at for at, (_, _, who, shown) in enumerate(index.line[start:], start) if shown}


def ahead(room: Room, entry: Entry) -> int | None:
    """Return how many wait before this entry; None where the room does not show it."""
    index = index_of(room)
    at = index.place(entry)
    *_, shown = index.line[at]
    return at if shown else None
