"""Notices cannot be lost: held in the room until acknowledged, started or gone, for every provider and device."""

from __future__ import annotations

from signaling.events import NodeGone, Rescheduled
from signaling.messages import (
    Acknowledge,
    ClientReady,
    ProviderView,
    QueueChanged,
    QueueEntered,
    QueueLeft,
    Start,
    VisitClosed,
)
from signaling.policy import MINUTE
from signaling.snapshot import pack, unpack
from signaling.state import Room, Who
from signaling.view import view
from tests.signaling.people import (
    ANN,
    BOB,
    CHECK_IN,
    CO,
    EVA,
    GIA,
    GUS,
    HOST,
    POLICY,
    SOON,
    WALT,
    appointment,
)
from tests.signaling.play import client, co_provider, comes, goes, provider, waiting

LATER = SOON + MINUTE
ALONE = appointment("eva", EVA)
SHARED = appointment("ann", ANN, providers=(HOST, CO))


def rings(room: Room, who: Who) -> list[str]:
    """Whose notices still ring on every page of a provider that reads the room now."""
    shown = view(room, who)
    assert isinstance(shown, ProviderView)
    return [e["participant"] for e in (*shown.waiting, *shown.unverified) if not e["acknowledged"]]


def test_several_clients_ring_at_once_each_for_those_who_may_know() -> None:
    played = waiting(ANN, EVA, GIA, WALT, at=SOON)

    assert rings(played.room, HOST) == ["par_ann", "par_eva", "par_gia", "par_walt"]
    assert rings(played.room, CO) == ["par_eva", "par_gia"]
    assert len(played.told(ClientReady, CO)) == 2


def test_a_notice_is_there_after_a_reload_and_after_a_node_died() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, NodeGone("node_1", SOON)))

    back = played.then((SOON + 2, comes(HOST, connection="con_new", node="node_2")))

    assert rings(unpack(pack(back.room)), HOST) == ["par_ann"]
    assert back.told(ClientReady) == []


def test_an_acknowledged_notice_is_silent_everywhere() -> None:
    played = waiting(EVA, at=SOON)

    silent = played.then((SOON + 1, co_provider(Acknowledge(entry=played.entry(EVA).id))))

    for who in (HOST, CO):
        assert rings(silent.room, who) == []
        assert [m.entry["acknowledged"] for m in silent.told(QueueChanged, who)] == [True]


def test_a_notice_ends_when_the_visit_starts_or_the_client_is_gone() -> None:
    played = waiting(ANN, BOB, at=SOON)

    started = played.then((LATER, provider(Start(appointment="apt_ann"))), (LATER, goes(BOB, bye=True)))

    assert rings(started.room, HOST) == []
    assert [m.reason for m in started.told(QueueLeft, HOST)] == ["admitted", "left"]


def test_a_drop_and_a_return_within_the_grace_are_no_new_arrival() -> None:
    played = waiting(ANN, at=SOON)
    played.move(SOON + 1, provider(Acknowledge(entry=played.entry(ANN).id)))

    back = played.then((SOON + 2, goes(ANN)), (SOON + 3, comes(ANN)))

    assert (rings(back.room, HOST), back.told(ClientReady)) == ([], [])


def test_who_hosts_it_from_now_on_sees_who_waits() -> None:
    played = waiting(ANN, at=SOON).then((LATER, Rescheduled(SHARED, POLICY)))

    assert [m.entry["participant"] for m in played.told(QueueEntered, CO)] == ["par_ann"]
    assert [m.entry for m in played.told(ClientReady, CO)] == [played.entry(ANN).id]
    assert "par_ann" in rings(played.room, CO)
    assert played.told(QueueEntered, HOST) == played.told(ClientReady, HOST) == []


def test_what_was_acknowledged_does_not_ring_for_who_hosts_it_from_now_on() -> None:
    played = waiting(ANN, at=SOON)
    played.move(SOON + 1, provider(Acknowledge(entry=played.entry(ANN).id)))

    shared = played.then((LATER, Rescheduled(SHARED, POLICY)))

    assert [m.entry["participant"] for m in shared.told(QueueEntered, CO)] == ["par_ann"]
    assert shared.told(ClientReady, CO) == []


def test_who_hosts_it_no_longer_forgets_it() -> None:
    before = waiting(EVA, GUS, at=SOON)

    played = before.then((LATER, Rescheduled(ALONE, POLICY)))

    assert [m.entry for m in played.told(QueueLeft, CO)] == [before.entry(EVA).id]
    assert [m.visit for m in played.told(VisitClosed, CO)] == ["vis_eva"]
    assert (played.told(QueueLeft, HOST), played.told(VisitClosed, HOST)) == ([], [])
    assert (rings(played.room, HOST), rings(played.room, CO)) == (["par_eva", "par_gus"], ["par_gus"])


def test_other_answers_of_one_arrival_do_not_ring_again() -> None:
    played = waiting(ANN, at=SOON)
    played.move(SOON + 1, provider(Acknowledge(entry=played.entry(ANN).id)))

    again = played.then((SOON + 2, client(CHECK_IN)))

    assert (rings(again.room, HOST), again.told(ClientReady)) == ([], [])
