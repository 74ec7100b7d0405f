"""Every cell of the table, walked against `handle`: what it grants is granted, all else refused and moves nothing."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from signaling.errors import Forbidden, NotFound, Refused
from signaling.lookup import situation_of
from signaling.permissions import ALLOWED, Situation, demand, may
from signaling.policy import MINUTE
from signaling.requests import (
    Acknowledge,
    Admit,
    AnyRequest,
    CheckIn,
    ComeBack,
    End,
    Finish,
    Leave,
    MediaFlow,
    MediaMode,
    MediaRelay,
    MediaState,
    Rejoin,
    Remove,
    Request,
    ReturnToWaiting,
    RoomRequest,
    SetStatus,
    Start,
    StepAway,
    Withdraw,
)
from signaling.state import Role, Who
from tests.signaling.people import CHECK_IN, CO, EVA, GIA, GUEST, GUS, GWEN, HOST, SOON
from tests.signaling.play import Played, asks, comes, play, provider, waiting

S = Situation
NOW = SOON + 10 * MINUTE
ASKERS = {Role.PROVIDER: HOST, Role.CO_PROVIDER: CO, Role.CLIENT: EVA, Role.GUEST: GUEST}
REQUESTS: tuple[type[Request], ...] = get_args(AnyRequest)
DECIDED: tuple[type[Request], ...] = get_args(RoomRequest)
PROVIDERS_SITUATIONS = [s for s in S if s is not S.WAITING]


def group_as(situation: Situation, by: Who) -> Played:
    """The providers' room: a group in that situation, one client of which waits."""
    if situation is S.SCHEDULED:
        return waiting(GIA, GUS, GWEN, at=SOON)
    live = waiting(GIA, GUS, at=SOON).then(
        (SOON + 1, provider(Start(appointment="apt_group"))), (SOON + 2, asks(GWEN, CHECK_IN))
    )
    ended = live.then((SOON + 3, provider(End(visit="vis_group"))))
    match situation:
        case S.IN_PROGRESS:
            return live
        case S.ENDED:
            return ended
        case S.REJOIN_PENDING:
            return ended.then((SOON + 4, asks(by, Rejoin(visit="vis_group"))))
        case _:
            return ended.then((SOON + 4, provider(Finish(visit="vis_group"))))


def visit_for_two_as(situation: Situation) -> Played:
    """The client's room: a visit for two in that situation, as its client lives it."""
    if situation is S.SCHEDULED:
        return play()
    wait = waiting(EVA, at=SOON)
    live = wait.then((SOON + 1, provider(Start(appointment="apt_eva"))))
    ended = live.then((SOON + 2, provider(End(visit="vis_eva"))))
    match situation:
        case S.WAITING:
            return wait
        case S.IN_PROGRESS:
            return live
        case S.ENDED:
            return ended
        case S.REJOIN_PENDING:
            return ended.then((SOON + 3, asks(EVA, Rejoin(visit="vis_eva"))))
        case _:
            return wait.then((SOON + 1, provider(Remove(participant="par_eva"))))


def request_of(kind: type[Request], played: Played, name: str) -> RoomRequest:
    """A request that makes sense in the room, as far as any of its kind can."""
    who = GIA if name == "group" else EVA
    entry = getattr(played.entry(GWEN if name == "group" else EVA), "id", "ent_none")
    made: dict[type[Request], RoomRequest] = {
        CheckIn: CHECK_IN,
        StepAway: StepAway(),
        ComeBack: ComeBack(),
        Leave: Leave(),
        SetStatus: SetStatus(status="late", minutes=5),
        Acknowledge: Acknowledge(entry=entry),
        Start: Start(appointment=f"apt_{name}"),
        Admit: Admit(entry=entry),
        ReturnToWaiting: ReturnToWaiting(participant=who.participant),
        Remove: Remove(participant=who.participant),
        End: End(visit=f"vis_{name}"),
        Rejoin: Rejoin(visit=f"vis_{name}"),
        Withdraw: Withdraw(visit=f"vis_{name}"),
        Finish: Finish(visit=f"vis_{name}"),
        MediaState: MediaState(camera=False),
        MediaMode: MediaMode(mode="audio", reason="declined"),
        MediaRelay: MediaRelay(),
        MediaFlow: MediaFlow(up=True),
    }
    return made[kind]


