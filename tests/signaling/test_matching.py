"""A walk-in takes a seat of an appointment: by a provider's click, and never by itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.effects import Audit, Told
from signaling.errors import Busy, NotFound, Refused, Stale
from signaling.events import LinkRevoked, Rescheduled
from signaling.lookup import holder
from signaling.messages import ClientView, Displaced, QueueLeft, VisitChanged, VisitStarted
from signaling.policy import MINUTE
from signaling.requests import Admit, CheckIn, End, Finish, Leave, Remove, ReturnToWaiting, Start
from signaling.state import Interval, Phase, Role, Stand, Who
from signaling.view import view
from tests.signaling.people import ANN, ANNS, CHECK_IN, GIA, GUS, GWEN, HOST, POLICY, SOON, WALT, WILMA
from tests.signaling.play import Played, asks, client, co_provider, comes, goes, play, provider, waiting, walk_in

LATER = SOON + MINUTE


def matched(played: Played, appointment: str = "apt_ann", client: str | None = None) -> Start:
    """The click that starts an appointment with Walt in a seat of it."""
    return Start(entry=played.entry(WALT).id, appointment=appointment, client=client)


def live_group() -> Played:
    """Gia is in the live group; Walt waits in the lane of those nobody knows."""
    return waiting(GIA, WALT, at=SOON).then((LATER, provider(Start(appointment="apt_group"))))


def test_a_walk_in_is_let_into_the_appointment_that_the_provider_names() -> None:
    played = waiting(WALT, at=SOON)

    started = played.then((LATER, provider(matched(played))))

    seat = started.seat(WALT)
    assert (started.visit().phase, list(started.visit().seats)) == (Phase.IN_PROGRESS, ["par_walt"])
    assert (seat.stand, seat.client, seat.waited) == (Stand.IN, "mrn-par_ann", (Interval(SOON, LATER),))
    assert [m.visit for m in started.told(VisitStarted, WALT)] == ["vis_ann"]
    assert [m.reason for m in started.told(QueueLeft, HOST)] == ["admitted"]
    assert view(started.room, WALT).phase == "in_progress"  # type: ignore[union-attr]


def test_who_matched_whom_is_in_the_trail() -> None:
    played = waiting(WALT, at=SOON)

    started = played.then((LATER, provider(matched(played))))

    assert Audit("match", "dr_host", "vis_ann", "par_walt") in started.entries


def test_nothing_is_matched_by_itself_not_even_the_same_name() -> None:
    namesake = replace(WALT, name=ANN.name)
    played = play((SOON, asks(namesake, replace(CHECK_IN, display_name=ANN.name))))

    started = played.then((LATER, provider(Start(entry=played.entry(WALT).id))))

    assert [v.appointment for v in started.room.visits.values() if WALT.participant in v.seats] == [None]
    assert started.visit().phase is Phase.SCHEDULED


def test_the_click_is_one_step_of_rev_and_is_made_for_the_rev_it_expects() -> None:
    played = waiting(WALT, at=SOON)

    played.refuses(Stale, LATER, provider(replace(matched(played), expect=7)))
    started = played.then((LATER, provider(replace(matched(played), expect=0))))

    assert started.visit().rev == 1


def test_a_matched_walk_in_never_reads_whose_seat_it_is() -> None:
    played = waiting(WALT, at=SOON)

    started = played.then((LATER, provider(matched(played))))

    [to_walt] = started.told(VisitStarted, WALT)
    [to_host] = started.told(VisitStarted, HOST)
    assert [p["name"] for p in to_walt.participants] == [HOST.name, WALT.name]
    assert [p["name"] for p in to_host.participants] == [HOST.name, ANN.name]
    assert ANN.name not in repr(view(started.room, WALT))


def test_the_seat_of_somebody_who_waits_is_taken_by_nobody() -> None:
    played = waiting(ANN, WALT, at=SOON)

    played.refuses(Refused, LATER, provider(matched(played)))


def test_the_seat_of_somebody_who_took_part_is_taken_by_nobody() -> None:
    played = waiting(GIA, GUS, GWEN, WALT, at=SOON).then(
        (LATER, provider(Start(appointment="apt_group"))), (LATER + 1, asks(GUS, Leave()))
    )

    played.refuses(NotFound, LATER + 2, provider(admitted(played, "mrn-par_ann")))
    played.refuses(Refused, LATER + 2, provider(admitted(played, "mrn-par_gus")))
    played.refuses(Refused, LATER + 2, provider(admitted(played)))


def admitted(played: Played, client: str | None = None) -> Admit:
    """The click that lets Walt into the live group."""
    return Admit(entry=played.entry(WALT).id, appointment="apt_group", client=client)


def test_of_several_free_seats_the_provider_names_one() -> None:
    played = live_group()

    played.refuses(Refused, LATER + 1, provider(admitted(played)))
    played.refuses(Refused, LATER + 1, provider(Admit(entry=played.entry(WALT).id)))
    joined = played.then((LATER + 1, provider(admitted(played, "mrn-par_gus"))))

    assert list(joined.visit("vis_group").seats) == ["par_gia", "par_walt", "par_gwen"]
    assert joined.seat(WALT).stand is Stand.IN
    assert joined.visit("vis_group").rev == played.visit("vis_group").rev + 1
    assert [c["seat"] for c in joined.told(VisitChanged, HOST)[-1].appointment["clients"]] == ["in", "in", "out"]


def test_a_group_starts_with_those_who_are_ready_and_the_walk_in() -> None:
    played = waiting(GIA, WALT, WILMA, at=SOON)

    started = played.then((LATER, provider(matched(played, "apt_group", "mrn-par_gwen"))))

    assert {id for id, s in started.visit("vis_group").seats.items() if s.stand is Stand.IN} == {"par_gia", "par_walt"}
    assert [e.participant for e in started.room.entries.values()] == ["par_wilma"]


def test_a_co_provider_matches_nobody_for_the_lane_is_the_hosts() -> None:
    played = live_group()

    played.refuses(NotFound, LATER + 1, co_provider(admitted(played, "mrn-par_gus")))


def test_a_visit_that_was_started_takes_no_walk_in_by_start() -> None:
    played = live_group()

    played.refuses(Refused, LATER + 1, provider(matched(played, "apt_group", "mrn-par_gus")))


def test_the_link_of_a_seat_that_was_given_away_leads_to_nothing() -> None:
    played = waiting(WALT, at=SOON)

    started = played.then((LATER, provider(matched(played))))

    assert len(started.told(Displaced, ANN)) == 1
    assert started.closed_out(ANN) == [4509]
    assert view(started.room, ANN).phase == "closed"  # type: ignore[union-attr]
    started.refuses(Refused, LATER + 1, client(CHECK_IN))


def owner(played: Played, of: str = "vis_ann", link: str = ANN.participant, name: str = ANN.name) -> Who:
    """Whoever comes now by the join link of a seat."""
    return Who(Role.CLIENT, holder(played.room, of, link), visit=of, name=name)


def test_who_comes_by_the_link_of_a_seat_that_was_given_away_takes_it_back_by_a_click() -> None:
    played = waiting(WALT, at=SOON)
    started = played.then((LATER, provider(matched(played))))
    ann = owner(started)

    started.refuses(Busy, LATER + 1, comes(ann, device="ann's", connection="con_owner"))
    taken = started.then((LATER + 2, comes(ann, device="ann's", connection="con_owner", takeover=True)))

    assert [m for m in taken.entries if isinstance(m, Told) and m.connection == "con_par_walt" and m.close == 4509]
    shown = view(taken.room, ann)
    assert isinstance(shown, ClientView)
    assert shown.phase == "in_progress"
    assert isinstance(shown.participants, tuple)
    assert [p["name"] for p in shown.participants if p["you"]] == [ANN.name]
    assert WALT.name not in repr(shown)
    ended = taken.then(
        (LATER + 3, asks(ann, End(visit="vis_ann"), by="con_owner")), (LATER + 3, provider(Finish(visit="vis_ann")))
    )
    assert ended.hand_offs[0].record.facts["clients"][0]["identity"] == "link"


def test_who_was_taken_for_another_and_takes_over_again_still_reads_no_name_of_theirs() -> None:
    played = waiting(WALT, at=SOON)
    started = played.then((LATER, provider(matched(played))))
    taken = started.then((LATER + 1, comes(owner(started), device="ann's", connection="con_owner", takeover=True)))

    again = taken.then((LATER + 2, comes(WALT, connection="con_again", takeover=True)))

    assert ANN.name not in repr(view(again.room, WALT))


def test_a_revoked_link_ends_what_its_owner_took_back_and_leaves_the_walk_in_alone() -> None:
    played = waiting(WALT, at=SOON)
    started = played.then((LATER, provider(matched(played))))

    assert started.then((LATER + 1, LinkRevoked(ANN.participant))).closed_out(WALT) == []
    taken = started.then((LATER + 1, comes(owner(started), device="ann's", connection="con_owner", takeover=True)))
    revoked = taken.then((LATER + 2, LinkRevoked(ANN.participant)))
    assert revoked.closed_out(WALT) == [4512]
    assert "con_owner" not in revoked.room.connections


def test_whom_the_provider_took_for_another_and_sent_away_leaves_the_seat_to_its_client() -> None:
    live = live_group()
    let_in = live.then((LATER + 1, provider(admitted(live, "mrn-par_gus"))))

    sent = let_in.then((LATER + 2, provider(Remove(participant=WALT.participant))))

    assert sent.closed_out(WALT) == [4511]
    assert holder(sent.room, "vis_group", GUS.participant) == GUS.participant
    came = sent.then((LATER + 3, asks(GUS, CHECK_IN)))
    came.move(LATER + 4, provider(Admit(entry=came.entry(GUS).id)))
    assert came.seat(GUS).stand is Stand.IN
    came.move(LATER + 5, provider(End(visit="vis_group")))
    came.move(LATER + 5, provider(Finish(visit="vis_group")))
    said = {one["participant"]: one for one in came.hand_offs[0].record.facts["clients"]}
    assert (said["par_gus"]["id"], said["par_gus"]["identity"]) == ("mrn-par_gus", "link")
    assert (said["par_walt"]["id"], said["par_walt"]["name"]) == (None, WALT.name)


def test_an_owner_who_took_the_seat_back_and_is_sent_away_stays_away() -> None:
    live = live_group()
    let_in = live.then((LATER + 1, provider(admitted(live, "mrn-par_gus"))))
    gus = owner(let_in, "vis_group", GUS.participant, GUS.name)
    taken = let_in.then((LATER + 2, comes(gus, device="gus's", connection="con_owner", takeover=True)))

    sent = taken.then((LATER + 3, provider(Remove(participant=WALT.participant))))

    assert sent.seat(gus).stand is Stand.REMOVED
    assert holder(sent.room, "vis_group", GUS.participant) == gus.participant
    assert len(sent.visit("vis_group").seats) == len(live.visit("vis_group").seats)


def test_of_a_visit_for_two_they_are_sent_back_to_wait_and_then_away() -> None:
    played = waiting(WALT, at=SOON)
    started = played.then((LATER, provider(matched(played))))

    sent = started.then(
        (LATER + 1, provider(ReturnToWaiting(participant=WALT.participant))),
        (LATER + 2, provider(Remove(participant=WALT.participant))),
    )

    assert sent.visit().phase is Phase.SCHEDULED
    assert sent.then((LATER + 3, asks(ANN, CHECK_IN))).seat(ANN).stand is Stand.WAITING


def test_who_waited_by_their_link_before_has_waited_all_the_same() -> None:
    played = waiting(ANN, at=SOON).then((SOON + 1, goes(ANN, bye=True)), (SOON + 2, walk_in(CHECK_IN)))

    started = played.then((LATER, provider(matched(played))))

    assert started.seat(WALT).waited == (Interval(SOON, SOON + 1), Interval(SOON + 2, LATER))


def test_the_ehr_goes_on_to_know_the_seat_by_its_client() -> None:
    played = waiting(WALT, at=SOON)
    started = played.then((LATER, provider(matched(played))))
    moved = replace(ANNS, seats=(replace(ANNS.seats[0], payer="aetna"),))

    changed = started.then((LATER + 1, Rescheduled(moved, POLICY)))

    assert [(id, seat.payer) for id, seat in changed.visit().seats.items()] == [("par_walt", "aetna")]


def test_the_record_is_about_the_client_and_says_what_the_walk_in_said() -> None:
    played = play((SOON, walk_in(CHECK_IN)))
    played.move(LATER, provider(matched(played)))

    closed = played.then((LATER + MINUTE, provider(End(visit="vis_ann"))), (LATER + MINUTE, provider(FINISH)))

    [record] = [entry.record for entry in closed.hand_offs]
    [found] = record.facts["clients"]
    assert (found["id"], found["name"], found["place"]["state"]) == ("mrn-par_ann", ANN.name, CHECK_IN.place.state)
    assert "client_not_matched" not in record.flags


FINISH = Finish(visit="vis_ann")


@pytest.mark.parametrize("request_", [CHECK_IN, replace(CHECK_IN, display_name="Ann")])
def test_a_typed_name_is_shown_as_it_was_typed(request_: CheckIn) -> None:
    played = play((SOON, walk_in(request_)))

    assert played.entry(WALT).name == (request_.display_name or WALT.name)
