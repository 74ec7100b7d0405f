"""Start and admit: exactly the clients who wait for one appointment come in, and nobody else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.errors import Busy, Forbidden, NotFound, NotReady, Refused, Stale
from signaling.fields import Override
from signaling.messages import ClientReady, ParticipantChanged, QueueLeft, VisitStarted
from signaling.policy import MINUTE
from signaling.requests import Admit, Start
from signaling.state import Interval, Phase, Segment, Stand
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, EVA, GIA, GUS, GWEN, HOST, SOON, WALT
from tests.signaling.play import asks, client, co_provider, goes, play, provider, waiting

LATER = SOON + MINUTE
START_ANN = Start(appointment="apt_ann")
START_GROUP = Start(appointment="apt_group")


def test_start_lets_exactly_that_appointments_waiting_client_in() -> None:
    played = waiting(ANN, BOB, WALT, GIA, at=SOON).then((LATER, provider(START_ANN)))

    assert played.visit().phase is Phase.IN_PROGRESS
    assert played.visit().segments == (Segment(LATER),)
    assert (played.seat(ANN).stand, played.seat(ANN).waited) == (Stand.IN, (Interval(SOON, LATER),))
    assert {e.participant for e in played.room.entries.values()} == {"par_bob", "par_walt", "par_gia"}
    assert [m.reason for m in played.told(QueueLeft)] == ["admitted"]
    for somebody_else in (BOB, WALT, GIA, CO):
        assert played.told(VisitStarted, somebody_else) == []


def test_both_sides_are_told_who_is_there() -> None:
    played = waiting(ANN, at=SOON).then((LATER, provider(START_ANN)))

    [to_host] = played.told(VisitStarted, HOST)
    [to_client] = played.told(VisitStarted, ANN)
    assert [(p["name"], p["you"]) for p in to_client.participants] == [(HOST.name, False), (ANN.name, True)]
    assert [p.get("client") for p in to_host.participants] == [None, "mrn-par_ann"]
    assert (to_host.segment, to_host.rev, to_host.visit) == (1, 2, "vis_ann")
    assert played.webhooks == ["visit.started"]
    assert played.trail == ["start"]


def test_one_click_is_one_step_of_rev() -> None:
    played = waiting(GIA, GUS, GWEN, at=SOON)

    started = played.then((LATER, provider(START_GROUP)))

    assert (played.visit("vis_group").rev, started.visit("vis_group").rev) == (3, 4)
    assert (started.replies[0].rev, started.replies[0].visit) == (4, "vis_group")


def test_a_group_starts_with_those_who_are_ready() -> None:
    played = waiting(GIA, GUS, at=SOON).then((LATER, provider(START_GROUP)), (LATER + 1, asks(GWEN, CHECK_IN)))

    assert {who.participant: played.seat(who).stand for who in (GIA, GUS, GWEN)} == {
        "par_gia": Stand.IN,
        "par_gus": Stand.IN,
        "par_gwen": Stand.WAITING,
    }
    assert played.told(VisitStarted, GWEN) == []


def test_a_latecomer_of_a_group_is_admitted_by_a_click() -> None:
    live = waiting(GIA, at=SOON).then((LATER, provider(START_GROUP)), (LATER + 1, asks(GWEN, CHECK_IN)))
    rev = live.visit("vis_group").rev

    played = live.then((LATER + 2, provider(Admit(entry=live.entry(GWEN).id))))

    assert (played.seat(GWEN).stand, played.seat(GWEN).attended) == (Stand.IN, (Interval(LATER + 2),))
    assert len(played.told(VisitStarted, GWEN)) == 1
    assert [m.participant["id"] for m in played.told(ParticipantChanged, GIA)] == ["par_gwen"]
    assert played.visit("vis_group").rev == rev + 1
    assert played.told(ClientReady) == []


def test_admit_is_for_a_live_visit_of_that_client() -> None:
    played = waiting(GIA, WALT, at=SOON)

    played.refuses(Refused, LATER, provider(Admit(entry=played.entry(GIA).id)))
    played.refuses(Refused, LATER, provider(Admit(entry=played.entry(WALT).id)))
    played.refuses(NotFound, LATER, provider(Admit(entry="ent_none")))


def test_while_one_visit_is_live_another_start_is_busy() -> None:
    played = waiting(ANN, BOB, at=SOON).then((LATER, provider(START_ANN)))

    played.refuses(Busy, LATER + 1, provider(Start(appointment="apt_bob")))

    assert played.seat(BOB).stand is Stand.WAITING


def test_start_before_anybody_waits_is_not_ready() -> None:
    played = waiting(BOB, at=SOON)

    played.refuses(NotReady, LATER, provider(START_ANN))


def test_of_two_clicks_on_start_one_wins_and_the_other_is_stale() -> None:
    played = waiting(ANN, at=SOON).then((LATER, provider(replace(START_ANN, expect=1))))

    error = played.refuses(Stale, LATER, provider(replace(START_ANN, expect=1)))

    assert isinstance(error, Stale)
    assert (error.present["phase"], error.present["rev"]) == ("in_progress", 2)
    played.refuses(Refused, LATER, provider(START_ANN))


def test_a_start_made_for_a_queue_that_has_changed_is_stale() -> None:
    played = waiting(GIA, GUS, at=SOON)

    played.refuses(Stale, LATER, provider(replace(START_GROUP, expect=1)))


def test_a_walk_in_is_started_by_entry() -> None:
    played = waiting(WALT, at=SOON)
    entry = played.entry(WALT).id

    started = played.then((LATER, provider(Start(entry=entry))))

    [visit] = [v for v in started.room.visits.values() if v.appointment is None]
    assert (visit.phase, visit.seats["par_walt"].stand) == (Phase.IN_PROGRESS, Stand.IN)
    assert visit.seats["par_walt"].waited == (Interval(SOON, LATER),)
    assert [m.visit for m in started.told(VisitStarted, WALT)] == [visit.id]
    assert started.room.entries == {}


def test_an_entry_of_an_appointment_starts_that_appointment() -> None:
    played = waiting(ANN, BOB, at=SOON)
    entry = played.entry(ANN).id

    assert played.then((LATER, provider(Start(entry=entry)))).seat(ANN).stand is Stand.IN
    played.refuses(Refused, LATER, provider(Start(entry=entry, appointment="apt_bob")))
    played.refuses(NotFound, LATER, provider(Start()))


def test_a_co_provider_starts_the_shared_appointment_alone() -> None:
    played = waiting(ANN, EVA, WALT, at=SOON)

    played.refuses(NotFound, LATER, co_provider(START_ANN))
    played.refuses(NotFound, LATER, co_provider(Start(entry=played.entry(ANN).id)))
    played.refuses(NotFound, LATER, co_provider(Start(entry=played.entry(WALT).id)))
    started = played.then((LATER, co_provider(Start(appointment="apt_eva"))))

    assert started.seat(EVA).stand is Stand.IN
    assert len(started.told(VisitStarted, HOST)) == len(started.told(VisitStarted, CO)) == 1


def test_a_client_starts_nothing() -> None:
    waiting(ANN, at=SOON).refuses(Forbidden, LATER, client(START_ANN))


def test_an_override_leaves_its_rule_in_the_trail_and_not_its_words() -> None:
    start = replace(START_ANN, override=Override("licence", "Ann is moving next week"))

    played = waiting(ANN, at=SOON).then((LATER, provider(start)))

    assert "Ann is moving" not in repr(played.entries)
    assert "override:licence" in repr(played.entries)


@pytest.mark.parametrize("media", ["audio", "video"])
def test_the_check_ins_modality_is_carried_into_the_visit(media: str) -> None:
    played = play((SOON, client(replace(CHECK_IN, media=media))), (LATER, provider(START_ANN)))

    [_, ann] = played.told(VisitStarted, HOST)[0].participants
    assert (ann["mode"], ann["camera"]) == (media, media == "video")


def test_a_client_who_dropped_within_grace_is_let_in_and_awaited() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, goes(ANN)), (LATER, provider(START_ANN)))

    assert (played.seat(ANN).stand, played.visit().alone_since) == (Stand.IN, LATER)
