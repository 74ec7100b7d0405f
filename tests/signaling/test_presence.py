"""Who is connected, and that a drop, a reload or a dead node is no departure."""

from __future__ import annotations

import pytest

from signaling.effects import ClosePeers
from signaling.errors import Busy, Refused
from signaling.events import DeadlinePassed, LinkRevoked, MediaChanged, NodeGone
from signaling.messages import Displaced, ParticipantChanged, ProviderView, QueueChanged
from signaling.modality import admitted
from signaling.policy import MINUTE
from signaling.requests import End, Leave, SetStatus, Start
from signaling.state import Interval, Phase, Stand, Who
from signaling.view import view
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, GIA, HOST, POLICY, SOON
from tests.signaling.play import Played, asks, client, comes, empty_room, goes, play, provider, waiting

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE


def live() -> Played:
    return waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))


def test_a_clients_second_device_waits_for_a_click() -> None:
    played = waiting(ANN, at=SOON)

    played.refuses(Busy, BEGIN, comes(ANN, device="laptop", connection="con_laptop"))


def test_taking_over_displaces_the_older_device_and_keeps_the_place() -> None:
    taken = waiting(ANN, at=SOON).then((BEGIN, comes(ANN, device="laptop", connection="con_laptop", takeover=True)))

    [told] = [e for e in taken.entries if isinstance(getattr(e, "message", None), Displaced)]
    assert (told.to, told.connection, told.close) == (("par_ann",), "con_par_ann", 4509)  # type: ignore[union-attr]
    assert [c for c in taken.room.connections if "ann" in c or "laptop" in c] == ["con_laptop"]
    assert taken.entry(ANN).since == SOON
    assert taken.told(QueueChanged) == []


def test_what_a_displaced_device_still_asks_is_refused() -> None:
    taken = waiting(ANN, at=SOON).then((BEGIN, comes(ANN, device="laptop", connection="con_laptop", takeover=True)))

    taken.refuses(Refused, BEGIN + 1, client(Leave()))

    assert taken.then((BEGIN + 1, asks(ANN, Leave(), by="con_laptop"))).entry(ANN) is None


def test_the_drop_of_a_displaced_device_means_nothing() -> None:
    taken = waiting(ANN, at=SOON).then((BEGIN, comes(ANN, device="laptop", connection="con_laptop", takeover=True)))

    assert taken.then((BEGIN + 1, goes(ANN))).room is taken.room


def test_a_reload_replaces_its_own_connection_without_a_question() -> None:
    reloaded = waiting(ANN, at=SOON).then((BEGIN, comes(ANN, connection="con_again")))

    assert reloaded.closed_out(ANN) == [4509]
    assert reloaded.entry(ANN).dropped_at is None


def test_a_provider_looks_on_from_several_windows() -> None:
    played = live().then((LATER, comes(HOST, device="desktop", connection="con_desktop")))

    assert played.told(Displaced) == []
    gone = played.then((LATER + 1, goes(HOST)))
    assert gone.visit().alone_since is None, "one window is left"


def test_a_provider_may_take_over_too() -> None:
    played = live().then((LATER, comes(HOST, device="desktop", connection="con_desktop", takeover=True)))

    assert played.closed_out(HOST) == [4509]
    assert played.visit().phase is Phase.IN_PROGRESS


def test_what_a_providers_displaced_window_still_asks_is_refused() -> None:
    taken = live().then((LATER, comes(HOST, device="desktop", connection="con_desktop", takeover=True)))

    taken.refuses(Refused, LATER + 1, provider(End(visit="vis_ann")))
    taken.refuses(Refused, LATER + 1, provider(SetStatus(status="away")))

    assert taken.then((LATER + 1, asks(HOST, End(visit="vis_ann"), by="con_desktop"))).visit().phase is Phase.ENDED


def test_of_two_windows_of_a_provider_either_may_ask() -> None:
    both = live().then((LATER, comes(HOST, device="desktop", connection="con_desktop")))

    assert both.then((LATER + 1, provider(SetStatus(status="away")))).room.status.kind == "away"
    assert both.then((LATER + 1, asks(HOST, End(visit="vis_ann"), by="con_desktop"))).visit().phase is Phase.ENDED


@pytest.mark.parametrize("who", [ANN, HOST])
def test_media_of_a_displaced_device_stop_and_those_of_a_reloaded_page_do_not(who: Who) -> None:
    other = live().then((LATER, comes(who, device="another", connection="con_other", takeover=True)))
    reloaded = live().then((LATER, comes(who, connection="con_again")))

    assert other.closed_peers == [ClosePeers("vis_ann", who.participant)]
    assert reloaded.closed_peers == []


