"""Media from browser to browser: for two alone, where the practice wants it, and as long as it works."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from signaling.direct import other_of
from signaling.errors import Refused
from signaling.events import MediaChanged, Rescheduled
from signaling.messages import ClientView, VisitPath, VisitResumed, VisitStarted
from signaling.path import path_of
from signaling.policy import MINUTE, SECOND
from signaling.requests import End, Finish, Leave, MediaFlow, MediaRelay, Rejoin, Start
from signaling.snapshot import pack, unpack
from signaling.state import Interval, Person
from signaling.view import view
from tests.signaling.people import ANN, ANNS, BOB, CO, EVA, GIA, GUS, HOST, POLICY, SOON
from tests.signaling.play import Played, asks, client, comes, goes, provider, waiting

DIRECT = replace(POLICY, media="direct")
BEGIN = SOON + MINUTE
LATER = BEGIN + 10 * MINUTE


def live(**policy: Any) -> Played:
    """Ann and her host are in, without the server between them."""
    return waiting(ANN, at=SOON, policy=replace(DIRECT, **policy)).then((BEGIN, provider(Start(appointment="apt_ann"))))


def flowing() -> Played:
    """Both browsers say that they are connected, and send pictures."""
    up = MediaFlow(up=True, video=True)
    return live().then((BEGIN + SECOND, client(up)), (BEGIN + SECOND, provider(up)))


def facts(played: Played, at: int = LATER) -> dict[str, Any]:
    """The facts of the visit's record, ended and finished at `at`."""
    over = played.then((at, provider(End(visit="vis_ann"))), (at, provider(Finish(visit="vis_ann"))))
    (record,) = (entry.record for entry in over.hand_offs if entry.record.visit == "vis_ann")
    return dict(record.facts)


def test_both_are_told_that_they_are_connected_without_the_server() -> None:
    played = live()

    assert {message.path for message in played.told(VisitStarted)} == {"direct"}
    shown = view(played.room, ANN)
    assert isinstance(shown, ClientView)
    assert (shown.path, view(played.room, HOST).visits[0]["path"]) == ("direct", "direct")
    assert path_of(unpack(pack(played.room)).visits["vis_ann"]) == "direct"


@pytest.mark.parametrize(
    ("clients", "appointment"), [((EVA,), "apt_eva"), ((GIA, GUS), "apt_group"), ((GIA,), "apt_group")]
)
def test_more_than_two_or_who_may_become_more_go_through_the_server(clients: Any, appointment: str) -> None:
    played = waiting(*clients, at=SOON, policy=DIRECT).then((BEGIN, provider(Start(appointment=appointment))))

    assert {message.path for message in played.told(VisitStarted)} == {"relay"}


def test_the_server_is_the_way_unless_the_practice_says_otherwise() -> None:
    played = waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))

    assert {message.path for message in played.told(VisitStarted)} == {"relay"}


def test_descriptions_are_for_the_other_of_the_two_and_nobody_else() -> None:
    played = live().then((BEGIN, comes(BOB)))

    assert other_of(played.room, ANN) == (played.visit(), "dr_host")
    assert other_of(played.room, HOST) == (played.visit(), "par_ann")
    for who in (BOB, CO):
        with pytest.raises(Refused):
            other_of(played.room, who)


def test_nothing_is_passed_on_before_admission_nor_after_the_end() -> None:
    before = waiting(ANN, at=SOON, policy=DIRECT)
    after = live().then((LATER, client(End(visit="vis_ann"))))

    for room in (before.room, after.room):
        for who in (ANN, HOST):
            with pytest.raises(Refused):
                other_of(room, who)


def test_minutes_are_what_both_browsers_say_and_the_record_marks_them_as_theirs() -> None:
    played = flowing().then((BEGIN + 5 * MINUTE, client(MediaFlow(up=True, video=False))))

    (told,) = facts(played)["clients"]

    assert told["connected_ms"] == {"video": 5 * MINUTE - SECOND, "audio": 5 * MINUTE}
    assert told["intervals"] == [
        {"from": BEGIN + SECOND, "to": BEGIN + 5 * MINUTE, "modality": "video", "source": "browser"},
        {"from": BEGIN + 5 * MINUTE, "to": LATER, "modality": "audio", "source": "browser"},
    ]


