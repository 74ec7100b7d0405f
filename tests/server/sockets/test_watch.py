"""The oracle of the sockets sees what it is there for: one frame for each kind of leak, and its lawful brother."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.sockets.cast import VISIT_OF, WALK_INS, Booking
from tests.server.sockets.people import Page, Person
from tests.server.sockets.watch import Watch

WAITS = {"phase": "waiting"}
LIVE = {"phase": "in_progress", "participants": [{"name": "Client 2"}]}


def page(room: int, name: str, watch: Watch, *, granted: bool = False, inside: bool = False) -> Page:
    role = {"dr": "provider", "co": "co_provider"}.get(name, "client")
    stay = Booking(room, VISIT_OF.get(name, name), "apt", {}, granted={name} if granted else set())
    made = Page(Person(room, name, role, stay), watch, device="d", packed=False)
    made.inside = inside
    return made


def leaks(frame: dict[str, Any], room: int, name: str, *, watch: Watch | None = None, **state: bool) -> bool:
    watch = watch or Watch()
    watch.told(page(room, name, watch, **state), frame)
    return bool(watch.broken)


def says(type: str, *marks: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "words": [f"some {mark}" for mark in marks], **fields}


@pytest.mark.parametrize("kind", ["ok", "view", "waiting.changed", "error"])
@pytest.mark.parametrize("mark", ["zq-2-ann-phone", "zq-3-ann-name", "zq-B-practice-help", "zq-2-dr-name"])
def test_what_is_another_rooms_or_practices(kind: str, mark: str) -> None:
    frame = says(kind, mark, code="refused", **WAITS)

    assert leaks(frame, 1, "ann")
    assert not leaks(says(kind, "zq-1-ann-phone", "zq-A-practice-help", code="refused", **WAITS), 1, "ann")


def test_another_rooms_provider_is_named_where_they_are_co_provider() -> None:
    frame = says("waiting.changed", "zq-2-dr-name")

    assert not leaks(frame, 1, "eva")
    assert not leaks(frame, 1, "dr")
    assert leaks(says("queue.entered", "zq-2-ann-name"), 1, "dr")


def test_an_id_of_the_services_that_was_another_rooms() -> None:
    watch = Watch()
    frame = says("ok", visit="vis_0123456789")

    assert not leaks(frame, 1, "dr", watch=watch)
    assert not leaks(frame, 1, "ann", watch=watch)
    assert leaks(frame, 2, "dr", watch=watch)


@pytest.mark.parametrize("who", ["ann", "bob", WALK_INS[0]])
def test_a_co_provider_is_told_of_shared_appointments_alone(who: str) -> None:
    assert leaks(says("queue.entered", f"zq-1-{who}-name"), 1, "co")
    assert not leaks(says("queue.entered", "zq-1-eva-name"), 1, "co")


def test_a_walk_in_given_a_seat_of_a_shared_appointment_is_the_co_providers_too() -> None:
    watch = Watch()
    watch.matched[1, "walt3"] = {"group"}

    assert not leaks(says("queue.entered", "zq-1-walt3-phone"), 1, "co", watch=watch)
    assert leaks(says("queue.entered", "zq-1-walt4-phone"), 1, "co", watch=watch)


@pytest.mark.parametrize("mark", ["zq-1-bob-name", "zq-1-dr-chat", "zq-1-gia-chat", "zq-1-ann-mrn", "zq-1-bob-apt3"])
def test_a_waiting_client_is_told_of_nobody_else(mark: str) -> None:
    assert leaks(says("waiting.changed", mark), 1, "ann")


@pytest.mark.parametrize("kind", ["participant.changed", "chat", "media.mode", "media.renegotiate", "media.replace"])
def test_what_is_for_those_inside(kind: str) -> None:
    assert leaks(says(kind), 1, "ann", granted=True)
    assert not leaks(says(kind), 1, "ann", granted=True, inside=True)


def test_names_in_a_group_are_for_the_practice_that_shows_them() -> None:
    assert leaks(says("view", "zq-1-gus-name", **LIVE), 1, "gia", granted=True)
    assert not leaks(says("view", "zq-3-gus-name", **LIVE), 3, "gia", granted=True)
    assert leaks(says("view", "zq-3-gus-phone", **LIVE), 3, "gia", granted=True)
    assert leaks(says("chat", "zq-3-gus-chat"), 3, "eva", granted=True, inside=True)


@pytest.mark.parametrize("frame", [says("visit.started"), says("visit.resumed"), says("view", **LIVE)])
def test_whom_nobody_let_in(frame: dict[str, Any]) -> None:
    assert leaks(frame, 1, "ann")
    assert not leaks(frame, 1, "ann", granted=True)


def test_participants_or_ice_servers_before_admission() -> None:
    assert leaks(says("view", participants=[], **WAITS), 1, "ann", granted=True)
    assert leaks(says("view", ice_servers=[], **WAITS), 1, "ann", granted=True)
    assert leaks(says("ok", ice_servers=[{}]), 1, "ann")
    assert leaks(says("media.answer", tracks=[{}]), 1, "ann")
    assert not leaks(says("media.answer", tracks=[]), 1, "ann")


def test_ice_servers_for_ones_own_check_are_lawful() -> None:
    watch = Watch()
    waits = page(1, "ann", watch)
    waits.unanswered[7] = {"type": "media.prepare", "purpose": "check"}

    watch.told(waits, says("ok", re=7, ice_servers=[{}]))

    assert watch.broken == []


def test_a_place_in_line_is_for_the_practice_that_shows_it() -> None:
    assert leaks(says("waiting.changed", ahead=2), 1, "ann")
    assert not leaks(says("waiting.changed", ahead=2), 5, "ann")


@pytest.mark.parametrize("kind", ["queue.entered", "queue.left", "client.ready", "visit.changed"])
def test_what_is_for_providers(kind: str) -> None:
    assert leaks(says(kind), 1, "ann", granted=True, inside=True)
    assert not leaks(says(kind), 1, "dr")


def test_a_mistake_of_the_services_own() -> None:
    assert leaks(says("error", code="internal"), 1, "dr")


def test_a_request_about_another_rooms_that_is_granted() -> None:
    watch = Watch()
    watch.answered(page(1, "dr", watch), {"type": "end", "visit": "vis_2", "_foreign": True}, {"type": "ok", "re": 1})

    assert watch.broken


def test_somebody_let_in_by_what_is_not_theirs_or_as_somebody_else() -> None:
    watch = Watch()
    thief = page(1, "ann", watch)
    thief.wrong = True

    watch.welcomed(thief, {"type": "welcome", "role": "client"})
    watch.welcomed(page(1, "bob", watch), {"type": "welcome", "role": "provider"})

    assert len(watch.broken) == 2
