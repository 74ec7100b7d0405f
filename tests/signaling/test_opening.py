"""An appointment becomes a visit, and changes while somebody may already wait for it."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.errors import Refused
from signaling.events import Configured, DeadlinePassed, Opened, Rescheduled
from signaling.messages import (
    ParticipantChanged,
    VisitChanged,
    VisitClosed,
    VisitEnded,
    VisitRejoinPending,
    VisitStarted,
)
from signaling.policy import HOUR, MINUTE
from signaling.requests import End, Rejoin, Start
from signaling.room import deadline
from signaling.state import Phase, Stand
from signaling.view import view
from tests.signaling.people import (
    ANN,
    ANNS,
    CHECK_IN,
    CO,
    EVA,
    EVAS,
    GIA,
    GROUP,
    GUS,
    GWEN,
    HOST,
    POLICY,
    SOON,
    START,
    appointment,
    person,
    seat,
)
from tests.signaling.play import asks, client, co_provider, empty_room, goes, play, provider, waiting

BEGIN = SOON + MINUTE


def test_an_appointment_opens_once_and_its_providers_see_it() -> None:
    played = play((5, Opened(EVAS, POLICY)), (6, Opened(EVAS, POLICY)), room=empty_room())

    assert (played.visit("vis_eva").phase, played.visit("vis_eva").rev) == (Phase.SCHEDULED, 0)
    [told] = played.told(VisitChanged)
    assert played.told(VisitChanged, HOST) == played.told(VisitChanged, CO) == [told]
    assert (told.appointment["id"], told.appointment["phase"]) == ("apt_eva", "scheduled")


def test_a_visit_is_judged_by_the_policy_it_was_opened_with() -> None:
    lax = replace(POLICY, practice=replace(POLICY.practice, consent=replace(POLICY.practice.consent, version="2025")))

    played = play((5, Configured(person(HOST), lax)), (SOON, client(CHECK_IN)))

    assert played.seat(ANN).stand is Stand.WAITING
    assert played.room.policy is lax


def test_telling_the_same_again_changes_nothing() -> None:
    played = play()

    again = played.then((5, Rescheduled(ANNS, POLICY)), (6, Configured(person(HOST), POLICY)))

    assert again.room is played.room


def test_another_time_moves_the_deadline_and_keeps_who_waits() -> None:
    played = waiting(ANN, at=SOON)

    moved = played.then((BEGIN, Rescheduled(replace(ANNS, start=START + HOUR, end=START + 2 * HOUR), POLICY)))

    assert (moved.visit().start, moved.visit().rev) == (START + HOUR, 2)
    assert moved.entry(ANN).since == SOON
    assert [m.appointment["start"] for m in moved.told(VisitChanged, HOST)] == [START + HOUR]


def test_moved_into_the_past_it_is_no_no_show_at_once() -> None:
    played = play((5, Opened(ANNS, POLICY)), room=empty_room())

    moved = played.then((SOON, Rescheduled(replace(ANNS, start=5), POLICY)))

    assert deadline(moved.room) == SOON + POLICY.no_show_after


def test_a_client_who_is_no_longer_meant_is_sent_away_and_refused() -> None:
    fewer = appointment("group", GIA, GUS, providers=(HOST, CO), group=True)

    played = play((5, Rescheduled(fewer, POLICY)))

    assert [m.outcome for m in played.told(VisitClosed, GWEN)] == ["cancelled"]
    assert played.closed_out(GWEN) == [4510]
    assert view(played.room, GWEN).phase == "closed"  # type: ignore[union-attr]
    played.refuses(Refused, SOON, asks(GWEN, CHECK_IN))


def test_who_already_waits_is_not_written_out() -> None:
    fewer = appointment("group", GIA, GUS, providers=(HOST, CO), group=True)

    played = waiting(GWEN, at=SOON).then((BEGIN, Rescheduled(fewer, POLICY)))

    assert played.seat(GWEN).stand is Stand.WAITING


def test_a_started_visit_keeps_its_providers_and_gains_others() -> None:
    live = waiting(EVA, at=SOON).then((BEGIN, provider(Start(appointment="apt_eva"))))

    without = live.then((BEGIN + 1, Rescheduled(replace(EVAS, providers=(person(HOST),)), POLICY)))
    ended = without.then(
        (BEGIN + 2, co_provider(End(visit="vis_eva"))),
        (BEGIN + 3, co_provider(Rejoin(visit="vis_eva"))),
        (BEGIN + 4, provider(Rejoin(visit="vis_eva"))),
    )

    assert without.visit("vis_eva").providers == (person(HOST), person(CO))
    assert ended.visit("vis_eva").phase is Phase.REJOIN_PENDING, "two providers are one side"


def test_a_provider_who_comes_to_a_live_visit_sees_it_and_is_seen() -> None:
    alone = play((5, Rescheduled(replace(EVAS, providers=(person(HOST),)), POLICY)))
    live = alone.then((SOON, asks(EVA, CHECK_IN)), (BEGIN, provider(Start(appointment="apt_eva"))))

    joined = live.then((BEGIN + 1, Rescheduled(EVAS, POLICY)))

    [started] = joined.told(VisitStarted, CO)
    assert {one["id"] for one in started.participants} == {"dr_host", "dr_co", "par_eva"}
    for who in (HOST, EVA):
        assert [told.participant["id"] for told in joined.told(ParticipantChanged, who)] == ["dr_co"]


def test_a_provider_who_comes_to_a_visit_that_ended_may_rejoin_it() -> None:
    alone = play((5, Rescheduled(replace(EVAS, providers=(person(HOST),)), POLICY)))
    ended = alone.then(
        (SOON, asks(EVA, CHECK_IN)),
        (BEGIN, provider(Start(appointment="apt_eva"))),
        (BEGIN + 1, asks(EVA, End(visit="vis_eva"))),
        (BEGIN + 2, asks(EVA, Rejoin(visit="vis_eva"))),
    )

    joined = ended.then((BEGIN + 3, Rescheduled(EVAS, POLICY)))

    [over], [pending] = joined.told(VisitEnded, CO), joined.told(VisitRejoinPending, CO)
    assert over.rejoin_until == pending.rejoin_until == joined.visit("vis_eva").rejoin_until
    assert pending.agreed == ("client",)


def test_a_seat_comes_into_an_opened_group() -> None:
    more = replace(GROUP, seats=(*GROUP.seats, seat(EVA)))

    played = play((5, Rescheduled(more, POLICY)))

    assert list(played.visit("vis_group").seats) == ["par_gia", "par_gus", "par_gwen", "par_eva"]


def test_a_late_alarm_tells_the_last_rev_of_all_that_it_brings() -> None:
    live = waiting(GIA, at=SOON).then(
        (SOON + 1, provider(Start(appointment="apt_group"))), (SOON + 2, asks(GWEN, CHECK_IN))
    )
    gone = live.then(*((SOON + at, goes(who)) for at, who in ((3, HOST), (4, CO), (5, GIA), (6, GWEN))))

    late = gone.then((SOON + 10 * MINUTE, DeadlinePassed()))

    visit = late.visit("vis_group")
    assert (visit.phase, visit.seats[GWEN.participant].stand) == (Phase.ENDED, Stand.OUT)
    assert late.told(VisitChanged, HOST)[-1].appointment["rev"] == visit.rev
