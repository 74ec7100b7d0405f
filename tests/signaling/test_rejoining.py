"""Rejoin and withdraw: an ended visit goes on only when both sides chose it after the same End."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.errors import Busy, NotFound, Refused
from signaling.events import DeadlinePassed
from signaling.messages import ParticipantChanged, VisitRejoinPending, VisitResumed
from signaling.policy import MINUTE
from signaling.requests import CheckIn, End, Leave, Rejoin, Start, Withdraw
from signaling.state import Interval, Phase, Segment, Stand
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, EVA, GIA, GUS, GWEN, HOST, POLICY, SOON
from tests.signaling.play import Move, Played, asks, client, co_provider, goes, play, provider, waiting

BEGIN = SOON + MINUTE
ENDED = BEGIN + 5 * MINUTE
REJOIN = Rejoin(visit="vis_ann")
WITHDRAW = Withdraw(visit="vis_ann")


def ended() -> Played:
    """Ann's visit has ended once; Bob waits."""
    return waiting(ANN, BOB, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))), (ENDED, client(End(visit="vis_ann")))
    )


def ended_group() -> Played:
    return waiting(GIA, GUS, GWEN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (ENDED, provider(End(visit="vis_group")))
    )


@pytest.mark.parametrize("order", ["client first", "provider first"])
def test_both_sides_agree_and_the_visit_goes_on_in_a_second_segment(order: str) -> None:
    clicks: list[Move] = [(ENDED + 10, client(REJOIN)), (ENDED + 20, provider(REJOIN))]
    if order == "provider first":
        clicks = [(ENDED + 10, provider(REJOIN)), (ENDED + 20, client(REJOIN))]

    played = ended().then(*clicks)

    assert played.visit().phase is Phase.IN_PROGRESS
    assert played.visit().segments[1:] == (Segment(ENDED + 20),)
    assert played.seat(ANN).attended == (Interval(BEGIN, ENDED), Interval(ENDED + 20))
    assert (played.visit().agreed, played.visit().rejoin_until) == ((), None)
    assert [m.segment for m in played.told(VisitResumed, ANN)] == [2]
    assert [m.segment for m in played.told(VisitResumed, HOST)] == [2]
    assert played.webhooks == ["visit.resumed"]
    assert played.entry(BOB).since == SOON


def test_one_side_alone_opens_nothing() -> None:
    played = ended().then((ENDED + 10, client(REJOIN)))

    assert (played.visit().phase, played.seat(ANN).stand) == (Phase.REJOIN_PENDING, Stand.OUT)
    [told] = played.told(VisitRejoinPending, HOST)
    assert (told.agreed, told.rejoin_until) == (("client",), ENDED + POLICY.rejoin_window)
    assert played.told(VisitResumed) == []


def test_each_agreement_and_the_resuming_is_one_step_of_rev() -> None:
    before = ended()
    rev = before.visit().rev

    played = before.then((ENDED + 10, client(REJOIN)), (ENDED + 20, provider(REJOIN)))

    assert [reply.rev for reply in played.replies] == [rev + 1, rev + 2]


def test_the_same_side_twice_is_ok_and_changes_nothing() -> None:
    once = ended().then((ENDED + 10, provider(REJOIN)))

    step = Played(once.room).move(ENDED + 20, provider(REJOIN))

    assert step.room is once.room
    assert (step.reply.rev, step.entries) == (once.visit().rev, ())


def test_a_withdrawn_agreement_does_not_count() -> None:
    played = ended().then((ENDED + 10, client(REJOIN)), (ENDED + 20, client(WITHDRAW)), (ENDED + 30, provider(REJOIN)))

    assert played.visit().phase is Phase.REJOIN_PENDING
    assert [m.agreed for m in played.told(VisitRejoinPending, ANN)] == [("client",), (), ("provider",)]


def test_withdrawing_the_last_agreement_leads_back_to_ended() -> None:
    played = ended().then((ENDED + 10, client(REJOIN)), (ENDED + 20, client(WITHDRAW)))

    assert (played.visit().phase, played.visit().agreed) == (Phase.ENDED, ())
    played.refuses(Refused, ENDED + 30, client(WITHDRAW))


