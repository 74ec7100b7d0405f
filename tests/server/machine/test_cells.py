"""Every role in every situation asks for everything over a socket: what the table does not grant moves nothing."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from server.web.closes import Close
from signaling.permissions import ALLOWED, Situation, may
from signaling.requests import (
    Acknowledge,
    Admit,
    AnyRequest,
    Bye,
    Chat,
    ComeBack,
    End,
    Finish,
    Hello,
    Leave,
    MediaAnswered,
    MediaCandidates,
    MediaFlow,
    MediaMode,
    MediaOffer,
    MediaPrepare,
    MediaRelay,
    MediaState,
    MediaStats,
    Ping,
    Rejoin,
    Remove,
    Request,
    ReturnToWaiting,
    SetStatus,
    Start,
    StepAway,
    Sync,
    TellWaiting,
    Withdraw,
)
from signaling.state import Role, Who
from tests.server.machine.browser import Browser
from tests.server.machine.cast import check_in, client, co_provider, host
from tests.server.machine.world import World

S = Situation
GUEST = Who(Role.GUEST, "gst_1", name="Guest")
PEOPLE = {Role.PROVIDER: host(1), Role.CO_PROVIDER: co_provider(1), Role.CLIENT: client(1, "eva"), Role.GUEST: GUEST}
FOR_ALL = (Sync, Ping, Bye)
"""Of the connection, and of nothing in the room."""
ONLY_DIRECT = (MediaAnswered,)
"""Refused where media go through the server: there it is the server that answers."""
NOT_OF_A_VISIT = (SetStatus, MediaStats)
"""Whatever becomes of any visit; numbers that are measured change nothing."""


class Stage:
    """Eva's visit in one situation, as one of those there lives it."""

    def __init__(self, situation: Situation, role: Role) -> None:
        self.world = world = World()
        self.there = {one: self._arrive(who) for one, who in PEOPLE.items()}
        self.me = self.there[role]
        if situation is not S.SCHEDULED or role is not Role.CLIENT:
            self._do(Role.CLIENT, check_in(1, "eva"))
        if situation not in (S.SCHEDULED, S.WAITING):
            self._do(Role.PROVIDER, Start(appointment="apt_1_eva"))
        if situation in (S.ENDED, S.REJOIN_PENDING, S.CLOSED):
            self._do(Role.PROVIDER, End(visit="vis_1_eva"))
        if situation is S.REJOIN_PENDING:
            self._do(role if role is not Role.GUEST else Role.CLIENT, Rejoin(visit="vis_1_eva"))
        if situation is S.CLOSED:
            self._do(Role.PROVIDER, Finish(visit="vis_1_eva"))
        world.pass_time(10_000)

    def _arrive(self, who: Who) -> Browser:
        browser = self.world.arrive(1, who, self.world.nodes[0], device=who.participant, takeover=False, packed=False)
        self.world.settle()
        return browser

    def _do(self, role: Role, request: Request) -> None:
        reply = self.ask(self.there[role], request)
        assert reply["type"] == "ok", reply

    def ask(self, browser: Browser, request: Request) -> dict[str, Any]:
        """Return what somebody is answered."""
        heard: list[dict[str, Any]] = []
        answered = browser.answered
        browser.answered = lambda told: (heard.append(told), answered(told))[1]  # type: ignore[method-assign]
        browser.ask(request)
        self.world.settle()
        browser.answered = answered  # type: ignore[method-assign]
        [reply] = heard
        return reply

    def everything(self) -> list[Request]:
        """Return one request of every kind there is, about this visit."""
        room = self.world.watch.rooms[1].now
        entry = next(iter(room.entries), "ent_none")
        visit, participant = "vis_1_eva", "par_1_eva"
        return [
            Hello(protocol=1, device="d", ticket="none"),
            Sync(),
            Ping(),
            check_in(1, "eva"),
            StepAway(),
            ComeBack(),
            Leave(),
            SetStatus(status="available"),
            Acknowledge(entry=entry),
            TellWaiting(entry=entry, text="for par_1_eva"),
            Start(appointment="apt_1_eva"),
            Admit(entry=entry),
            ReturnToWaiting(participant=participant),
            Remove(participant=participant),
            End(visit=visit),
            Rejoin(visit=visit),
            Withdraw(visit=visit),
            Finish(visit=visit),
            MediaPrepare(),
            MediaOffer(peer="a", round=1, sdp="v=0"),
            MediaAnswered(peer="a", round=1, sdp="v=0"),
            MediaCandidates(peer="a"),
            MediaRelay(),
            MediaFlow(up=True),
            MediaState(camera=False),
            MediaMode(mode="audio", reason="declined"),
            MediaStats(rtt_ms=1.0),
            Chat(text=f"by {self.me.who.participant}"),
            Bye(),
        ]


