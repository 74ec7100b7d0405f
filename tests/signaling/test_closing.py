"""How a visit closes, and that billing hears of each closed visit once."""

from __future__ import annotations

from collections import Counter

import pytest

from signaling.effects import AppointmentClosed, ClosePeers
from signaling.errors import NotFound, Refused
from signaling.events import Cancelled, DeadlinePassed, Opened, Rescheduled
from signaling.fields import OutcomeGiven
from signaling.messages import QueueLeft, VisitClosed
from signaling.policy import HOUR, MINUTE
from signaling.requests import Admit, End, Finish, Rejoin, ReturnToWaiting, Start
from signaling.room import deadline
from tests.signaling.people import ANN, ANNS, APPOINTMENTS, CHECK_IN, CO, GIA, GUS, HOST, POLICY, SOON, START, WALT
from tests.signaling.play import Played, asks, client, co_provider, empty_room, play, provider, waiting

BEGIN = SOON + MINUTE
ENDED = BEGIN + 5 * MINUTE
FINISH = Finish(visit="vis_ann")


def ended() -> Played:
    return waiting(ANN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))), (ENDED, client(End(visit="vis_ann")))
    )


def outcomes(played: Played, visit: str = "vis_ann") -> list[str]:
    """What clients of a visit were told of its outcome."""
    return [m.outcome for m in played.told(VisitClosed) if m.visit == visit]


def test_the_provider_finishes_and_the_visit_leaves_the_room_with_its_record() -> None:
    attended = OutcomeGiven(client="par_ann", outcome="attended")

    played = ended().then((ENDED + 1, provider(Finish(visit="vis_ann", outcomes=(attended,)))))

    assert "vis_ann" not in played.room.visits
    assert [h.record.visit for h in played.hand_offs] == ["vis_ann"]
    assert len(played.told(VisitClosed, HOST)) == len(played.told(VisitClosed, ANN)) == 1
    assert played.closed_out(ANN) == [4510]
    assert played.closed_out(HOST) == []
    assert [e for e in played.entries if isinstance(e, AppointmentClosed)] == [AppointmentClosed("apt_ann", "attended")]
    assert ClosePeers("vis_ann") in played.closed_peers
    assert played.webhooks == ["visit.closed"]


def test_the_window_closes_what_nobody_finished() -> None:
    over = ENDED + POLICY.rejoin_window

    early = ended().then((over - 1, DeadlinePassed()))
    late = early.then((over + HOUR, DeadlinePassed()), (over + HOUR, DeadlinePassed()))

    assert "vis_ann" in early.room.visits
    assert [h.record.visit for h in late.hand_offs].count("vis_ann") == 1
    assert [m.at for m in late.told(VisitClosed, ANN)] == [over]


def test_a_visit_that_resumed_is_handed_off_once() -> None:
    played = ended().then(
        (ENDED + 1, client(Rejoin(visit="vis_ann"))),
        (ENDED + 2, provider(Rejoin(visit="vis_ann"))),
        (ENDED + 3, provider(End(visit="vis_ann"))),
        (ENDED + 3 + POLICY.rejoin_window, DeadlinePassed()),
    )

    assert [h.record.visit for h in played.hand_offs].count("vis_ann") == 1


def test_finish_is_for_a_visit_that_has_ended() -> None:
    waiting(ANN, at=SOON).refuses(Refused, BEGIN, provider(FINISH))
    waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann")))).refuses(
        Refused, ENDED, provider(FINISH)
    )
    ended().refuses(NotFound, ENDED, co_provider(FINISH))
    ended().then((ENDED + 1, provider(FINISH))).refuses(NotFound, ENDED + 2, provider(FINISH))


@pytest.mark.parametrize("named", ["mrn-par_ann", "par_ann"])
def test_the_providers_word_on_attendance_wins(named: str) -> None:
    given = OutcomeGiven(client=named, outcome="technical_failure")

    played = ended().then((ENDED + 1, provider(Finish(visit="vis_ann", outcomes=(given,)))))

    assert set(outcomes(played)) == {"technical_failure"}


def test_a_word_on_somebody_else_is_not_found() -> None:
    given = OutcomeGiven(client="mrn-par_bob", outcome="attended")

    ended().refuses(NotFound, ENDED + 1, provider(Finish(visit="vis_ann", outcomes=(given,))))


def test_nobody_came_and_a_quarter_of_an_hour_after_the_start_each_visit_closes_once() -> None:
    played = play()
    assert deadline(played.room) == START + POLICY.no_show_after

    before = played.then((START + POLICY.no_show_after - 1, DeadlinePassed()))
    after = played.then((START + POLICY.no_show_after, DeadlinePassed()))

    assert before.hand_offs == []
    assert Counter(h.record.visit for h in after.hand_offs) == Counter(a.visit for a in APPOINTMENTS)
    assert after.room.visits == {}