def test_an_instant_counts_only_while_both_say_so() -> None:
    one_sided = live().then((BEGIN + SECOND, client(MediaFlow(up=True, video=True))))
    lost = flowing().then((BEGIN + MINUTE, provider(MediaFlow(up=False))))

    assert facts(one_sided)["clients"][0]["connected_ms"] == {"video": 0, "audio": 0}
    assert facts(lost)["clients"][0]["connected_ms"] == {"video": MINUTE - SECOND, "audio": 0}


def test_who_has_dropped_says_nothing_any_more_until_they_are_back_and_say_it() -> None:
    dropped = flowing().then((BEGIN + MINUTE, goes(ANN)), (BEGIN + 2 * MINUTE, comes(ANN)))
    assert dropped.visit().media["par_ann"].up == (Interval(BEGIN + SECOND, BEGIN + MINUTE),)

    back = dropped.then((BEGIN + 3 * MINUTE, client(MediaFlow(up=True, video=True))))

    assert back.visit().media["par_ann"].up[-1] == Interval(BEGIN + 3 * MINUTE)


def test_the_same_word_again_changes_nothing() -> None:
    played = flowing()

    assert played.then((BEGIN + MINUTE, client(MediaFlow(up=True, video=True)))).room is played.room


def test_either_may_ask_for_the_server_and_both_are_told_and_stay_with_it() -> None:
    for who in (ANN, HOST):
        played = flowing().then((BEGIN + MINUTE, asks(who, MediaRelay(reason="failed"))))

        (told,) = played.told(VisitPath)
        assert (told.path, told.reason) == ("relay", "failed")
        assert played.told(VisitPath, ANN) == played.told(VisitPath, HOST) == [told]
        assert played.told(VisitPath, BOB) == []
        again = played.then((BEGIN + 2 * MINUTE, asks(who, MediaRelay())))
        assert again.told(VisitPath) == []
        resumed = played.then(
            (LATER, client(End(visit="vis_ann"))),
            (LATER, client(Rejoin(visit="vis_ann"))),
            (LATER, provider(Rejoin(visit="vis_ann"))),
        )
        assert {message.path for message in resumed.told(VisitResumed)} == {"relay"}


def test_what_worked_is_tried_again_when_both_rejoin() -> None:
    played = flowing().then(
        (LATER, client(End(visit="vis_ann"))),
        (LATER, client(Rejoin(visit="vis_ann"))),
        (LATER + MINUTE, provider(Rejoin(visit="vis_ann"))),
    )

    assert {message.path for message in played.told(VisitResumed)} == {"direct"}
    assert played.visit().direct == (Interval(BEGIN, LATER), Interval(LATER + MINUTE))


def test_after_it_fell_back_the_server_measures_and_the_browsers_word_counts_no_more() -> None:
    played = flowing().then((BEGIN + MINUTE, client(MediaRelay(reason="failed"))))
    by_node = [
        MediaChanged("vis_ann", who.participant, kind, BEGIN + 2 * MINUTE, "node_1", fence=1)
        for who in (ANN, HOST)
        for kind in ("media_up", "video_up")
    ]

    after = played.then(
        (BEGIN + MINUTE + SECOND, client(MediaFlow(up=True, video=True))),
        *((BEGIN + 2 * MINUTE, fact) for fact in by_node),
    )

    assert facts(after)["clients"][0]["intervals"] == [
        {"from": BEGIN + SECOND, "to": BEGIN + MINUTE, "modality": "video", "source": "browser"},
        {"from": BEGIN + 2 * MINUTE, "to": LATER, "modality": "video", "source": "server"},
    ]


def test_a_second_provider_brings_the_server_in() -> None:
    shared = replace(ANNS, providers=(Person("dr_host", HOST.name), Person("dr_co", CO.name)))

    played = flowing().then((BEGIN + MINUTE, Rescheduled(shared, DIRECT)))

    (told,) = played.told(VisitPath)
    assert told.reason == "company"
    assert path_of(played.visit()) == "relay"


def test_an_end_is_an_end_whichever_way_media_went() -> None:
    for request in (End(visit="vis_ann"), Leave()):
        played = flowing().then((LATER, client(request)))

        assert path_of(played.visit()) == "relay"
        assert all(log.up[-1].end == log.video[-1].end == LATER for log in played.visit().media.values())