def test_a_provider_who_dropped_is_back_in_without_being_let_in() -> None:
    back = live().then((LATER, goes(HOST)), (LATER + MINUTE, comes(HOST, device="other", connection="con_new")))

    shown = view(back.room, HOST)
    assert isinstance(shown, ProviderView)
    assert [v["phase"] for v in shown.visits] == ["in_progress"]
    assert admitted(back.room, HOST) is not None
    assert back.room.entries == {}
    ended = back.then((LATER + 2 * MINUTE, asks(HOST, End(visit="vis_ann"), by="con_new")))
    assert ended.visit().phase is Phase.ENDED


def test_a_drop_in_a_visit_is_shown_to_the_other_side_and_moves_nobody() -> None:
    dropped = live().then((LATER, goes(ANN)))

    assert [m.participant["presence"] for m in dropped.told(ParticipantChanged, HOST)] == ["gone"]
    assert dropped.seat(ANN).stand is Stand.IN
    assert dropped.visit().rev == live().visit().rev
    back = dropped.then((LATER + 1, comes(ANN)))
    assert [m.participant["presence"] for m in back.told(ParticipantChanged, HOST)] == ["connected"]


def test_bye_in_a_visit_is_a_drop_and_no_end() -> None:
    played = live().then((LATER, goes(ANN, bye=True)))

    assert (played.visit().phase, played.visit().alone_since) == (Phase.IN_PROGRESS, LATER)


def test_a_dead_node_takes_its_connections_and_no_others() -> None:
    played = play(
        (1, comes(ANN, node="node_2")),
        (SOON, client(CHECK_IN)),
        (SOON, asks(BOB, CHECK_IN)),
        (BEGIN, NodeGone("node_2", BEGIN - 3000)),
        (BEGIN, NodeGone("node_2", BEGIN - 3000)),
    )

    assert (played.entry(ANN).dropped_at, played.entry(BOB).dropped_at) == (BEGIN, None)
    gone = played.then((BEGIN + POLICY.grace, DeadlinePassed()))
    assert (gone.entry(ANN), gone.entry(BOB).participant) == (None, "par_bob")


def test_a_dead_media_node_stops_the_minutes_when_it_was_last_alive() -> None:
    up = live().then((BEGIN, MediaChanged("vis_ann", "par_ann", "media_up", BEGIN, node="node_9")))

    played = up.then((LATER, NodeGone("node_9", LATER - 3000)))

    assert played.visit().media["par_ann"].up == (Interval(BEGIN, LATER - 3000),)
    assert (played.visit().faults, played.visit().phase) == (("media_node_lost",), Phase.IN_PROGRESS)


def test_a_node_that_dies_after_the_end_is_no_fault_of_the_visit() -> None:
    ended = live().then(
        (BEGIN, MediaChanged("vis_ann", "par_ann", "media_up", BEGIN, node="node_9")),
        (LATER, client(End(visit="vis_ann"))),
    )

    assert ended.then((LATER + 1, NodeGone("node_9", LATER))).visit().faults == ()


def test_a_revoked_link_ends_its_connections_and_its_place() -> None:
    played = waiting(ANN, BOB, at=SOON).then((BEGIN, LinkRevoked("par_ann")))

    assert played.closed_out(ANN) == [4512]
    assert played.entry(ANN) is None
    assert (played.entry(BOB).participant, played.closed_out(BOB)) == ("par_bob", [])


def test_a_revoked_links_place_goes_even_if_its_client_had_dropped() -> None:
    played = waiting(ANN, at=SOON).then((BEGIN, goes(ANN)), (BEGIN + 1, LinkRevoked("par_ann")))

    assert played.entry(ANN) is None
    assert played.closed_out(ANN) == [4512], "should they resume, that is what they missed"


def test_until_the_provider_was_ever_there_waiting_clients_see_away() -> None:
    played = play((0, comes(GIA)), (0, comes(ANN)), room=empty_room())

    assert view(played.room, ANN).provider["status"] == "away"  # type: ignore[union-attr]
    there = played.then((1, comes(HOST)), (2, provider(SetStatus(status="late", minutes=5))))
    assert view(there.room, ANN).provider == {"name": HOST.name, "status": "late", "minutes": 5}  # type: ignore[union-attr]


def test_a_co_providers_coming_is_not_the_hosts() -> None:
    played = play((0, comes(CO)), room=empty_room())

    assert played.room.host_away is True