def test_who_waits_is_waited_with_and_no_no_show() -> None:
    played = waiting(ANN, at=SOON).then((START + HOUR, DeadlinePassed()))

    assert list(played.room.visits) == ["vis_ann"]
    absent = played.then((SOON + POLICY.waiting_limit, DeadlinePassed()))
    assert [h.record.visit for h in absent.hand_offs] == ["vis_ann"]
    assert [m.reason for m in absent.told(QueueLeft, HOST)] == ["closed"]
    assert absent.closed_out(ANN) == [4510]
    assert absent.room.entries == {}


def test_a_cancelled_appointment_sends_its_waiting_client_away_at_once() -> None:
    played = waiting(ANN, at=SOON).then((BEGIN, Cancelled("apt_ann", "late_cancel")))

    assert played.closed_out(ANN) == [4510]
    assert outcomes(played) == ["late_cancel", "late_cancel"]
    assert [h.record.visit for h in played.hand_offs] == ["vis_ann"]
    assert played.room.entries == {}
    assert played.then((BEGIN + 1, Cancelled("apt_ann"))).entries == []


def test_a_live_visit_is_not_cut_off_by_a_cancellation() -> None:
    live = waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    played = live.then((ENDED, Cancelled("apt_ann")))

    assert (played.entries, played.room.visits) == ([], live.room.visits)


def test_who_was_seen_before_is_not_written_down_as_cancelled() -> None:
    played = waiting(ANN, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (BEGIN + 20, provider(ReturnToWaiting(participant="par_ann"))),
        (ENDED, Cancelled("apt_ann")),
    )

    assert "cancelled" not in outcomes(played)


def test_a_late_fact_does_not_open_a_closed_visit_again() -> None:
    closed = ended().then((ENDED + 1, provider(FINISH)))

    again = closed.then((ENDED + 2, Opened(ANNS, POLICY)), (ENDED + 3, Rescheduled(ANNS, POLICY)))

    assert "vis_ann" not in again.room.visits
    assert again.entries == []


def test_an_appointment_made_after_its_start_is_no_no_show_at_once() -> None:
    opened = play((START + HOUR, Opened(ANNS, POLICY)), room=empty_room())

    assert deadline(opened.room) == START + HOUR + POLICY.no_show_after
    assert opened.hand_offs == []


def test_after_the_close_a_client_is_told_so_and_does_not_land_in_the_unverified_lane() -> None:
    closed = ended().then((ENDED + 1, provider(FINISH)))

    closed.refuses(Refused, ENDED + 2, client(CHECK_IN))


def test_a_walk_ins_visit_has_no_appointment_to_close_and_a_record_all_the_same() -> None:
    played = waiting(WALT, at=SOON)
    played.move(BEGIN, provider(Start(entry=played.entry(WALT).id)))
    [visit] = [v.id for v in played.room.visits.values() if v.appointment is None]
    played.move(ENDED, asks(WALT, End(visit=visit)))

    closed = played.then((ENDED + 1, provider(Finish(visit=visit))))

    assert [h.record.visit for h in closed.hand_offs] == [visit]
    assert [e for e in closed.entries if isinstance(e, AppointmentClosed)] == []
    assert closed.closed_out(WALT) == [4510]


def test_each_client_of_a_group_hears_of_their_own_outcome() -> None:
    played = waiting(GIA, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (ENDED, provider(End(visit="vis_group")))
    )
    given = (
        OutcomeGiven(client="mrn-par_gus", outcome="no_show"),
        OutcomeGiven(client="par_gia", outcome="left_early"),
        OutcomeGiven(client="par_gwen", outcome="no_show"),
    )

    closed = played.then((ENDED + 1, asks(CO, Finish(visit="vis_group", outcomes=given))))

    assert [m.outcome for m in closed.told(VisitClosed, GIA)] == ["left_early"]
    assert [m.outcome for m in closed.told(VisitClosed, GUS)] == ["no_show"]
    assert [m.outcome for m in closed.told(VisitClosed, HOST)] == ["left_early"]


def test_who_still_waits_for_a_group_is_out_of_the_queue_when_it_closes() -> None:
    played = waiting(GIA, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))),
        (BEGIN + 1, asks(GUS, CHECK_IN)),
        (ENDED, provider(End(visit="vis_group"))),
    )
    entry = played.entry(GUS).id

    closed = played.then((ENDED + 1, provider(Finish(visit="vis_group"))))

    assert closed.room.entries == {}
    closed.refuses(NotFound, ENDED + 2, provider(Admit(entry=entry)))