CELLS = [
    *product((Role.PROVIDER, Role.CO_PROVIDER), PROVIDERS_SITUATIONS, DECIDED),
    *product((Role.CLIENT, Role.GUEST), S, DECIDED),
]
NOT_ABOUT_A_VISIT = (SetStatus,)
"""Granted whatever becomes of any visit."""


@pytest.mark.parametrize(
    ("role", "situation", "kind"), CELLS, ids=lambda part: part.__name__ if isinstance(part, type) else part.value
)
def test_a_cell_of_the_table_is_what_the_room_does(role: Role, situation: Situation, kind: type[Request]) -> None:
    by = ASKERS[role]
    provides = role in (Role.PROVIDER, Role.CO_PROVIDER)
    played = group_as(situation, by) if provides else visit_for_two_as(situation)
    event = asks(by, request_of(kind, played, "group" if provides else "eva"))

    if kind not in ALLOWED[role]:
        played.refuses(Forbidden, NOW, event)
    elif may(role, situation, kind) or (role is Role.PROVIDER and kind in NOT_ABOUT_A_VISIT):
        played.move(NOW, event)
    else:
        # A closed visit has left the room: to its providers it is as unknown as one that never was.
        played.refuses(NotFound if provides and situation is S.CLOSED and asks_by_id(kind) else Refused, NOW, event)


def asks_by_id(kind: type[Request]) -> bool:
    """Tell whether a request names a visit, an entry or a client."""
    return bool({"visit", "entry", "participant", "appointment"} & set(kind.__struct_fields__))


def test_the_rooms_are_in_the_situations_they_are_said_to_be_in() -> None:
    for situation in PROVIDERS_SITUATIONS:
        visit = group_as(situation, HOST).room.visits.get("vis_group")
        assert (S.CLOSED if visit is None else situation_of(play().room, HOST, visit)) is situation
    for situation in S:
        room = visit_for_two_as(situation).room
        assert situation_of(room, EVA, room.visits["vis_eva"]) is situation


def test_a_guest_may_nothing_and_nobody_anything_that_the_table_does_not_name() -> None:
    for request in REQUESTS:
        assert not any(may(Role.GUEST, situation, request) for situation in S)
    for role, situation in product(Role, S):
        assert not may(role, situation, Request)
        with pytest.raises(Forbidden):
            demand(role, situation, Request)


def test_nothing_is_granted_once_it_is_closed() -> None:
    assert [(r, q) for r, q in product(Role, REQUESTS) if may(r, S.CLOSED, q)] == []


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        (role, kind)
        for role in (Role.PROVIDER, Role.CO_PROVIDER, Role.CLIENT)
        for kind in DECIDED
        if kind in ALLOWED[role]
    ],
    ids=lambda part: part.__name__ if isinstance(part, type) else part.value,
)
def test_a_displaced_device_is_granted_nothing(role: Role, kind: type[Request]) -> None:
    """I6: every request, whatever it might have been granted otherwise."""
    who = ASKERS[role]
    for situation in ALLOWED[role][kind]:
        client = role is Role.CLIENT
        if not client and situation is S.WAITING:
            continue
        played = visit_for_two_as(situation) if client else group_as(situation, who)
        taken = played.then((NOW, comes(who, device="another", connection="con_another", takeover=True)))

        taken.refuses(Refused, NOW + 1, asks(who, request_of(kind, taken, "eva" if client else "group")))


def test_only_the_host_sets_the_rooms_status_and_only_a_client_checks_in() -> None:
    assert [role for role in Role if SetStatus in ALLOWED[role]] == [Role.PROVIDER]
    for request in (CheckIn, StepAway, ComeBack, Leave):
        assert [role for role in Role if request in ALLOWED[role]] == [Role.CLIENT]
    for request in (Start, Admit, Remove, ReturnToWaiting, Finish):
        assert [role for role in Role if request in ALLOWED[role]] == [Role.PROVIDER, Role.CO_PROVIDER]
