"""Rejoin and withdraw: an ended visit goes on only when both sides chose it after the same End."""

from __future__ import annotations

from collections.abc import Collection, Set

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Busy, Refused, TooMany
from signaling.lookup import (
    live_visit,
    may_rejoin,
    present_seats,
    provider_ids,
    roster,
    situation_of,
    visit_for,
)
from signaling.messages import VisitRejoinPending
from signaling.permissions import demand
from signaling.proposals import GROUP_LIMIT
from signaling.requests import Rejoin, Withdraw
from signaling.seats import move_seat, moved
from signaling.segment import begin_segment, join_segment
from signaling.shown import (
    agreed_roles,
)
from signaling.state import CLIENT, ENDED, IN, OUT, REJOIN_PENDING, Visit, Who
from signaling.visit import advance


def rejoin(draft: Draft, by: Who, request: Rejoin) -> Visit:
    """One side agrees to go on; the visit is live again when both have agreed after the same End."""
    visit = visit_for(draft.room, by, request.visit)
    demand(by.role, situation_of(draft.room, by, visit), Rejoin)
    live = live_visit(draft.room)
    if live is not None and live.id == visit.id and by.role is CLIENT:
        return _rejoin_live_group(draft, by, visit)
    if live is not None and by.role is not CLIENT:
        raise Busy("another visit is in progress in this room")
    if by.participant in visit.agreed:
        return visit
    if by.role is CLIENT and len(visit.seats.keys() & visit.agreed) >= GROUP_LIMIT:
        raise TooMany("clients in one visit")
    visit = replace(visit, agreed=(*visit.agreed, by.participant))
    draft.audit("rejoin", by.participant, visit.id)
    agreed = frozenset(visit.agreed)
    if live is None and not agreed.isdisjoint(provider_ids(visit)) and not agreed.isdisjoint(visit.seats):
        return _resume(draft, visit, agreed)
    visit = draft.put_visit(advance(visit, Rejoin, REJOIN_PENDING))
    tell_agreed(draft, visit)
    return visit


def _rejoin_live_group(draft: Draft, by: Who, visit: Visit) -> Visit:
    if len(present_seats(visit)) >= GROUP_LIMIT:
        raise TooMany("clients in one visit")
    visit = move_seat(draft, visit, visit.seats[by.participant], IN)
    draft.audit("rejoin", by.participant, visit.id)
    return join_segment(draft, visit, by.participant, again=True)


def _resume(draft: Draft, visit: Visit, agreed: Set[str]) -> Visit:
    seats = {id: moved(seat, IN, draft.now) if id in agreed else seat for id, seat in visit.seats.items()}
    visit = begin_segment(draft, replace(visit, seats=seats), Rejoin)
    # Who stays out learns that it goes on, and of nobody who is in it.
    outside = [seat.participant for seat in visit.seats.values() if seat.stand is OUT and may_rejoin(seat)]
    draft.tell(outside, VisitRejoinPending(visit=visit.id, rev=visit.rev, agreed=(), live=True))
    withdraw_elsewhere(draft, visit)
    draft.notify("visit.resumed", visit=visit.id, appointment=visit.appointment)
    draft.audit("resume", "system", visit.id)
    return visit


def tell_agreed(draft: Draft, visit: Visit) -> None:
    """Tell everybody who may rejoin who agreed so far, and until when they may."""
    assert visit.rejoin_until is not None
    told = VisitRejoinPending(
        visit=visit.id, rev=visit.rev, agreed=agreed_roles(visit), rejoin_until=visit.rejoin_until
    )
    everybody = roster(visit)
    draft.tell([id for id in everybody if id in visit.agreed], replace(told, mine=True))
    draft.tell([id for id in everybody if id not in visit.agreed], told)


def withdraw(draft: Draft, by: Who, request: Withdraw) -> Visit:
    """Somebody takes the agreement back; when the last has, the visit is as it was after End."""
    visit = visit_for(draft.room, by, request.visit)
    demand(by.role, situation_of(draft.room, by, visit), Withdraw)
    if by.participant not in visit.agreed:
        raise Refused("did not agree")
    draft.audit("withdraw", by.participant, visit.id)
    return withdrawn(draft, visit, {by.participant})


def withdrawn(draft: Draft, visit: Visit, who: Collection[str]) -> Visit:
    """Take agreements back, and say so."""
    agreed = tuple(id for id in visit.agreed if id not in who)
    to = REJOIN_PENDING if agreed else ENDED
    visit = draft.put_visit(advance(replace(visit, agreed=agreed), Withdraw, to))
    tell_agreed(draft, visit)
    return visit


def withdraw_elsewhere(draft: Draft, started: Visit) -> None:
    """While one visit is in progress no provider agrees to rejoin another; a client's agreement stays, and waits.

    Otherwise a client's click would let them into an occupied room.
    """
    if not draft.index.pending:
        return
    for visit in list(draft.room.visits.values()):
        if not visit.agreed or visit.id == started.id:
            continue
        providers = set(visit.agreed) & set(provider_ids(visit))
        if providers:
            withdrawn(draft, visit, providers)
