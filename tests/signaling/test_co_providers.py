"""A co-provider has a provider's rights for the shared appointment, and learns of nobody else in that room."""

from __future__ import annotations

import pytest

from signaling.errors import Busy, Forbidden, NotFound
from signaling.messages import ClientReady, ProviderView
from signaling.policy import MINUTE
from signaling.requests import (
    Acknowledge,
    Admit,
    End,
    Finish,
    Rejoin,
    Remove,
    ReturnToWaiting,
    RoomRequest,
    SetStatus,
    Start,
)
from signaling.state import Phase, Stand
from signaling.view import view
from tests.signaling.people import ANN, BOB, CO, EVA, GIA, GUS, HOST, SOON, WALT
from tests.signaling.play import asks, co_provider, comes, goes, provider, waiting

BEGIN = SOON + MINUTE
ENDED = BEGIN + MINUTE


def test_a_co_provider_leads_a_shared_visit_from_start_to_finish() -> None:
    played = waiting(GIA, GUS, at=SOON)
    played.move(BEGIN, co_provider(Start(appointment="apt_group")))
    played.move(BEGIN + 1, co_provider(ReturnToWaiting(participant="par_gus")))
    played.move(BEGIN + 2, co_provider(Admit(entry=played.entry(GUS).id)))
    played.move(BEGIN + 3, co_provider(Remove(participant="par_gus")))
    played.move(ENDED, co_provider(End(visit="vis_group")))
    played.move(ENDED + 1, asks(GIA, Rejoin(visit="vis_group")))
    played.move(ENDED + 2, co_provider(Rejoin(visit="vis_group")))
    assert played.visit("vis_group").phase is Phase.IN_PROGRESS

    played.move(ENDED + 3, co_provider(End(visit="vis_group")))
    played.move(ENDED + 4, co_provider(Finish(visit="vis_group")))

    assert [hand_off.record.visit for hand_off in played.hand_offs] == ["vis_group"]


@pytest.mark.parametrize(
    "request_",
    [
        Start(appointment="apt_ann"),
        End(visit="vis_ann"),
        Rejoin(visit="vis_ann"),
        Finish(visit="vis_ann"),
        Remove(participant="par_bob"),
        ReturnToWaiting(participant="par_ann"),
    ],
)
def test_of_the_hosts_own_appointments_a_co_provider_finds_none(request_: RoomRequest) -> None:
    played = waiting(ANN, BOB, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    played.refuses(NotFound, BEGIN + 1, co_provider(request_))


def test_of_the_hosts_own_clients_a_co_provider_hears_and_sees_nothing() -> None:
    played = waiting(ANN, BOB, WALT, EVA, at=SOON)

    shown = view(played.room, CO)
    assert isinstance(shown, ProviderView)
    assert [e["participant"] for e in shown.waiting] == ["par_eva"]
    assert (shown.unverified, [a["id"] for a in shown.appointments]) == ((), ["apt_eva", "apt_group"])
    assert len(played.told(ClientReady, CO)) == 1
    for entry in (played.entry(ANN).id, played.entry(WALT).id):
        played.refuses(NotFound, BEGIN, co_provider(Acknowledge(entry=entry)))


def test_the_status_that_waiting_clients_see_is_the_hosts_to_set() -> None:
    waiting(EVA, at=SOON).refuses(Forbidden, BEGIN, co_provider(SetStatus(status="late", minutes=5)))


def test_either_provider_keeps_the_visit_alive() -> None:
    played = waiting(EVA, at=SOON).then((BEGIN, co_provider(Start(appointment="apt_eva"))))

    host_gone = played.then((BEGIN + 1, goes(HOST)))
    both_gone = host_gone.then((BEGIN + 2, goes(CO)))
    co_back = both_gone.then((BEGIN + 3, comes(CO)))

    assert [p.visit("vis_eva").alone_since for p in (host_gone, both_gone, co_back)] == [None, BEGIN + 2, None]


def test_a_co_provider_who_dropped_is_in_again_without_being_let_in() -> None:
    played = waiting(EVA, at=SOON).then((BEGIN, co_provider(Start(appointment="apt_eva"))), (BEGIN + 1, goes(CO)))

    back = played.then((BEGIN + 2, comes(CO)), (BEGIN + 3, co_provider(End(visit="vis_eva"))))

    assert (back.visit("vis_eva").phase, back.seat(EVA).stand) == (Phase.ENDED, Stand.OUT)


def test_the_rooms_one_visit_is_one_for_both_providers() -> None:
    played = waiting(ANN, EVA, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    played.refuses(Busy, BEGIN + 1, co_provider(Start(appointment="apt_eva")))