def test_who_did_not_agree_has_nothing_to_withdraw() -> None:
    ended().then((ENDED + 10, client(REJOIN))).refuses(Refused, ENDED + 20, provider(WITHDRAW))


def test_agreement_does_not_outlive_the_next_end() -> None:
    twice = ended().then(
        (ENDED + 10, client(REJOIN)), (ENDED + 20, provider(REJOIN)), (ENDED + 30, provider(End(visit="vis_ann")))
    )

    played = twice.then((ENDED + 40, provider(REJOIN)))

    assert twice.visit().agreed == ()
    assert played.visit().phase is Phase.REJOIN_PENDING


def test_the_window_is_counted_anew_from_each_end_and_not_extended_by_rejoin() -> None:
    pending = ended().then((ENDED + 10, client(REJOIN)))
    twice = pending.then((ENDED + 20, provider(REJOIN)), (ENDED + 30, provider(End(visit="vis_ann"))))

    assert pending.visit().rejoin_until == ENDED + POLICY.rejoin_window
    assert twice.visit().rejoin_until == ENDED + 30 + POLICY.rejoin_window


def test_when_the_window_is_over_there_is_nothing_to_rejoin() -> None:
    over = ENDED + POLICY.rejoin_window
    pending = ended().then((ENDED + 10, client(REJOIN)))

    assert pending.then((over - 1, provider(REJOIN))).visit().phase is Phase.IN_PROGRESS
    pending.refuses(NotFound, over, provider(REJOIN))
    pending.refuses(NotFound, over, client(REJOIN))
    assert "vis_ann" not in pending.then((over, DeadlinePassed())).room.visits


def test_while_another_visit_is_live_a_provider_is_busy_and_a_clients_agreement_waits() -> None:
    elsewhere = ended().then((ENDED + 10, provider(Start(appointment="apt_bob"))))

    elsewhere.refuses(Busy, ENDED + 20, provider(REJOIN))
    agreed = elsewhere.then((ENDED + 20, client(REJOIN)))
    assert agreed.visit().phase is Phase.REJOIN_PENDING

    free = agreed.then((ENDED + 30, provider(End(visit="vis_bob"))), (ENDED + 40, provider(REJOIN)))
    assert (free.visit().phase, free.seat(BOB).stand) == (Phase.IN_PROGRESS, Stand.OUT)


def test_a_provider_who_starts_another_visit_no_longer_agrees_to_rejoin() -> None:
    pending = ended().then((ENDED + 10, provider(REJOIN)))

    played = pending.then((ENDED + 20, provider(Start(appointment="apt_bob"))), (ENDED + 30, client(REJOIN)))

    assert (played.visit().phase, played.visit().agreed) == (Phase.REJOIN_PENDING, ("par_ann",))
    assert [m.agreed for m in played.told(VisitRejoinPending, ANN)] == [(), ("client",)]


def test_a_co_providers_agreement_ends_too_when_the_room_is_taken() -> None:
    shared = waiting(EVA, BOB, at=SOON).then(
        (BEGIN, co_provider(Start(appointment="apt_eva"))),
        (ENDED, co_provider(End(visit="vis_eva"))),
        (ENDED + 10, co_provider(Rejoin(visit="vis_eva"))),
        (ENDED + 20, provider(Start(appointment="apt_bob"))),
        (ENDED + 30, asks(EVA, Rejoin(visit="vis_eva"))),
        (ENDED + 40, provider(End(visit="vis_bob"))),
    )

    assert shared.visit("vis_eva").agreed == ("par_eva",)
    resumed = shared.then((ENDED + 50, co_provider(Rejoin(visit="vis_eva"))))
    assert resumed.visit("vis_eva").phase is Phase.IN_PROGRESS


def test_two_providers_are_one_side() -> None:
    shared = waiting(EVA, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_eva"))), (ENDED, provider(End(visit="vis_eva")))
    )

    played = shared.then(
        (ENDED + 1, provider(Rejoin(visit="vis_eva"))), (ENDED + 2, co_provider(Rejoin(visit="vis_eva")))
    )

    assert played.visit("vis_eva").phase is Phase.REJOIN_PENDING
    assert [m.agreed for m in played.told(VisitRejoinPending, EVA)] == [("provider",), ("provider", "co_provider")]


