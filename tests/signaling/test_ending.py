"""End, leave, remove, return to waiting, abandoned: how a segment stops, for one or for all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.deadlines import visit_deadline
from signaling.effects import ClosePeers, Told
from signaling.errors import Forbidden, NotFound, Refused, Stale
from signaling.events import DeadlinePassed
from signaling.messages import (
    ClientReady,
    ParticipantChanged,
    QueueEntered,
    QueueLeft,
    VisitClosed,
    VisitEnded,
    WaitingChanged,
)
from signaling.policy import MINUTE
from signaling.requests import End, Leave, Rejoin, Remove, ReturnToWaiting, Start
from signaling.state import Interval, Phase, Segment, Stand, Who
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, GIA, GUS, GWEN, HOST, POLICY, SOON, WALT, WILMA
from tests.signaling.play import Played, asks, client, co_provider, comes, goes, provider, waiting

BEGIN = SOON + MINUTE
LATER = BEGIN + 10 * MINUTE
END = End(visit="vis_ann")


def live(*others: Who) -> Played:
    """Ann is in; those others wait."""
    return waiting(ANN, *others, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))


def live_group(*clients: Who) -> Played:
    return waiting(*clients, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))))


@pytest.mark.parametrize(("ends", "role"), [(client, "client"), (provider, "provider")])
def test_either_side_ends_a_visit_for_two(ends: type[client], role: str) -> None:
    played = live().then((LATER, ends(END)))

    assert played.visit().phase is Phase.ENDED
    assert played.visit().segments == (Segment(BEGIN, LATER, role, "ended"),)
    assert played.seat(ANN).attended == (Interval(BEGIN, LATER),)
    [told] = played.told(VisitEnded)
    assert (told.by, told.reason, told.rejoin_until) == (role, "ended", LATER + POLICY.rejoin_window)
    assert played.told(VisitEnded, ANN) == played.told(VisitEnded, HOST) == [told]
    assert played.closed_peers == [ClosePeers("vis_ann")]
    assert played.webhooks == ["visit.ended"]


def test_a_client_who_leaves_a_visit_for_two_ends_it() -> None:
    played = live().then((LATER, client(Leave())))

    assert played.visit().segments[0] == Segment(BEGIN, LATER, "client", "left")


def test_of_two_clicks_on_end_the_second_is_stale_or_refused() -> None:
    played = live().then((LATER, client(replace(END, expect=2))))

    played.refuses(Stale, LATER, provider(replace(END, expect=2)))
    played.refuses(Refused, LATER, provider(END))


def test_a_stale_click_tells_a_client_nothing_of_the_others() -> None:
    played = live_group(GIA, GUS)

    error = played.refuses(Stale, LATER, asks(GIA, End(visit="vis_group", expect=1)))

    assert isinstance(error, Stale)
    assert error.present == {"visit": "vis_group", "rev": 3, "phase": "in_progress"}


def test_somebody_elses_visit_is_not_found() -> None:
    played = live(BOB)

    played.refuses(NotFound, LATER, asks(BOB, END))
    played.refuses(NotFound, LATER, co_provider(END))
    played.refuses(NotFound, LATER, client(End(visit="vis_none")))


def test_ending_one_visit_moves_nobody_else() -> None:
    played = live(BOB, WALT).then((LATER, provider(END)))

    assert {e.participant for e in played.room.entries.values()} == {"par_bob", "par_walt"}
    assert played.told(VisitEnded, BOB) == played.told(VisitEnded, WALT) == []


# --- Groups


def test_a_client_does_not_end_a_group() -> None:
    live_group(GIA, GUS).refuses(Forbidden, LATER, asks(GIA, End(visit="vis_group")))


def test_a_client_leaves_a_group_and_it_goes_on() -> None:
    before = live_group(GIA, GUS, GWEN)

    played = before.then((LATER, asks(GIA, Leave())))

    assert played.visit("vis_group").phase is Phase.IN_PROGRESS
    assert played.seat(GIA).attended == (Interval(BEGIN, LATER),)
    assert played.closed_peers == [ClosePeers("vis_group", "par_gia")]
    assert [m.reason for m in played.told(VisitEnded, GIA)] == ["left"]
    assert played.told(VisitEnded, GUS) == []
    assert [(m.participant["id"], m.participant["presence"]) for m in played.told(ParticipantChanged, GUS)] == [
        ("par_gia", "left")
    ]
    assert played.visit("vis_group").rev == before.visit("vis_group").rev + 1


def test_the_last_client_to_leave_ends_the_group() -> None:
    before = live_group(GIA, GUS)

    played = before.then((LATER, asks(GIA, Leave())), (LATER + 1, asks(GUS, Leave())))

    assert played.visit("vis_group").phase is Phase.ENDED
    assert played.visit("vis_group").segments[0].ended_at == LATER + 1
    assert played.visit("vis_group").rev == before.visit("vis_group").rev + 2
    assert [m.reason for m in played.told(VisitEnded, GUS)] == ["left"]
    assert len(played.told(VisitEnded, GIA)) == 2, "who left may rejoin, and hears that there is an End to rejoin from"


def test_a_group_does_not_end_when_its_last_client_merely_drops() -> None:
    played = live_group(GIA).then((LATER, goes(GIA)))

    assert played.visit("vis_group").phase is Phase.IN_PROGRESS
    assert played.visit("vis_group").alone_since == LATER


# --- Abandoned


@pytest.mark.parametrize("who", [HOST, ANN])
def test_a_visit_with_one_side_gone_ends_after_five_minutes_by_nobody(who: Who) -> None:
    dropped = live().then((LATER, goes(who)))

    before = dropped.then((LATER + POLICY.abandoned_after - 1, DeadlinePassed()))
    after = dropped.then((LATER + POLICY.abandoned_after, DeadlinePassed()))

    assert before.visit().phase is Phase.IN_PROGRESS
    assert after.visit().segments == (Segment(BEGIN, LATER + POLICY.abandoned_after, None, "abandoned"),)
    assert [(m.by, m.reason) for m in after.told(VisitEnded, ANN)] == [(None, "abandoned")]
    assert after.visit().rejoin_until == LATER + POLICY.abandoned_after + POLICY.rejoin_window


def test_coming_back_in_time_is_as_if_nothing_was() -> None:
    played = live().then((LATER, goes(HOST)), (LATER + 1, comes(HOST)))

    assert played.visit().alone_since is None
    assert played.then((LATER + 2 * POLICY.abandoned_after, DeadlinePassed())).visit().phase is Phase.IN_PROGRESS


def test_a_late_alarm_does_not_lengthen_the_segment() -> None:
    dropped = live().then((LATER, goes(ANN)))

    late = dropped.then((LATER + 2 * POLICY.abandoned_after, provider(Rejoin(visit="vis_ann"))))

    assert late.visit().segments[0].ended_at == LATER + POLICY.abandoned_after
    assert late.visit().rejoin_until == LATER + POLICY.abandoned_after + POLICY.rejoin_window


# --- Remove


def test_a_removed_client_is_out_of_the_queue_and_told_so() -> None:
    played = waiting(ANN, at=SOON)

    removed = played.then((LATER, provider(Remove(entry=played.entry(ANN).id))))

    assert (removed.entry(ANN), removed.seat(ANN).stand) == (None, Stand.REMOVED)
    assert [m.reason for m in removed.told(QueueLeft, HOST)] == ["removed"]
    assert removed.closed_out(ANN) == [4511]
    removed.refuses(Refused, LATER + 1, client(CHECK_IN))


def test_a_client_removed_from_a_visit_for_two_ends_it_and_does_not_come_back() -> None:
    before = live()

    played = before.then((LATER, provider(Remove(participant="par_ann", reason="Not the right person"))))

    assert (played.visit().phase, played.seat(ANN).stand) == (Phase.ENDED, Stand.REMOVED)
    assert played.visit().segments[0].reason == "removed"
    assert [m.reason for m in played.told(VisitEnded, ANN)] == ["removed"]
    assert played.closed_out(ANN) == [4511]
    assert played.visit().rev == before.visit().rev + 1
    assert "right person" not in repr([e for e in played.entries if ANN.participant not in getattr(e, "to", ())])
    played.refuses(Refused, LATER + 1, client(Rejoin(visit="vis_ann")))
    played.refuses(Refused, LATER + 1, client(CHECK_IN))


def test_a_client_removed_from_a_group_leaves_the_others_in() -> None:
    before = live_group(GIA, GUS)

    played = before.then((LATER, provider(Remove(participant="par_gia"))))

    assert played.visit("vis_group").phase is Phase.IN_PROGRESS
    assert played.closed_peers == [ClosePeers("vis_group", "par_gia")]
    assert played.visit("vis_group").rev == before.visit("vis_group").rev + 1
    played.refuses(Refused, LATER + 1, asks(GIA, Rejoin(visit="vis_group")))


def test_a_walk_in_is_removed_by_entry() -> None:
    played = waiting(WALT, at=SOON)

    removed = played.then((LATER, provider(Remove(entry=played.entry(WALT).id))))

    assert removed.room.entries == {}
    assert removed.closed_out(WALT) == [4511]


def test_removing_needs_somebody_who_is_there() -> None:
    played = live()

    played.refuses(Refused, LATER, provider(Remove(participant="par_bob")))
    played.refuses(NotFound, LATER, provider(Remove(participant="par_none")))
    played.refuses(NotFound, LATER, provider(Remove()))
    played.refuses(NotFound, LATER, co_provider(Remove(participant="par_ann")))


# --- Return to waiting


def test_a_client_returned_to_wait_is_in_the_queue_again_and_the_minutes_are_kept() -> None:
    before = live()

    played = before.then((LATER, provider(ReturnToWaiting(participant="par_ann"))))

    assert (played.visit().phase, played.seat(ANN).stand) == (Phase.SCHEDULED, Stand.WAITING)
    assert played.visit().segments == (Segment(BEGIN, LATER, "provider", "returned"),)
    assert played.seat(ANN).attended == (Interval(BEGIN, LATER),)
    assert played.entry(ANN).since == SOON
    assert played.visit().rev == before.visit().rev + 1
    assert [m.entry["rev"] for m in played.told(QueueEntered, HOST)] == [played.visit().rev]
    assert played.told(ClientReady) == []
    assert [m.status for m in played.told(WaitingChanged, ANN)] == ["available"]
    assert [m.reason for m in played.told(VisitEnded, ANN)] == ["returned"]
    assert played.closed_peers == [ClosePeers("vis_ann")]


def test_a_returned_client_is_started_anew_into_a_second_segment() -> None:
    returned = live().then((LATER, provider(ReturnToWaiting(participant="par_ann"))))

    played = returned.then((LATER + MINUTE, provider(Start(appointment="apt_ann"))))

    assert played.visit().segments[1] == Segment(LATER + MINUTE)
    assert played.seat(ANN).attended == (Interval(BEGIN, LATER), Interval(LATER + MINUTE))


def test_who_was_returned_from_a_group_is_let_in_by_a_click_of_the_provider_only() -> None:
    returned = live_group(GIA, GUS).then((LATER, provider(ReturnToWaiting(participant="par_gia"))))

    gone = returned.then((LATER + 1, asks(GIA, Leave())))

    assert returned.visit("vis_group").phase is Phase.IN_PROGRESS
    returned.refuses(Refused, LATER + 1, asks(GIA, Rejoin(visit="vis_group")))
    gone.refuses(Refused, LATER + 2, asks(GIA, Rejoin(visit="vis_group")))
    again = gone.then((LATER + 2, asks(GIA, CHECK_IN)))
    assert again.seat(GIA).stand is Stand.WAITING
    assert len(again.told(ClientReady, CO)) == 1


def test_what_becomes_of_a_group_is_not_told_to_who_was_sent_back_to_wait() -> None:
    returned = live_group(GIA, GUS).then((LATER, provider(ReturnToWaiting(participant="par_gia"))))

    ended = returned.then((LATER + 1, provider(End(visit="vis_group"))))

    assert ended.told(VisitEnded, GIA) == []
    assert len(ended.told(VisitEnded, GUS)) == 1


def test_the_last_of_a_group_and_who_is_not_in_are_not_returned() -> None:
    live_group(GIA).refuses(Refused, LATER, provider(ReturnToWaiting(participant="par_gia")))
    live().refuses(Refused, LATER, provider(ReturnToWaiting(participant="par_bob")))


def test_a_returned_client_who_gives_up_closes_with_what_was() -> None:
    returned = live().then((LATER, provider(ReturnToWaiting(participant="par_ann"))), (LATER + 1, client(Leave())))

    due = visit_deadline(returned.visit())
    assert due == LATER + 1 + POLICY.no_show_after
    closed = returned.then((due, DeadlinePassed()))

    assert len(closed.told(VisitClosed, ANN)) == 1
    assert [h.record.visit for h in closed.hand_offs if h.record.visit == "vis_ann"] == ["vis_ann"]


def test_of_an_end_waiting_clients_hear_that_the_provider_is_free_again_and_no_more() -> None:
    played = live(WILMA).then((LATER, provider(END)))

    [told] = [e.message for e in played.entries if isinstance(e, Told) and "par_wilma" in e.to]
    assert isinstance(told, WaitingChanged)
    assert (told.status, told.minutes, told.ahead) == ("available", None, None)
