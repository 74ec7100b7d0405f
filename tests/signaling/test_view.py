"""What each participant may see of a room: all of their own, and nobody else's."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from signaling.events import Rescheduled
from signaling.messages import ClientView, ProviderView, VisitClosed
from signaling.policy import HOUR, MINUTE
from signaling.requests import End, Finish, Rejoin, Remove, ReturnToWaiting, SetStatus, Start
from signaling.state import Role, Room, Who
from signaling.view import may_be_told, may_see, view
from tests.signaling.people import (
    ANN,
    BOB,
    CHECK_IN,
    CLIENTS,
    CO,
    CONSENT,
    EVA,
    EVAS,
    GIA,
    GUS,
    GWEN,
    HOST,
    POLICY,
    SOON,
    START,
    WALT,
    WILMA,
    person,
)
from tests.signaling.play import Played, asks, client, play, provider, waiting

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE
ICE = ({"urls": ["turn:127.0.0.1"], "credential": "secret"},)


def client_view(room: Room, who: Who) -> ClientView:
    shown = view(room, who, ice_servers=ICE)
    assert isinstance(shown, ClientView)
    return shown


def provider_view(room: Room, who: Who) -> ProviderView:
    shown = view(room, who, ice_servers=ICE)
    assert isinstance(shown, ProviderView)
    return shown


def full_house() -> Played:
    """Ann is in; everybody else waits, Gia with her group."""
    return waiting(ANN, BOB, EVA, GIA, GUS, WALT, WILMA, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))


@pytest.mark.parametrize("who", CLIENTS, ids=lambda who: who.participant)
def test_a_clients_view_names_nobody_but_them_and_their_provider(who: Who) -> None:
    text = msgspec.json.encode(client_view(full_house().room, who)).decode()

    for other in CLIENTS:
        if other is not who:
            assert other.name not in text
            assert other.participant not in text
    assert "mrn-" not in text
    assert CO.name not in text


@pytest.mark.parametrize("who", [BOB, EVA, GWEN, WALT], ids=lambda who: who.participant)
def test_before_admission_there_is_nothing_of_a_visit(who: Who) -> None:
    shown = client_view(full_house().room, who)

    assert (shown.participants, shown.ice_servers, shown.visit, shown.ahead) == (UNSET, UNSET, None, None)
    assert b"secret" not in msgspec.json.encode(shown)


def test_who_waits_to_be_let_into_a_live_group_sees_nothing_of_it() -> None:
    live = waiting(GIA, GUS, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (LATER, asks(GWEN, CHECK_IN))
    )

    shown = client_view(live.room, GWEN)

    assert (shown.phase, shown.participants, shown.ice_servers) == ("waiting", UNSET, UNSET)


def test_a_clients_view_follows_the_visit_as_they_live_it() -> None:
    visit = "vis_ann"
    moves = [
        (SOON, client(CHECK_IN), "waiting"),
        (BEGIN, provider(Start(appointment="apt_ann")), "in_progress"),
        (LATER, client(End(visit=visit)), "ended"),
        (LATER + 1, provider(Rejoin(visit=visit)), "rejoin_pending"),
        (LATER + 2, client(Rejoin(visit=visit)), "in_progress"),
        (LATER + 3, provider(ReturnToWaiting(participant="par_ann")), "waiting"),
        (LATER + 4, provider(Start(appointment="apt_ann")), "in_progress"),
        (LATER + 5, provider(End(visit=visit)), "ended"),
        (LATER + 6, provider(Finish(visit=visit)), "closed"),
    ]
    played = play()
    assert client_view(played.room, ANN).phase == "scheduled"

    seen = []
    for now, event, _ in moves:
        played.move(now, event)
        seen.append(client_view(played.room, ANN).phase)

    assert seen == [phase for _, _, phase in moves]


def test_the_view_before_check_in_holds_what_the_page_needs() -> None:
    shown = client_view(play().room, ANN)

    assert shown.appointment == {
        "id": "apt_ann",
        "start": START,
        "end": START + 60 * MINUTE,
        "opens": START - 5 * HOUR,
        "group": False,
    }
    assert shown.provider == {"name": HOST.name, "status": "available"}
    assert shown.practice["consent"] == {"version": CONSENT.version, "text": CONSENT.text}
    assert (shown.checked_in, shown.rev) == (False, 0)


def test_in_the_visit_both_are_shown_and_ice_servers_given() -> None:
    shown = client_view(full_house().room, ANN)

    assert shown.participants is not UNSET
    assert [(p["id"], p["you"]) for p in shown.participants] == [("dr_host", False), ("par_ann", True)]
    assert shown.ice_servers == ICE


def test_after_the_end_media_and_names_are_gone_and_the_window_is_shown() -> None:
    ended = full_house().then((LATER, client(End(visit="vis_ann"))), (LATER + 1, client(Rejoin(visit="vis_ann"))))

    shown = client_view(ended.room, ANN)

    assert (shown.participants, shown.ice_servers) == (UNSET, UNSET)
    assert (shown.rejoin_until, shown.agreed) == (LATER + POLICY.rejoin_window, ("client",))


def test_a_removed_client_sees_a_closed_door() -> None:
    removed = full_house().then((LATER, provider(Remove(participant="par_ann"))))

    assert (client_view(removed.room, ANN).phase, client_view(removed.room, ANN).visit) == ("closed", None)


def test_in_a_group_clients_see_one_another_without_names() -> None:
    group = waiting(GIA, GUS, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))))

    shown = client_view(group.room, GIA)

    assert shown.participants is not UNSET
    assert [p["name"] for p in shown.participants] == [HOST.name, CO.name, GIA.name, "Client 2"]


def test_names_in_a_group_are_shown_where_the_practice_allows_it() -> None:
    policy = replace(POLICY, names_in_group=True)
    group = waiting(GIA, GUS, at=SOON, policy=policy).then((BEGIN, provider(Start(appointment="apt_group"))))

    shown = client_view(group.room, GIA)

    assert shown.participants is not UNSET
    assert shown.participants[3]["name"] == GUS.name


def test_the_host_sees_the_whole_room() -> None:
    shown = provider_view(full_house().room, HOST)

    assert [e["participant"] for e in shown.waiting] == ["par_bob", "par_eva", "par_gia", "par_gus"]
    assert [e["participant"] for e in shown.unverified] == ["par_walt", "par_wilma"]
    assert [a["id"] for a in shown.appointments] == ["apt_ann", "apt_bob", "apt_eva", "apt_group"]
    assert [(v["id"], v["phase"], v["segment"]) for v in shown.visits] == [("vis_ann", "in_progress", 1)]
    assert shown.ice_servers == ICE


def test_a_co_provider_sees_the_shared_appointments_alone() -> None:
    shown = provider_view(full_house().room, CO)
    text = msgspec.json.encode(shown).decode()

    assert [e["participant"] for e in shown.waiting] == ["par_eva", "par_gia", "par_gus"]
    assert [a["id"] for a in shown.appointments] == ["apt_eva", "apt_group"]
    assert (shown.unverified, shown.visits, shown.ice_servers) == ((), (), UNSET)
    for hidden in (ANN, BOB, WALT, WILMA):
        assert hidden.name not in text
        assert hidden.participant not in text


def test_a_stranger_with_a_providers_role_sees_nobody() -> None:
    shown = provider_view(full_house().room, Who(Role.CO_PROVIDER, "dr_other"))

    assert (shown.waiting, shown.unverified, shown.appointments, shown.visits) == ((), (), (), ())


def test_the_queue_is_in_the_order_of_arrival_and_counted_where_shown() -> None:
    played = waiting(WALT, at=SOON, policy=replace(POLICY, show_position=True)).then(
        (SOON + 1, asks(ANN, CHECK_IN)), (SOON + 2, provider(SetStatus(status="late", minutes=3)))
    )

    assert (client_view(played.room, WALT).ahead, client_view(played.room, ANN).ahead) == (0, 1)
    assert client_view(played.room, ANN).provider == {"name": HOST.name, "status": "late", "minutes": 3}


def test_the_last_check_before_a_socket_knows_whose_visit_it_is() -> None:
    room = full_house().room

    assert [who.participant for who in (HOST, CO, ANN, BOB) if may_see(room, who, "vis_ann")] == ["dr_host", "par_ann"]
    assert may_see(room, BOB, None)
    assert may_see(room, BOB, "vis_closed_long_ago"), "its audience was fixed when it closed"


def test_the_last_look_before_a_socket_goes_by_the_room_as_it_is_known_there() -> None:
    room = full_house().room
    ended = {"type": "visit.ended", "visit": "vis_ann", "version": room.version}

    assert [may_be_told(room, who, ended) for who in (HOST, ANN, BOB)] == [True, True, False]
    assert may_be_told(None, BOB, ended)
    assert may_be_told(room, BOB, ended | {"version": room.version + 1}), "who came with it is not known here yet"


def test_who_is_taken_off_an_appointment_is_told_so() -> None:
    alone = replace(EVAS, providers=(person(HOST),))
    played = play((SOON, Rescheduled(alone, POLICY)))
    [closed] = played.told(VisitClosed, CO)

    assert may_be_told(played.room, CO, msgspec.to_builtins(closed))