ROLES_AND_SITUATIONS = [
    (role, situation)
    for role in Role
    for situation in S
    if (role, situation) not in ((Role.PROVIDER, S.WAITING), (Role.CO_PROVIDER, S.WAITING), (Role.CLIENT, S.CLOSED))
]


def test_everything_that_may_be_asked_is_asked() -> None:
    assert {type(one) for one in Stage(S.SCHEDULED, Role.CLIENT).everything()} == set(get_args(AnyRequest))


@pytest.mark.parametrize(("role", "situation"), ROLES_AND_SITUATIONS)
def test_what_the_table_does_not_grant_is_refused_at_the_socket_and_moves_nothing(
    role: Role, situation: Situation
) -> None:
    stage = Stage(situation, role)
    before = stage.world.watch.rooms[1].now

    for request in stage.everything():
        kind = type(request)
        if kind in FOR_ALL or may(role, situation, kind) or (kind in NOT_OF_A_VISIT and kind in ALLOWED[role]):
            continue
        reply = stage.ask(stage.me, request)
        codes = ("forbidden",) if kind not in ALLOWED[role] and kind is not Hello else ("refused", "not_found")
        assert (reply["type"], reply.get("code") in codes) == ("error", True), (kind.__name__, reply)
        stage.world.pass_time(100)

    assert stage.world.watch.rooms[1].now is before


@pytest.mark.parametrize(
    ("role", "situation"), [one for one in ROLES_AND_SITUATIONS if one[0] is not Role.GUEST], ids=str
)
def test_what_the_table_grants_is_never_forbidden(role: Role, situation: Situation) -> None:
    number = len(Stage(situation, role).everything())
    for at in range(number):
        stage = Stage(situation, role)
        request = stage.everything()[at]
        if may(role, situation, type(request)):
            reply = stage.ask(stage.me, request)
            assert reply.get("code") != "forbidden", (type(request).__name__, reply)
            if isinstance(request, ONLY_DIRECT):
                assert reply["code"] == "refused"
            elif situation is S.IN_PROGRESS and "entry" not in type(request).__struct_fields__:
                assert reply["type"] == "ok", (type(request).__name__, reply)


@pytest.mark.parametrize("situation", [s for s in S if s not in (S.IN_PROGRESS, S.CLOSED)])
def test_nobody_gets_ice_for_a_visit_they_are_not_in(situation: Situation) -> None:
    for role in (Role.PROVIDER, Role.CO_PROVIDER, Role.CLIENT):
        stage = (
            Stage(situation, role) if situation is not S.WAITING or role is Role.CLIENT else Stage(S.SCHEDULED, role)
        )

        assert stage.ask(stage.me, MediaPrepare(purpose="visit"))["code"] == "refused"
        assert stage.ask(stage.me, MediaPrepare(purpose="check"))["ice_servers"]


def test_a_client_whose_visit_is_closed_is_shown_so_and_sent_away() -> None:
    stage = Stage(S.CLOSED, Role.PROVIDER)
    late = stage.world.arrive(1, PEOPLE[Role.CLIENT], stage.world.nodes[1], device="x", takeover=False, packed=True)
    stage.world.settle()

    assert late.wire is not None
    assert (late.phase, late.wire.over) == ("closed", Close.OVER)
