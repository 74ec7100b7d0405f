"""A room under every order of events: what people ask, what the network does, and what time brings.

The machine only chooses; `oracle.py` judges. Rooms are kept by name, so that a second one can join later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import get_args

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from signaling.events import (
    Cancelled,
    Configured,
    DeadlinePassed,
    Disconnected,
    Fact,
    LinkRevoked,
    MediaChanged,
    MediaKind,
    MediaMoved,
    NodeGone,
    Opened,
    Rescheduled,
)
from signaling.fields import Modality, OutcomeGiven
from signaling.policy import DAY, HOUR, MINUTE, SECOND
from signaling.requests import (
    Acknowledge,
    Admit,
    ComeBack,
    End,
    Finish,
    Leave,
    MediaFlow,
    MediaMode,
    MediaRelay,
    MediaState,
    Rejoin,
    Remove,
    ReturnToWaiting,
    RoomRequest,
    SetStatus,
    Start,
    StepAway,
    Withdraw,
)
from signaling.room import deadline
from signaling.state import Interval, Phase, Room, Stand, Who
from tests.signaling.oracle import Oracle
from tests.signaling.people import (
    ANN,
    APPOINTMENTS,
    BOB,
    CHECK_IN,
    CLIENTS,
    CO,
    EVA,
    EVERYBODY,
    GIA,
    GUS,
    GWEN,
    HOST,
    POLICY,
    SOON,
    START,
    WALT,
    person,
)
from tests.signaling.play import Event, asks, comes, goes, play

STEPS = st.sampled_from([0, 1, SECOND, 31 * SECOND, MINUTE, 5 * MINUTE, 16 * MINUTE, 5 * HOUR])
"""How far time may jump, in ms: mostly a little, now and then over every deadline there is."""
A_MOMENT = st.sampled_from([0, 1, 20, SECOND])
NODES = ("node_1", "node_2")


def visit_of(name: str, *clients: Who) -> list[Event | Callable[[Room], Event]]:
    """A visit from check-in to close, as it should be, with one mistaken End."""
    visit, first = f"vis_{name}", clients[0]
    return [
        *(asks(who, CHECK_IN) for who in clients),
        asks(HOST, Start(appointment=f"apt_{name}")),
        *(MediaChanged(visit, who.participant, "media_up", SOON + MINUTE, "node_1") for who in (HOST, first)),
        *(MediaChanged(visit, who.participant, "video_up", SOON + MINUTE, "node_1") for who in (HOST, first)),
        asks(HOST, End(visit=visit)),
        asks(first, Rejoin(visit=visit)),
        asks(HOST, Rejoin(visit=visit)),
        asks(HOST, End(visit=visit)),
        asks(HOST, Finish(visit=visit)),
    ]


def matched(room: Room) -> Event:
    """The host gives Ann's seat to whoever of the lane came first."""
    lane = [entry.id for entry in room.entries.values() if entry.visit is None]
    return asks(HOST, Start(entry=lane[0] if lane else "ent_none", appointment="apt_ann"))


