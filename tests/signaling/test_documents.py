"""The generated pages name what the code has: nothing is left out that travels."""

from __future__ import annotations

import re
from typing import Any, get_args

from docs.pages.protocol import OBJECTS, protocol
from docs.pages.visit import visit
from signaling.messages import ClientView, ProviderView, QueueEntered, VisitStarted
from signaling.policy import MINUTE, Policy
from signaling.requests import AnyRequest, End, MediaMode, Rejoin, Start
from signaling.state import Phase
from signaling.view import view
from signaling.visit import NEXT
from tests.signaling.people import ANN, GIA, GUS, HOST, SOON, WALT
from tests.signaling.play import client, provider, waiting

BEGIN = SOON + MINUTE


def named(what: str) -> set[str]:
    """The fields that the page gives an object, those of objects within it left out."""
    words = OBJECTS[what]
    while "{" in words:
        words = re.sub(r"\{[^{}]*\}", "", words)
    return set(re.findall(r"\w+", words))


def demanded(what: str) -> set[str]:
    words = OBJECTS[what]
    while "{" in words:
        words = re.sub(r"\{[^{}]*\}", "", words)
    return set(re.findall(r"\w+(?!\w|\?)", words))


def holds(what: str, shown: dict[str, Any]) -> None:
    assert demanded(what) <= shown.keys() <= named(what), what


def test_the_objects_on_the_wire_have_the_fields_that_the_page_gives_them() -> None:
    played = waiting(ANN, WALT, GIA, at=SOON)
    played.move(BEGIN, client(MediaMode(mode="audio", reason="declined")))
    played.move(BEGIN, provider(Start(appointment="apt_ann")))
    live = played.room
    played.move(BEGIN + 1, client(End(visit="vis_ann")))
    played.move(BEGIN + 2, provider(Rejoin(visit="vis_ann")))

    for room in (live, played.room):
        hosts, clients = view(room, HOST), view(room, ANN)
        assert isinstance(hosts, ProviderView)
        assert isinstance(clients, ClientView)
        for entry in (*hosts.waiting, *hosts.unverified):
            holds("entry", entry)
        for appointment in hosts.appointments:
            holds("appointment, to a provider", appointment)
        for shown in hosts.visits:
            holds("visit, in a provider's view", shown)
            for participant in shown["participants"]:
                holds("participant", participant)
        assert clients.appointment is not None
        holds("appointment, to a client", clients.appointment)
        holds("provider, in a client's view", clients.provider)
        holds("practice, in a client's view", clients.practice)
    assert len(played.told(VisitStarted)) == 2
    assert waiting(GUS, at=SOON).told(QueueEntered)[0].entry.keys() <= named("entry")


def test_every_request_and_every_move_is_on_its_page() -> None:
    wire, life = protocol(), visit()

    for kind in get_args(AnyRequest):
        assert f"### `{kind.__struct_config__.tag}`" in wire
    for phase, to in {(phase, one) for (phase, _), then in NEXT.items() for one in then}:
        assert f"    {phase.value} --> {to.value}:" in life
    assert all(phase.value in life for phase in Phase)


def test_each_span_of_the_policy_is_explained() -> None:
    spans = {"rejoin_window", "no_show_after", "waiting_limit", "grace", "abandoned_after", "away_after"}
    spans |= {"unanswered_after"}

    assert spans <= set(Policy.__struct_fields__)
    assert all(f"| `{span}` |" in visit() for span in spans)
