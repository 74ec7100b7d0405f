"""Every cell of the table: who may have a peer for what, as they stand; whatever it does not name is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest

from signaling.errors import Forbidden, Refused, SignalingError
from signaling.fields import Purpose
from signaling.negotiation import (
    PURPOSES,
    demand_alone,
    keeps_alone,
    may_negotiate,
    prepare,
    standing,
    visit_for_candidates,
    visit_for_offer,
)
from signaling.permissions import ALLOWED, Situation, may
from signaling.requests import (
    End,
    Finish,
    MediaCandidates,
    MediaOffer,
    MediaPrepare,
    Rejoin,
    Remove,
    Request,
    ReturnToWaiting,
    Start,
)
from signaling.state import Role, Room, Who
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, EVA, GUEST, HOST, SOON, WALT
from tests.signaling.play import Played, asks, comes, goes, play, provider, waiting

S = Situation
EVERYTHING: tuple[Purpose, ...] = get_args(Purpose)


def in_progress() -> Played:
    return waiting(EVA, at=SOON).then((SOON + 1, provider(Start(appointment="apt_eva"))))


def ended() -> Played:
    return in_progress().then((SOON + 2, provider(End(visit="vis_eva"))))


def agreed_by(who: Who) -> Played:
    return ended().then((SOON + 3, asks(who, Rejoin(visit="vis_eva"))))


def closed() -> Played:
    return ended().then((SOON + 3, provider(Finish(visit="vis_eva"))))


STANDINGS: dict[tuple[Who, Situation], Callable[[], Played]] = {
    (EVA, S.SCHEDULED): play,
    (EVA, S.WAITING): lambda: waiting(EVA, at=SOON),
    (EVA, S.IN_PROGRESS): in_progress,
    (EVA, S.ENDED): ended,
    (EVA, S.REJOIN_PENDING): lambda: agreed_by(EVA),
    (EVA, S.CLOSED): closed,
    (WALT, S.SCHEDULED): play,
    (WALT, S.WAITING): lambda: waiting(WALT, at=SOON),
    (HOST, S.SCHEDULED): play,
    (HOST, S.WAITING): lambda: waiting(EVA, at=SOON),
    (HOST, S.IN_PROGRESS): in_progress,
    (HOST, S.REJOIN_PENDING): lambda: agreed_by(HOST),
    (CO, S.SCHEDULED): lambda: waiting(ANN, WALT, at=SOON),  # neither is theirs
    (CO, S.WAITING): lambda: waiting(EVA, at=SOON),
    (CO, S.IN_PROGRESS): in_progress,
    (CO, S.REJOIN_PENDING): lambda: agreed_by(CO),
}
"""How somebody comes to stand so. An ended or closed visit leaves its provider as before: somebody waits, or not."""
CELLS = list(product(STANDINGS, EVERYTHING))


def shown(part: object) -> str:
    if isinstance(part, tuple):
        return f"{part[0].participant}-{part[1].value}"
    return str(part)


def grants(ask: Callable[[], object]) -> bool:
    """Tell whether something is granted, and not refused; it is never forbidden."""
    try:
        ask()
    except Refused:
        return False
    return True


@pytest.mark.parametrize(("stands", "purpose"), CELLS, ids=shown)
def test_a_cell_of_the_table_is_what_every_gate_does(stands: tuple[Who, Situation], purpose: Purpose) -> None:
    who, situation = stands
    room = STANDINGS[stands]().room
    granted = purpose in PURPOSES[situation]

    assert standing(room, who) is situation
    assert may_negotiate(room, who, purpose) is granted
    assert grants(lambda: prepare(room, who, purpose)) is granted
    assert grants(lambda: demand_alone(room, who, purpose)) is (granted and purpose != "visit")
    if purpose == "visit":
        assert grants(lambda: visit_for_offer(room, who)) is granted


@pytest.mark.parametrize("stands", STANDINGS, ids=shown)
def test_candidates_go_to_a_visit_only_of_those_who_are_in_it(stands: tuple[Who, Situation]) -> None:
    who, situation = stands
    room = STANDINGS[stands]().room

    if not PURPOSES[situation]:
        with pytest.raises(Refused):
            visit_for_candidates(room, who)
    else:
        visit = visit_for_candidates(room, who)
        assert (visit.id if visit is not None else None) == ("vis_eva" if situation is S.IN_PROGRESS else None)


def test_the_table_says_no_for_everything_that_it_does_not_name() -> None:
    assert set(PURPOSES) == set(Situation)
    assert PURPOSES[S.CLOSED] == frozenset()
    assert [s for s in Situation if "visit" in PURPOSES[s]] == [S.IN_PROGRESS]
    assert [s for s in Situation if "warm" in PURPOSES[s]] == [S.WAITING, S.REJOIN_PENDING]


@pytest.mark.parametrize("kind", [MediaPrepare, MediaOffer, MediaCandidates], ids=lambda kind: kind.__name__)
def test_the_table_of_requests_agrees(kind: type[Request]) -> None:
    for role, situation in product((Role.CLIENT, Role.PROVIDER, Role.CO_PROVIDER), Situation):
        assert may(role, situation, kind) is bool(PURPOSES[situation]), (role, situation)
    assert kind not in ALLOWED[Role.GUEST]


@pytest.mark.parametrize("purpose", EVERYTHING)
def test_a_guest_is_forbidden_every_peer(purpose: Purpose) -> None:
    room = waiting(EVA, at=SOON).room
    gates: tuple[Callable[[], object], ...] = (
        lambda: prepare(room, GUEST, purpose),
        lambda: demand_alone(room, GUEST, purpose),
        lambda: visit_for_offer(room, GUEST),
        lambda: visit_for_candidates(room, GUEST),
    )

    for gate in gates:
        with pytest.raises(SignalingError) as caught:
            gate()
        assert caught.type is Forbidden


# --- After an End nothing is warm until this side agrees


def test_what_the_other_side_has_agreed_to_warms_nobody() -> None:
    for agreed, other in ((EVA, HOST), (EVA, CO), (HOST, EVA), (CO, EVA), (HOST, CO)):
        room = agreed_by(agreed).room
        assert may_negotiate(room, agreed, "warm")
        assert not may_negotiate(room, other, "warm")


def test_while_one_visit_may_be_rejoined_another_client_who_waits_warms_the_provider() -> None:
    played = ended().then((SOON + 3, asks(BOB, CHECK_IN)))

    assert standing(played.room, HOST) is S.WAITING
    assert standing(played.room, CO) is S.SCHEDULED


def test_who_was_sent_back_waits_and_who_was_removed_may_nothing() -> None:
    back = in_progress().then((SOON + 2, provider(ReturnToWaiting(participant="par_eva"))))
    away = waiting(EVA, at=SOON).then((SOON + 2, provider(Remove(participant="par_eva"))))

    assert may_negotiate(back.room, EVA, "warm")
    assert [purpose for purpose in EVERYTHING if may_negotiate(away.room, EVA, purpose)] == []


# --- Keeping


def keeps(room: Room, who: Who) -> list[Purpose]:
    return [purpose for purpose in EVERYTHING if keeps_alone(room, who, purpose)]


def test_a_warm_peer_is_kept_over_the_start_that_it_is_for_and_an_echo_is_not() -> None:
    assert keeps(waiting(EVA, at=SOON).room, EVA) == ["check", "warm"]
    assert keeps(in_progress().room, EVA) == ["visit", "warm"]
    assert keeps(in_progress().room, HOST) == ["visit", "warm"]
    assert keeps(ended().room, EVA) == ["check"]


def test_whoever_has_no_connection_keeps_none_and_gets_none() -> None:
    gone = waiting(EVA, at=SOON).then((SOON + 1, goes(EVA)))

    assert keeps(gone.room, EVA) == []
    with pytest.raises(Refused):
        demand_alone(gone.room, EVA, "warm")
    back = gone.then((SOON + 2, comes(EVA)))
    demand_alone(back.room, EVA, "warm")


def test_a_start_for_another_client_warms_and_cools_nobody_who_waits() -> None:
    played = waiting(ANN, BOB, at=SOON).then((SOON + 1, provider(Start(appointment="apt_ann"))))

    assert keeps(played.room, BOB) == ["check", "warm"]
    assert standing(played.room, HOST) is S.IN_PROGRESS