PATHS: Mapping[str, list[Event | Callable[[Room], Event]]] = {
    "for two": visit_of("ann", ANN),
    "shared": visit_of("eva", EVA),
    "group": visit_of("group", GIA, GUS, GWEN),
    "room taken": [
        *(asks(who, CHECK_IN) for who in (ANN, BOB)),
        asks(HOST, Start(appointment="apt_ann")),
        asks(ANN, End(visit="vis_ann")),
        asks(HOST, Rejoin(visit="vis_ann")),
        asks(HOST, Start(appointment="apt_bob")),
        asks(ANN, Rejoin(visit="vis_ann")),
        asks(HOST, Rejoin(visit="vis_ann")),
        asks(BOB, Leave()),
        asks(HOST, Rejoin(visit="vis_ann")),
    ],
    "walked in": [
        asks(WALT, CHECK_IN),
        matched,
        asks(ANN, CHECK_IN),
        *(MediaChanged("vis_ann", who.participant, "media_up", SOON + MINUTE, "node_1") for who in (HOST, WALT)),
        asks(WALT, End(visit="vis_ann")),
        asks(WALT, Rejoin(visit="vis_ann")),
        asks(HOST, Rejoin(visit="vis_ann")),
        asks(HOST, ReturnToWaiting(participant=WALT.participant)),
        asks(HOST, Start(appointment="apt_ann")),
    ],
    "sent back": [
        *(asks(who, CHECK_IN) for who in (GIA, GUS)),
        asks(HOST, Start(appointment="apt_group")),
        asks(HOST, ReturnToWaiting(participant=GIA.participant)),
        asks(GIA, Leave()),
        asks(GIA, Rejoin(visit="vis_group")),
        asks(GIA, End(visit="vis_group", expect=0)),
        asks(HOST, End(visit="vis_group")),
    ],
}
"""Stories to begin in the middle of. Some of their clicks are refused; that is part of the story."""


@cache
def opened(shown: bool) -> Room:
    """A room where everybody is connected, over two nodes; `shown`: it shows places in line, and sends directly."""
    played = play(policy=replace(POLICY, show_position=shown, media="direct" if shown else "relay"))
    for number, who in enumerate(EVERYBODY):
        played.move(0, comes(who, node=NODES[number % 2]))
    return played.room


