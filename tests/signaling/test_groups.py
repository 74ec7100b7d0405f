"""A group: up to twelve clients, each with their own coming and going, and names that are nobody else's business."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from signaling.errors import Forbidden, TooMany
from signaling.events import Opened, Rescheduled
from signaling.messages import VisitChanged, VisitEnded, VisitRejoinPending, VisitResumed, VisitStarted, WaitingChanged
from signaling.policy import HOUR, MINUTE
from signaling.proposals import GROUP_LIMIT
from signaling.requests import Admit, End, Leave, Rejoin, Remove, ReturnToWaiting, Start
from signaling.state import Phase, Role, Stand, Who
from signaling.view import view
from tests.signaling.people import CHECK_IN, CO, GIA, GUS, GWEN, HOST, POLICY, SOON, appointment
from tests.signaling.play import (
    Played,
    asks,
    co_provider,
    comes,
    each,
    empty_room,
    everybody_there,
    goes,
    play,
    provider,
    waiting,
)

BEGIN = SOON + MINUTE
ENDED = BEGIN + MINUTE
START = Start(appointment="apt_group")
END = End(visit="vis_group")
REJOIN = Rejoin(visit="vis_group")


def live(*clients: Who) -> Played:
    """Those clients were ready when the provider clicked Start."""
    return waiting(*clients, at=SOON).then((BEGIN, provider(START)))


def resumed_without_gus() -> Played:
    """Gia and the host went on after an End; Gus stays out."""
    return live(GIA, GUS).then((ENDED, provider(END)), (ENDED + 1, asks(GIA, REJOIN)), (ENDED + 2, provider(REJOIN)))


def test_others_are_admitted_one_by_one_or_all_by_as_many_clicks() -> None:
    played = live(GIA).then(*each((GUS, GWEN), CHECK_IN, at=BEGIN + 1))
    late = [played.entry(who).id for who in (GUS, GWEN)]

    full = played.then(*((BEGIN + 2, co_provider(Admit(entry=entry))) for entry in late))

    assert [full.seat(who).stand for who in (GIA, GUS, GWEN)] == [Stand.IN] * 3
    assert [len(full.told(VisitStarted, who)) for who in (GUS, GWEN)] == [1, 1]


def test_who_stays_out_learns_that_it_goes_on_and_of_nobody_in_it() -> None:
    played = resumed_without_gus()

    told = played.told(VisitRejoinPending, GUS)[-1]
    assert (told.live, told.agreed, told.rejoin_until) == (True, (), None)
    assert played.told(VisitResumed, GUS) == []
    shown = view(played.room, GUS)
    assert (shown.phase, shown.live, shown.rejoin_until) == ("ended", True, None)  # type: ignore[union-attr]
    assert "par_gia" not in repr(shown)


def test_their_own_click_lets_them_into_what_goes_on() -> None:
    played = resumed_without_gus().then((ENDED + MINUTE, asks(GUS, REJOIN)))

    [told] = played.told(VisitResumed, GUS)
    assert (told.segment, [p["id"] for p in told.participants]) == (2, ["dr_host", "dr_co", "par_gia", "par_gus"])


def test_the_next_end_is_for_those_outside_as_well() -> None:
    played = resumed_without_gus().then((ENDED + MINUTE, provider(END)))

    [told] = played.told(VisitEnded, GUS)
    assert (told.live, told.rejoin_until) == (False, ENDED + MINUTE + POLICY.rejoin_window)


def test_a_client_who_leaves_may_come_back_while_it_lives() -> None:
    left = live(GIA, GUS).then((ENDED, asks(GUS, Leave())))

    [told] = left.told(VisitEnded)
    assert (told.reason, told.live, told.rejoin_until) == ("left", True, None)
    assert view(left.room, GUS).live is True  # type: ignore[union-attr]
    assert left.visit("vis_group").phase is Phase.IN_PROGRESS


def test_a_client_ends_nothing_for_the_others() -> None:
    live(GIA, GUS).refuses(Forbidden, ENDED, asks(GUS, END))


def test_providers_are_told_the_rev_of_a_visit_whose_resume_found_somebody_waiting_too_long() -> None:
    """Sent back to wait long ago, Gus is let go in the very step in which the others go on."""
    policy = replace(POLICY, rejoin_window=13 * HOUR)
    room = everybody_there(policy)
    live = waiting(GIA, GUS, at=SOON, room=room).then((BEGIN, provider(START)))
    back = live.then((BEGIN + 1, provider(ReturnToWaiting(participant="par_gus"))), (ENDED, provider(END)))
    late = ENDED + policy.waiting_limit + MINUTE

    resumed = back.then((late, asks(GIA, REJOIN)), (late, provider(REJOIN)))

    assert resumed.closed_out(GUS) == [4510]
    for who in (HOST, CO):
        assert resumed.told(VisitChanged, who)[-1].appointment["rev"] == resumed.visit("vis_group").rev


def test_the_end_of_a_co_provider_is_for_all() -> None:
    played = live(GIA, GUS).then((ENDED, co_provider(END)))

    assert [m.by for who in (HOST, CO, GIA, GUS) for m in played.told(VisitEnded, who)] == ["co_provider"] * 4


def test_who_is_removed_or_sent_back_is_told_why_and_nobody_else_is() -> None:
    why = "Please come at ten"
    removed = live(GIA, GUS).then((ENDED, provider(Remove(participant="par_gia", reason=why))))
    returned = live(GIA, GUS).then((ENDED, provider(ReturnToWaiting(participant="par_gia", reason=why))))

    for played in (removed, returned):
        assert [m.text for m in played.told(VisitEnded, GIA)] == [why]
        assert why not in repr([e for e in played.entries if GIA.participant not in getattr(e, "to", ())])
        assert why not in repr(played.room)


def test_without_a_provider_or_without_a_client_it_does_not_live_on() -> None:
    nobody_left = live(GIA).then((ENDED, asks(GIA, Leave())))
    no_host = live(GIA).then((ENDED, goes(HOST)))

    assert nobody_left.visit("vis_group").phase is Phase.ENDED
    assert no_host.visit("vis_group").alone_since is None, "the co-provider is there"
    assert no_host.then((ENDED + 1, goes(CO))).visit("vis_group").alone_since == ENDED + 1


@pytest.mark.parametrize(
    ("typed", "seen"), [(None, "Client 1"), ("Gigi", "Gigi"), ("Gigi Canary-Grant", "Gigi"), ("  ", "Client 1")]
)
def test_the_others_see_a_first_name_they_chose_or_a_number(typed: str | None, seen: str) -> None:
    played = play(
        (SOON, asks(GIA, replace(CHECK_IN, display_name=typed))), (SOON, asks(GUS, CHECK_IN)), (BEGIN, provider(START))
    )

    [told] = played.told(VisitStarted, GUS)
    assert [p["name"] for p in told.participants if p["id"] == "par_gia"] == [seen]


def test_a_practice_may_let_them_see_each_others_names() -> None:
    played = waiting(GIA, GUS, at=SOON, policy=replace(POLICY, names_in_group=True)).then((BEGIN, provider(START)))

    assert GIA.name in repr(played.told(VisitStarted, GUS))


def test_nobody_in_a_waiting_room_learns_of_anybody() -> None:
    played = live(GIA).then(*each((GUS, GWEN), CHECK_IN, at=BEGIN + 1))

    for who, others in ((GUS, (GIA, GWEN)), (GWEN, (GIA, GUS))):
        heard = repr([e for e in played.entries if who.participant in getattr(e, "to", ())]) + repr(
            view(played.room, who)
        )
        assert played.told(WaitingChanged, who)
        assert not any(one.name in heard or one.participant in heard for one in others)


MANY = tuple(Who(Role.CLIENT, f"par_{n:02}", "vis_many", f"Client Canary-{n:02}") for n in range(GROUP_LIMIT + 2))
MANYS = appointment("many", *MANY[2:], group=True)
OTHERS = appointment("many", *MANY[:-2], group=True)


def thirteen() -> Played:
    """A group of fourteen, of whom thirteen wait and the first twelve were let in.

    It was planned for twelve; then for twelve again, when two of them who are no longer meant waited already.
    """
    played = Played(empty_room())
    played.move(0, Opened(MANYS, POLICY))
    for who in (HOST, *MANY[2:]):
        played.move(0, comes(who))
    for number, who in enumerate(reversed(MANY[2:])):
        played.move(SOON + number, asks(who, CHECK_IN))
    for moment in (Rescheduled(OTHERS, POLICY), comes(MANY[0]), comes(MANY[1]), asks(MANY[1], CHECK_IN)):
        played.move(SOON + len(MANY), moment)
    played.move(BEGIN, provider(Start(appointment="apt_many")))
    return played


@pytest.mark.parametrize("told", [Opened, Rescheduled])
def test_an_appointment_of_more_than_twelve_is_none(told: type[Opened | Rescheduled]) -> None:
    too_many = appointment("many", *MANY[1:], group=True)

    Played(empty_room()).refuses(TooMany, 0, told(too_many, POLICY))
    Played(empty_room()).then((0, Opened(MANYS, POLICY))).refuses(TooMany, 1, Rescheduled(too_many, POLICY))


def test_a_group_lets_in_twelve_and_keeps_the_others_waiting() -> None:
    played = thirteen()

    stands = [seat.stand for seat in played.visit("vis_many").seats.values()]
    assert (stands.count(Stand.IN), stands.count(Stand.WAITING)) == (GROUP_LIMIT, 1)
    assert played.seat(MANY[1]).stand is Stand.WAITING, "who came last waits"
    [waits] = played.room.entries
    played.refuses(TooMany, BEGIN + 1, provider(Admit(entry=waits)))

    made_room = played.then((BEGIN + 2, asks(MANY[5], Leave())), (BEGIN + 3, provider(Admit(entry=waits))))
    made_room.refuses(TooMany, BEGIN + 4, asks(MANY[5], Rejoin(visit="vis_many")))


def test_of_thirteen_who_were_in_twelve_may_agree_to_go_on() -> None:
    played = thirteen()
    [waits] = played.room.entries
    ended = played.then(
        (BEGIN + 2, asks(MANY[5], Leave())),
        (BEGIN + 3, provider(Admit(entry=waits))),
        (ENDED, provider(End(visit="vis_many"))),
        *each(MANY[1:-1], Rejoin(visit="vis_many"), at=ENDED + 1),
    )

    ended.refuses(TooMany, ENDED + 2, asks(MANY[-1], Rejoin(visit="vis_many")))
