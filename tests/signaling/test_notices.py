"""Notices cannot be lost: held in the room until acknowledged, started or gone, for every provider and device."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.effects import Notify
from signaling.events import DeadlinePassed, NodeGone, Rescheduled
from signaling.messages import ClientReady, ProviderView, QueueChanged, QueueEntered, QueueLeft, VisitClosed
from signaling.policy import HOUR, MINUTE
from signaling.requests import Acknowledge, Leave, ReturnToWaiting, Start
from signaling.room import deadline, handle
from signaling.snapshot import pack, unpack
from signaling.state import Interval, Room, Who
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
from tests.signaling.play import Played, asks, client, co_provider, comes, everybody_there, goes, provider, waiting

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


# --- What nobody answers ------------------------------------------------------------------------------

PATIENCE = POLICY.unanswered_after


def unanswered(played: Played) -> list[str]:
    """Return the entries of which the practice was told that nobody answers."""
    return [entry.data["entry"] for entry in played.entries if is_unanswered(entry)]


def is_unanswered(entry: object) -> bool:
    return isinstance(entry, Notify) and entry.type == "notice.unanswered"


def test_the_practice_is_told_once_that_nobody_answers() -> None:
    played = waiting(ANN, WALT, at=SOON)
    due = SOON + PATIENCE
    assert deadline(played.room) == due

    early = played.then((due - 1, DeadlinePassed()))
    late = played.then((due, DeadlinePassed()), (due, DeadlinePassed()), (due + 9 * PATIENCE, DeadlinePassed()))

    assert unanswered(early) == []
    assert unanswered(late) == [played.entry(ANN).id, played.entry(WALT).id]
    assert late.told(QueueChanged) == [], "it is the practice that is told, and nothing in the room looks different"
    assert rings(late.room, HOST) == ["par_ann", "par_walt"]


def test_it_says_which_entry_and_which_visit_and_names_nobody() -> None:
    late = waiting(ANN, WALT, at=SOON).then((SOON + PATIENCE, DeadlinePassed()))

    told = [entry.data for entry in late.entries if isinstance(entry, Notify)]
    assert told == [{"entry": late.entry(who).id, "visit": visit} for who, visit in ((ANN, "vis_ann"), (WALT, None))]


def test_what_is_answered_in_time_is_not_told() -> None:
    played = waiting(ANN, BOB, GIA, at=SOON)
    answered = played.then(
        (LATER, provider(Acknowledge(entry=played.entry(ANN).id))),
        (LATER, asks(BOB, Leave())),
        (LATER, provider(Start(appointment="apt_group"))),
        (SOON + 2 * PATIENCE, DeadlinePassed()),
    )

    assert unanswered(answered) == []


def test_whoever_comes_anew_is_another_arrival_and_other_answers_of_one_are_not() -> None:
    changed = waiting(ANN, at=SOON).then((LATER, client(CHECK_IN)), (SOON + PATIENCE, DeadlinePassed()))
    again = changed.then((SOON + PATIENCE + 1, asks(ANN, Leave())), (SOON + PATIENCE + 2, client(CHECK_IN)))

    told = again.then((SOON + 2 * PATIENCE + 2, DeadlinePassed()))

    assert len(unanswered(changed)) == 1
    assert unanswered(told) == [again.entry(ANN).id]


def test_who_is_sent_back_to_wait_is_no_arrival() -> None:
    live = waiting(ANN, at=SOON).then((LATER, provider(Start(appointment="apt_ann"))))
    back = live.then((LATER, provider(ReturnToWaiting(participant="par_ann"))))

    assert unanswered(back.then((LATER + 2 * PATIENCE, DeadlinePassed()))) == []


def test_the_practice_says_how_long_it_may_take() -> None:
    patient = replace(POLICY, unanswered_after=HOUR)
    played = waiting(ANN, at=SOON, room=everybody_there(patient))

    assert unanswered(played.then((SOON + HOUR - 1, DeadlinePassed()))) == []
    assert len(unanswered(played.then((SOON + HOUR, DeadlinePassed())))) == 1


def test_while_the_service_was_away_nobody_could_answer() -> None:
    away = Interval(SOON + 1, SOON + 1 + HOUR)
    played = waiting(ANN, at=SOON)

    def notices(now: int) -> int:
        return sum(map(is_unanswered, handle(played.room, DeadlinePassed(), now=now, outages=(away,)).entries))

    assert notices(SOON + HOUR + PATIENCE - 1) == 0
    assert notices(SOON + HOUR + PATIENCE) == 1