class OneRoom(RuleBasedStateMachine):
    """A host's room: visits for two, a shared one, a group, and people who walk in."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.watched: Oracle
        self.recent: list[Event] = []

    @initialize(
        path=st.sampled_from(sorted(PATHS)),
        moves=st.integers(0, 13),
        others=st.sets(st.sampled_from([ANN, BOB, EVA, GIA, GUS, WALT])),
        shown=st.booleans(),
    )
    def begin_somewhere_on_the_happy_path(self, path: str, moves: int, others: set[Who], shown: bool) -> None:
        self.watched = Oracle(opened(shown), CLIENTS)
        self.now = SOON - MINUTE
        for who in sorted(others, key=lambda one: one.participant):
            self.play(asks(who, CHECK_IN))
        for event in PATHS[path][:moves]:
            self.now += MINUTE // 2
            self.play(event(self.room) if callable(event) else event)

    def play(self, event: Event) -> None:
        self.watched.step(self.now, event)
        self.recent = [*self.recent[-4:], event]

    # --- what is there to choose from

    @property
    def room(self) -> Room:
        return self.watched.room

    def visit(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.room.visits, "vis_ann", "vis_none"]), "visit")

    def entry(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.room.entries, "ent_none"]), "entry")

    def connections(self, who: Who) -> list[str]:
        return [id for id, c in self.room.connections.items() if c.who.participant == who.participant]

    def ask(self, who: Who, request: RoomRequest) -> None:
        """`who` asks by the connection they have, or by one that is gone."""
        self.play(asks(who, request, by=next(iter(self.connections(who)), None)))

    def is_of_yesterday(self, event: Event) -> bool:
        """Tell whether an appointment closed so long ago that its document alone keeps it from opening again."""
        if not isinstance(event, (Opened, Rescheduled)):
            return False
        return self.now - self.watched.closed_at.get(event.appointment.visit, self.now) >= DAY

    # --- people who do what their page offers them

    @rule(who=st.sampled_from(CLIENTS), media=st.sampled_from(get_args(Modality)), wait=A_MOMENT)
    def check_in(self, who: Who, media: Modality, wait: int) -> None:
        self.now += wait
        self.ask(who, replace(CHECK_IN, media=media))

    @rule(data=st.data(), by=st.sampled_from([HOST, HOST, CO]), seen=st.booleans(), wait=A_MOMENT)
    def start(self, data: st.DataObject, by: Who, seen: bool, wait: int) -> None:
        self.now += wait
        ready = sorted({e.visit for e in self.room.entries.values() if e.visit is not None})
        if ready and data.draw(st.booleans(), "by appointment"):
            visit = self.room.visits[data.draw(st.sampled_from(ready), "ready")]
            self.ask(by, Start(appointment=visit.appointment, expect=visit.rev if seen else None))
        else:
            self.ask(by, Start(entry=self.entry(data)))

    @precondition(lambda self: any(entry.visit is None for entry in self.room.entries.values()))
    @rule(data=st.data(), wait=A_MOMENT)
    def match_a_walk_in(self, data: st.DataObject, wait: int) -> None:
        self.now += wait
        lane = [entry.id for entry in self.room.entries.values() if entry.visit is None]
        visit = self.room.visits.get(self.visit(data))
        assume(visit is not None and visit.appointment is not None)
        assert visit is not None
        free = [s.client for s in visit.seats.values() if s.stand is Stand.OUT]
        client = data.draw(st.sampled_from([None, *free]), "client")
        kind = Admit if visit.phase is Phase.IN_PROGRESS else Start
        self.ask(HOST, kind(entry=data.draw(st.sampled_from(lane)), appointment=visit.appointment, client=client))

    @precondition(lambda self: any(v.phase is Phase.IN_PROGRESS for v in self.room.visits.values()))
    @rule(data=st.data(), wait=A_MOMENT)
    def somebody_in_it_acts(self, data: st.DataObject, wait: int) -> None:
        self.now += wait
        [live] = [v for v in self.room.visits.values() if v.phase is Phase.IN_PROGRESS]
        inside = [who for who in CLIENTS if who.participant in live.seats]
        who = data.draw(st.sampled_from(inside), "client")
        waiting = [e.id for e in self.room.entries.values() if e.visit == live.id] or ["ent_none"]
        choices: list[tuple[Who, RoomRequest]] = [
            (who, Leave()),
            (who, End(visit=live.id, expect=live.rev)),
            (who, End(visit=live.id, expect=0)),
            (who, MediaMode(mode="audio", reason="bandwidth")),
            (who, MediaMode(mode="video")),
            (who, MediaState(camera=False)),
            (who, MediaFlow(up=True, video=True)),
            (HOST, MediaFlow(up=data.draw(st.booleans(), "up"), video=True)),
            (who, MediaRelay(reason="failed")),
            (who, Rejoin(visit=live.id)),
            (HOST, End(visit=live.id, expect=live.rev)),
            (HOST, Admit(entry=data.draw(st.sampled_from(waiting), "waiting"))),
            (HOST, Remove(participant=who.participant)),
            (HOST, ReturnToWaiting(participant=who.participant)),
            (HOST, MediaMode(mode="audio")),
            (CO, End(visit=live.id)),
        ]
        self.ask(*data.draw(st.sampled_from(choices), "asks"))

    @precondition(lambda self: any(v.phase in (Phase.ENDED, Phase.REJOIN_PENDING) for v in self.room.visits.values()))
    @rule(data=st.data(), wait=A_MOMENT)
    def somebody_chooses_after_an_end(self, data: st.DataObject, wait: int) -> None:
        self.now += wait
        over = [v for v in self.room.visits.values() if v.phase in (Phase.ENDED, Phase.REJOIN_PENDING)]
        visit = data.draw(st.sampled_from(over), "visit")
        clients = [who for who in CLIENTS if who.participant in visit.seats]
        who = data.draw(st.sampled_from([HOST, CO, *clients]), "who")
        word = OutcomeGiven(client=clients[0].participant, outcome="attended")
        choices: list[RoomRequest] = [
            Rejoin(visit=visit.id),
            Rejoin(visit=visit.id),
            Withdraw(visit=visit.id),
            Finish(visit=visit.id, outcomes=(word,)),
        ]
        self.ask(who, data.draw(st.sampled_from(choices), "asks"))

    @rule(data=st.data(), who=st.sampled_from(EVERYBODY), wait=A_MOMENT)
    def anybody_asks_for_anything(self, data: st.DataObject, who: Who, wait: int) -> None:
        self.now += wait
        someone = data.draw(st.sampled_from(CLIENTS), "someone").participant
        visit, entry = self.visit(data), self.entry(data)
        rev = data.draw(st.sampled_from([None, 0, 1, 2, 3]), "expect")
        named = data.draw(st.sampled_from([None, "mrn-par_gus", "mrn-par_gwen"]), "client")
        choices: list[RoomRequest] = [
            CHECK_IN,
            replace(CHECK_IN, consent=None),
            StepAway(),
            ComeBack(),
            Leave(),
            SetStatus(status="late", minutes=5),
            SetStatus(status="available"),
            Acknowledge(entry=entry),
            Start(appointment=visit.replace("vis_", "apt_"), expect=rev),
            Start(entry=entry, expect=rev),
            Start(entry=entry, appointment=visit.replace("vis_", "apt_"), client=named),
            Admit(entry=entry),
            Admit(entry=entry, appointment=visit.replace("vis_", "apt_"), client=named),
            ReturnToWaiting(participant=someone),
            Remove(participant=someone),
            Remove(entry=entry),
            End(visit=visit, expect=rev),
            Rejoin(visit=visit),
            Withdraw(visit=visit),
            Finish(visit=visit),
            MediaState(microphone=False),
            MediaMode(mode="audio", reason="declined"),
        ]
        self.ask(who, data.draw(st.sampled_from(choices), "asks"))

    @precondition(lambda self: self.recent)
    @rule(data=st.data(), wait=A_MOMENT)
    def something_comes_twice(self, data: st.DataObject, wait: int) -> None:
        self.now += wait
        event = data.draw(st.sampled_from(self.recent), "again")
        assume(not self.is_of_yesterday(event))
        self.play(event)

    # --- the network

    @rule(data=st.data(), who=st.sampled_from(EVERYBODY), bye=st.booleans())
    def somebody_drops(self, data: st.DataObject, who: Who, bye: bool) -> None:
        id = data.draw(st.sampled_from([*self.connections(who), goes(who).connection]), "connection")
        self.play(Disconnected(id, bye))

    @rule(
        who=st.sampled_from(EVERYBODY),
        device=st.sampled_from(["phone", "phone", "laptop"]),
        takeover=st.booleans(),
        node=st.sampled_from(NODES),
        wait=A_MOMENT,
    )
    def somebody_comes(self, who: Who, device: str, takeover: bool, node: str, wait: int) -> None:
        self.now += wait
        id = f"con_{self.watched.count}"
        self.play(comes(who, device=device, connection=id, node=node, takeover=takeover))

    @rule(who=st.sampled_from(CLIENTS), asks_for=st.sampled_from([Leave(), CHECK_IN, StepAway()]))
    def a_displaced_device_goes_on_asking(self, who: Who, asks_for: RoomRequest) -> None:
        others = bool(self.connections(who))
        before = self.room
        self.play(asks(who, asks_for, by="con_displaced"))
        assert not others or self.room is before, "I6: writes of an older device are refused"

    @rule(node=st.sampled_from(NODES), ago=A_MOMENT)
    def a_node_dies(self, node: str, ago: int) -> None:
        self.play(NodeGone(node, self.now - ago))

    @rule(
        data=st.data(),
        who=st.sampled_from(EVERYBODY),
        kind=st.sampled_from(get_args(MediaKind)),
        off=st.sampled_from([0, -SECOND, SECOND, -HOUR]),
        wait=A_MOMENT,
    )
    def media_come_or_go(
        self,
        data: st.DataObject,
        who: Who,
        kind: MediaKind,
        off: int,
        wait: int,
    ) -> None:
        self.now += wait
        node = data.draw(st.sampled_from(NODES), "node")
        visit = self.visit(data)
        self.play(MediaChanged(visit, who.participant, kind, self.now + off, node, fence=self.fence(data, visit)))

    @rule(data=st.data(), node=st.sampled_from(NODES), ago=st.sampled_from([0, 2 * SECOND, HOUR]), lost=st.booleans())
    def another_node_takes_the_media(self, data: st.DataObject, node: str, ago: int, lost: bool) -> None:
        visit = self.visit(data)
        self.play(MediaMoved(visit, node, self.fence(data, visit), self.now - ago, lost))

    def fence(self, data: st.DataObject, visit: str) -> int:
        """Of a node that had lost the visit, of the one that carries it, or of one that takes it."""
        known = self.room.visits[visit].media_fence if visit in self.room.visits else 0
        return max(0, known + data.draw(st.sampled_from([-1, 0, 0, 1]), "fence"))

    # --- the EHR

    @rule(data=st.data(), which=st.sampled_from(["cancel", "open", "move", "fewer", "alone", "shared", "revoke"]))
    def the_ehr_changes_something(self, data: st.DataObject, which: str) -> None:
        appointment = data.draw(st.sampled_from(APPOINTMENTS), "appointment")
        policy = self.room.policy
        facts: dict[str, Fact] = {
            "cancel": Cancelled(appointment.id, "late_cancel"),
            "open": Opened(appointment, policy),
            "move": Rescheduled(replace(appointment, start=data.draw(st.sampled_from([0, START, 3 * START]))), policy),
            "fewer": Rescheduled(replace(appointment, seats=appointment.seats[:2]), policy),
            "alone": Rescheduled(replace(appointment, providers=(person(HOST),)), policy),
            "shared": Rescheduled(replace(appointment, providers=(person(HOST), person(CO))), policy),
            "revoke": LinkRevoked(data.draw(st.sampled_from(CLIENTS)).participant),
        }
        assume(not self.is_of_yesterday(facts[which]))
        self.play(facts[which])

    @rule(away=st.sampled_from([SECOND, 30 * SECOND]))
    def the_practice_changes_its_policy(self, away: int) -> None:
        self.play(Configured(person(HOST), replace(self.room.policy, away_after=away)))

    # --- time

    @rule(jump=STEPS)
    def time_passes_unseen(self, jump: int) -> None:
        self.now += jump

    @rule(span=st.sampled_from([SECOND, 2 * MINUTE, 40 * MINUTE]), longer=st.sampled_from([0, 0, MINUTE]))
    def nobody_was_served(self, span: int, longer: int) -> None:
        """The whole service was away; now and then it turns out that it was for longer than was known at first."""
        away = Interval(self.now, self.now + span)
        self.now += span
        before = self.watched.outages
        self.watched.outages = (*before, away)
        self.play(DeadlinePassed())
        if longer:
            self.now += longer
            self.watched.outages = (*before, Interval(away.start, self.now))
            self.play(DeadlinePassed())

    @rule(off=st.sampled_from([-1, 0, 0, 1, MINUTE]))
    def the_alarm_rings(self, off: int) -> None:
        due = deadline(self.room)
        self.now = max(self.now, (due + off) if due is not None else self.now)
        self.play(DeadlinePassed())

    @rule(behind=st.sampled_from([SECOND, HOUR]))
    def a_node_with_a_slow_clock_rings(self, behind: int) -> None:
        self.watched.step(self.now - behind, DeadlinePassed())

    def teardown(self) -> None:
        """When all have gone and time has passed, nothing is left but records: each visit that ever was has its one."""
        if not hasattr(self, "watched"):
            return
        for id in list(self.room.connections):
            self.play(Disconnected(id))
        for _ in range(3):
            self.now += DAY
            self.play(DeadlinePassed())
        assert (self.room.visits, self.room.entries, deadline(self.room)) == ({}, {}, None)
        assert set(self.watched.hand_offs) == self.watched.seen