def test_nobody_rejoins_a_visit_in_progress_or_one_that_never_was() -> None:
    before = waiting(ANN, at=SOON)

    before.refuses(Refused, BEGIN, client(REJOIN))
    before.refuses(Refused, BEGIN, provider(REJOIN))
    before.then((BEGIN, provider(Start(appointment="apt_ann")))).refuses(Refused, ENDED, provider(REJOIN))


def test_a_group_goes_on_with_the_provider_and_one_client_and_others_come_by_their_own_click() -> None:
    resumed = ended_group().then(
        (ENDED + 10, asks(GIA, Rejoin(visit="vis_group"))), (ENDED + 20, provider(Rejoin(visit="vis_group")))
    )
    assert [resumed.seat(who).stand for who in (GIA, GUS, GWEN)] == [Stand.IN, Stand.OUT, Stand.OUT]
    assert resumed.told(VisitResumed, GUS) == []
    rev = resumed.visit("vis_group").rev

    played = resumed.then((ENDED + 30, asks(GUS, Rejoin(visit="vis_group"))))

    assert played.seat(GUS).attended == (Interval(BEGIN, ENDED), Interval(ENDED + 30))
    assert played.visit("vis_group").rev == rev + 1
    assert len(played.visit("vis_group").segments) == 2
    assert [m.segment for m in played.told(VisitResumed, GUS)] == [2]
    assert [m.participant["id"] for m in played.told(ParticipantChanged, GIA)] == ["par_gus"]


def test_of_a_group_everybody_who_agreed_comes_in_with_the_provider() -> None:
    rejoin = Rejoin(visit="vis_group")

    played = ended_group().then(
        (ENDED + 10, asks(GIA, rejoin)), (ENDED + 11, asks(GWEN, rejoin)), (ENDED + 20, asks(CO, rejoin))
    )

    assert [played.seat(who).stand for who in (GIA, GUS, GWEN)] == [Stand.IN, Stand.OUT, Stand.IN]
    pending = played.told(VisitRejoinPending, GUS)[:2]
    assert [(m.agreed, m.mine) for m in pending] == [(("client",), False)] * 2
    assert [m.mine for m in played.told(VisitRejoinPending, GIA)] == [True, True]


def test_who_never_was_in_the_group_does_not_rejoin_it() -> None:
    played = waiting(GIA, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))))

    played.refuses(Refused, ENDED, asks(GUS, Rejoin(visit="vis_group")))
    played.then((ENDED, provider(End(visit="vis_group")))).refuses(
        Refused, ENDED + 1, asks(GUS, Rejoin(visit="vis_group"))
    )


def test_who_left_a_live_group_comes_back_by_their_own_click() -> None:
    left = waiting(GIA, GUS, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (ENDED, asks(GIA, Leave()))
    )

    assert left.then((ENDED + 1, asks(GIA, Rejoin(visit="vis_group")))).seat(GIA).stand is Stand.IN


def test_rejoining_asks_for_nothing_again() -> None:
    played = ended().then((ENDED + 10, client(REJOIN)), (ENDED + 20, provider(REJOIN)))

    assert played.seat(ANN).checked_in.at == SOON
    played.refuses(Refused, ENDED + 30, client(CHECK_IN))


def test_audio_only_lasts_into_the_next_segment() -> None:
    by_ear: CheckIn = replace(CHECK_IN, media="audio", audio_reason="bandwidth")
    played = play(
        (SOON, client(by_ear)),
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (ENDED, client(End(visit="vis_ann"))),
        (ENDED + 10, client(REJOIN)),
        (ENDED + 20, provider(REJOIN)),
    )

    spans = played.visit().attendees["par_ann"].audio_only
    assert [(s.start, s.end, s.reason, s.said_by) for s in spans] == [
        (BEGIN, ENDED, "bandwidth", "client"),
        (ENDED + 20, None, "bandwidth", "client"),
    ]


def test_a_dropped_connection_does_not_take_an_agreement_back() -> None:
    played = ended().then((ENDED + 10, client(REJOIN)), (ENDED + 20, goes(ANN)), (ENDED + 30, provider(REJOIN)))

    assert (played.visit().phase, played.visit().alone_since) == (Phase.IN_PROGRESS, ENDED + 30)
