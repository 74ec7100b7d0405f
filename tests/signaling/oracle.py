"""Watches one room: plays events through `handle` and holds every step to the promises that SAFETY numbers I1-I16.

It knows of the room only what anybody outside could: what was asked, what was granted, what was told. The few things
it keeps itself (agreements, runs, arrivals, hand-offs) are counted from that, and compared with what the room says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import msgspec
from msgspec.structs import force_setattr, replace

from signaling.draft import Draft
from signaling.effects import AppointmentClosed, ClosePeers, HandOff, Later, Notify, Step, Told
from signaling.errors import Busy, SignalingError, Stale
from signaling.events import (
    Asked,
    Cancelled,
    Connected,
    DeadlinePassed,
    Fact,
    MediaChanged,
    MediaMoved,
    Rescheduled,
)
from signaling.index import derived, index_of
from signaling.lookup import shown_status
from signaling.messages import (
    ClientReady,
    ClientView,
    ParticipantChanged,
    QueueChanged,
    QueueEntered,
    QueueLeft,
    VisitChanged,
    VisitEnded,
    VisitResumed,
    VisitStarted,
    WaitingChanged,
)
from signaling.modality import admitted
from signaling.path import path_of
from signaling.policy import DAY
from signaling.requests import Admit, End, Finish, Leave, Rejoin, Start, Withdraw
from signaling.room import deadline, handle
from signaling.snapshot import pack, unpack
from signaling.state import Interval, Phase, Role, Room, Seat, Stand, Visit, Who
from signaling.view import view
from signaling.visit import NEXT
from signaling.waiting import ahead
from tests.signaling.people import CO, HOST

QUEUE = (QueueEntered, QueueChanged, QueueLeft, ClientReady)
AFTER_END = (Phase.ENDED, Phase.REJOIN_PENDING)


class Oracle:
    """One room under watch."""

    def __init__(self, room: Room, clients: tuple[Who, ...]) -> None:
        self.room = self.deciding = room
        self.clients = clients
        self.now = room.time
        self.count = 0
        self.arrivals: set[str] = set()
        self.unanswered: set[str] = set()
        self.came: set[tuple[str, str]] = set()
        self.said: set[str] = set()
        self.announced: Counter[tuple[str, str]] = Counter()
        """By entry and by who was told: a provider who comes to it later, or again, is told then."""
        self.notified: Counter[str] = Counter()
        self.hand_offs: Counter[str] = Counter()
        self.closed_at: dict[str, int] = {}
        self.seen: set[str] = set(room.visits)
        self.agreed: defaultdict[str, set[str]] = defaultdict(set)
        self.runs: defaultdict[str, list[list[int | None]]] = defaultdict(list)
        self.last_told: dict[str, WaitingChanged] = {}
        self.outages: tuple[Interval, ...] = ()
        """When the whole service could serve nobody, oldest first."""

    # --- playing

    def step(self, now: int, event: Asked | Fact) -> SignalingError | None:
        """Play `event`; return the error it was refused with, or None."""
        self.now = max(self.now, now)
        if isinstance(event, Asked) and not event.fresh:
            event = replace(event, fresh=f"{self.count:05}")
        self.count += 1
        before = self.deciding = self.room
        settled = self._time_passes(before, now)
        saved = pack(before)
        if isinstance(event, Asked) and isinstance(event.request, Finish) and event.request.outcomes:
            self.said.add(event.request.visit)  # a provider's word goes first
        try:
            step = handle(before, event, now=now, outages=self.outages)
        except SignalingError as error:
            assert pack(before) == saved, "a refused event changes nothing"
            self._refused(event, error)
            return error
        with told_at_once():
            again = handle(unpack(saved), event, now=now, outages=self.outages)
        with suppress(SignalingError):
            handle(step.room, event, now=now + DAY)  # the room goes on before anybody reads what was told
        assert as_bytes(step) == as_bytes(again), (
            "handle is a function of what was saved, and what is told is as it was when it was decided"
        )
        assert pack(before) == saved, "the room that was decided on stays as it was"
        self.deciding = step.room
        self._bookkeeping(before, step)
        self._moves(settled, step, event)
        self._tells(before, step)
        self._records(step)
        self.room = step.room
        self._promises(step.room)
        self._views(step.room)
        return None

    def _time_passes(self, room: Room, now: int) -> Room:
        """Return the room as punctual alarms leave it at `now`; a late one must leave the same.

        In an outage none rings; when it is over the first one tells of it.
        """
        late = handle(room, DeadlinePassed(), now=now, outages=self.outages).room
        punctual = room
        for number, away in enumerate(self.outages):
            if (away.end or 0) > room.outages_until:
                punctual = self._rings(punctual, away.start, self.outages[:number])
                until = self.outages[: number + 1]
                punctual = handle(punctual, DeadlinePassed(), now=away.end or 0, outages=until).room
        punctual = self._rings(punctual, max(now, room.time), self.outages)
        # That an outage was heard of is saved with whatever it changed, or with the next that changes anything.
        same: dict[str, Any] = {"version": 0, "seq": 0, "time": 0, "outages_until": 0}
        assert replace(late, **same) == replace(punctual, **same), "an alarm that rings late is invisible"
        return late

    def _rings(self, room: Room, until: int, outages: tuple[Interval, ...]) -> Room:
        """Return the room after an alarm at each of its deadlines."""
        while (due := deadline(room)) is not None and due <= until:
            early = handle(room, DeadlinePassed(), now=due - 1, outages=outages)
            assert early.room is room, "an alarm that rings early is invisible"
            room = handle(room, DeadlinePassed(), now=due, outages=outages).room
        return room

    def _refused(self, event: Asked | Fact, error: SignalingError) -> None:
        assert isinstance(event, Asked) or (isinstance(event, Connected) and isinstance(error, Busy)), "facts are facts"
        if isinstance(error, Stale) and isinstance(event, Asked) and event.by.role is Role.CLIENT:
            self._nobody_else(event.by, str(error.present), participants=False)

    # --- one step

    def _bookkeeping(self, before: Room, step: Step) -> None:
        room = step.room
        if room is before:
            assert step.entries == (), "what brings entries changes the room"
            return
        assert room.version == before.version + 1, "a change is one version"
        assert room.time >= before.time, "time does not go back"
        told = [entry for entry in step.entries if isinstance(entry, Told)]
        numbers = [entry.message.seq for entry in told]
        assert numbers == list(range(before.seq + 1, room.seq + 1)), "events are numbered without holes"
        for entry in told:
            assert entry.to, "nothing is told to nobody"
            assert len(set(entry.to)) == len(entry.to), "nobody is told twice"
            assert entry.message.version == room.version
            assert before.time <= entry.message.at <= room.time
        due = deadline(room)
        assert index_of(room) == derived(room), "what was carried along is what follows from the room"
        assert due is None or due > room.time, "what is due has happened"

    def _moves(self, settled: Room, step: Step, event: Asked | Fact) -> None:
        request = event.request if isinstance(event, Asked) else None
        self._model_time(settled)
        for id, was in settled.visits.items():
            now = step.room.visits.get(id)
            self._rev(was, now, event)
            self._edge(was, now, request or event)
            self._media_stops(was, now, step)
            self._comings(was, now, event)
            self._media_move(was, now, event)
        if isinstance(event, Asked):
            self._model_agreement(event, step.room)
            expect = getattr(request, "expect", None)
            meant = settled.visits.get(step.reply.visit or "")
            assert expect is None or meant is None or expect == meant.rev, "a contested click was made for this rev"

        entries = [e for e in step.entries if isinstance(e, HandOff)]
        self.hand_offs.update(e.record.visit for e in entries)
        self.closed_at |= {e.record.visit: self.now for e in entries}
        closed = {id for id in self.seen if id not in step.room.visits}
        self.seen |= set(step.room.visits)
        assert self.hand_offs == Counter(dict.fromkeys(closed, 1)), "I10: one record a closed visit, none before"
        documents = Counter(e.appointment for e in step.entries if isinstance(e, AppointmentClosed))
        assert all(count == 1 for count in documents.values())

    def _rev(self, was: Visit, now: Visit | None, event: Asked | Fact) -> None:
        if now is None:
            return
        moved = _shape(was) != _shape(now)
        steps = now.rev - was.rev
        if isinstance(event, Rescheduled) and event.appointment.visit == was.id:
            assert steps == (0 if replace(now, rev=was.rev) == was else 1)
        else:
            assert steps == (1 if moved else 0), "a granted move is one step of rev, and nothing else is"

    def _edge(self, was: Visit, now: Visit | None, event: object) -> None:
        to = now.phase if now is not None else Phase.CLOSED
        if to is was.phase:
            return
        if isinstance(event, Cancelled) and event.appointment == was.appointment:
            assert (was.phase, to) == (Phase.SCHEDULED, Phase.CLOSED)
            return
        cause = End if isinstance(event, Leave) else type(event)
        if isinstance(event, Start) and was.phase is Phase.REJOIN_PENDING:
            cause = Withdraw  # the provider went into another visit
        assert to in NEXT.get((was.phase, cause), frozenset()), f"{was.phase} -{cause.__name__}-> {to}"  # type: ignore[call-overload]

    def _media_stops(self, was: Visit, now: Visit | None, step: Step) -> None:
        if was.phase is not Phase.IN_PROGRESS:
            return
        if now is None or now.phase is not Phase.IN_PROGRESS:
            assert ClosePeers(was.id) in step.effects, "with the segment its media stop"
            return
        for id, seat in was.seats.items():
            if seat.stand is Stand.IN and now.seats[id].stand is not Stand.IN:
                assert ClosePeers(was.id, id) in step.effects, "who goes out has no media"

    def _goes_directly(self, visit: Visit, running: bool, runs: list[Interval]) -> None:
        """Without the server only two alone are connected, in a run, and not once it failed them."""
        now = path_of(visit) == "direct"
        _in_order(visit.direct, now)
        assert all(_within(span, runs) for span in visit.direct), "directly only in a run"
        if now:
            assert running, "an End ends it"
            assert not visit.group and not visit.fell_back and visit.policy.media == "direct"
            assert len(visit.providers) == 1
            assert sum(seat.stand is Stand.IN for seat in visit.seats.values()) == 1, "of two alone"

    def _media_move(self, was: Visit, now: Visit | None, event: Asked | Fact) -> None:
        """Only who carries a visit's media tells of them, and who took it over is never undone."""
        if now is None:
            return
        assert now.media_fence >= was.media_fence, "a fence never falls"
        match event:
            case MediaChanged(visit=was.id, fence=fence) if fence < was.media_fence:
                assert now == was, "who has lost a visit changes nothing of it"
            case MediaMoved(visit=was.id, fence=fence) if fence <= was.media_fence:
                assert now == was, "a take-over that was outdone changes nothing"
            case MediaMoved(visit=was.id, fence=fence, alive_until=until) if was.phase is Phase.IN_PROGRESS:
                assert (now.media_node, now.media_fence) == (event.node, fence), "the visit is where it was taken to"
                last = max(until, was.segments[-1].started_at)
                for id, log in now.media.items():
                    before = was.media[id]
                    spans = zip(
                        (*before.up, *before.video, *before.withheld), (*log.up, *log.video, *log.withheld), strict=True
                    )
                    for old, new in spans:
                        ran = old.end is None and old.start <= last
                        assert new.end is not None, "no media flow by a node that lost the visit"
                        assert not ran or new.end <= last, "nothing flowed after the node was last alive"
            case _:
                pass

    def _comings(self, was: Visit, now: Visit | None, event: Asked | Fact) -> None:
        """Who is let in, and by what: I2, I7, I8."""
        if now is None:
            return
        came = {id for id, s in now.seats.items() if s.stand is Stand.IN and _stand(was, id) is not Stand.IN}
        waited = {id for id, s in was.seats.items() if s.stand is Stand.WAITING}
        matched = self._matched(was, now, event)
        if not came:
            assert not (now.phase is Phase.IN_PROGRESS and was.phase is not Phase.IN_PROGRESS)
            return
        assert isinstance(event, Asked), "nobody comes in by chance"
        by, request = event.by, event.request
        provides = any(p.id == by.participant for p in was.providers)
        match request:
            case Start():
                assert provides
                assert request.appointment in (was.appointment, None)
                assert came == waited | matched, "start lets in all who wait for this appointment, and nobody else"
            case Admit():
                assert provides
                assert came == {self.room.entries[request.entry].participant}
            case Rejoin(visit=id):
                assert id == was.id
                if was.phase is Phase.IN_PROGRESS:
                    assert came == {by.participant}, "a further client comes in by their own click"
                else:
                    agreed = self.agreed[id] | {by.participant}
                    assert agreed & {p.id for p in was.providers}, "the provider's side agreed after this End"
                    assert came == agreed & set(was.seats), "every client who agreed comes in, and nobody else"
                for id in came:
                    assert was.seats[id].stand is Stand.OUT
                    assert was.seats[id].attended, "nobody rejoins what they never were in"
                    assert not was.seats[id].sent_back
            case _:
                raise AssertionError(f"{type(request).__name__} let {came} in")

    def _matched(self, was: Visit, now: Visit, event: Asked | Fact) -> set[str]:
        """Who was given a seat, and by what: nobody is matched but by a click that names entry and appointment."""
        new = set(now.matched.items()) - set(was.matched.items())
        if not new:
            return set()
        assert isinstance(event, Asked)
        assert isinstance(event.request, (Start, Admit))
        assert event.by.participant == HOST.participant, "the lane is the host's"
        assert event.request.appointment == was.appointment
        [(before, after)] = new
        seat = was.seats[before]
        assert (seat.stand, seat.attended) == (Stand.OUT, ()), "nobody loses a seat they have"
        assert self.room.entries[event.request.entry or ""].participant == after
        assert self.room.entries[event.request.entry or ""].visit is None, "only somebody nobody knows is matched"
        assert event.request.client in (None, seat.client)
        return {after}

    # --- what is counted here and there

    def _model_time(self, settled: Room) -> None:
        for id in list(self.agreed):
            visit = settled.visits.get(id)
            if visit is None or visit.phase not in AFTER_END:
                del self.agreed[id]

    def _model_agreement(self, event: Asked, room: Room) -> None:
        match event.request:
            case Rejoin(visit=id):
                self.agreed[id].add(event.by.participant)
            case Withdraw(visit=id):
                self.agreed[id].discard(event.by.participant)
            case _:
                pass
        live = any(visit.phase is Phase.IN_PROGRESS for visit in room.visits.values())
        for id in list(self.agreed):
            visit = room.visits.get(id)
            if visit is None or visit.phase not in AFTER_END:
                del self.agreed[id]
            elif live:
                self.agreed[id] -= {p.id for p in visit.providers}

    def _tells(self, before: Room, step: Step) -> None:
        room = step.room
        self.arrivals |= {
            id for id, e in room.entries.items() if id not in before.entries and not e.acknowledged and e.checked_in
        }
        self.came |= {(e.visit, e.participant) for e in room.entries.values() if e.visit is not None}
        for entry in step.entries:
            match entry:
                case Told(to, message, own=own):
                    assert own is None or own.values.keys() <= set(to), "what is told to each is told to them"
                    for participant in to:
                        self._may_hear(before, room, participant, entry.told(participant))
                        if isinstance(message, WaitingChanged):
                            self.last_told[participant] = entry.told(participant)
                    self._runs(to, message)
                case Notify("client.ready", data):
                    self.notified[data["entry"]] += 1
                case Notify("notice.unanswered", data):
                    assert data["entry"] in self.arrivals, "of an arrival"
                    assert data["entry"] not in self.unanswered, "and once"
                    self.unanswered.add(data["entry"])
                case _:
                    pass
        new = dict.fromkeys(self.arrivals, 1)
        assert self.notified == Counter(new), "client.ready once for each arrival"
        assert set(self.announced.values()) <= {0, 1}, "and nobody is told of it twice"
        assert {id for id, _ in self.announced} == self.arrivals

    def _records(self, step: Step) -> None:
        for record in (entry.record for entry in step.entries if isinstance(entry, HandOff)):
            facts, runs = record.facts, self.runs.get(record.visit, [])
            assert [[s["started_at"], s["ended_at"]] for s in facts["segments"]] == runs, (
                "I10: each run has its one place"
            )
            longest = sum(end - start for start, end in runs if start is not None and end is not None)
            for client in facts["clients"]:
                minutes = client["connected_ms"]
                assert client["outcome"], "whatever became of it has a name"
                theirs = client["outcome"] == "no_show" and record.visit not in self.said
                assert not theirs or (record.visit, client["participant"]) not in self.came, "who came is no no-show"
                assert min(minutes.values()) >= 0
                assert sum(minutes.values()) <= longest, "no minute is counted twice, and none without a run"

    def _runs(self, to: tuple[str, ...], message: object) -> None:
        """Count segments by what the host was told, and arrivals by what anybody was."""
        match message:
            case ClientReady(entry=id):
                self.announced.update((id, who) for who in to)
            case QueueLeft(entry=id):
                for forgotten in self.announced.keys() & {(id, who) for who in to}:
                    self.announced[forgotten] = 0  # should they come to it again, it is news again
            case VisitStarted(visit=id, at=at) | VisitResumed(visit=id, at=at) if HOST.participant in to:
                self.runs[id].append([at, None])
            case VisitEnded(visit=id, at=at) if HOST.participant in to:
                self.runs[id][-1][1] = at
            case _:
                pass

    # --- who may hear what: I1, I2, I4

    def _may_hear(self, before: Room, room: Room, participant: str, message: Any) -> None:
        who = next((one for one in self.clients if one.participant == participant), None)
        visit = getattr(message, "visit", None)
        present = room.visits.get(visit or "") or before.visits.get(visit or "")
        if who is None:
            assert participant in (HOST.participant, CO.participant), "participants are people of the room"
            assert not isinstance(message, WaitingChanged)
            if participant == CO.participant:
                text = _text(message)
                shared = [v for v in (*before.visits.values(), *room.visits.values()) if _provides(v, CO)]
                allowed = {id for v in shared for id in (*v.seats, *v.matched)}
                for client in self.clients:
                    if client.participant not in allowed:
                        assert client.name not in text, "a co-provider hears of the shared appointments alone"
                        assert client.participant not in text
            return
        assert not isinstance(message, (*QUEUE, VisitChanged)), "the queue is the providers'"
        inside = present is not None and _stand(present, participant) is Stand.IN
        if isinstance(message, (VisitStarted, VisitResumed, ParticipantChanged)):
            assert inside, "before admission nothing of the visit"
        if visit and present is not None:
            assert participant in present.seats or participant in before.visits[visit].seats, "only of one's own visit"
        if isinstance(message, WaitingChanged) and not room.policy.show_position:
            assert message.ahead is None
        self._nobody_else(who, _text(message), participants=inside)

    def _nobody_else(self, who: Who, text: str, *, participants: bool) -> None:
        """Assert that a text for one client names no other; `participants`: those of their visit by id alone."""
        assert "mrn-" not in text, "the practice's ids are the providers'"
        for other in self.clients:
            if other.participant != who.participant:
                assert other.name not in text, f"{who.participant} reads of {other.participant}"
                if not (participants and self._together(who, other)):
                    assert other.participant not in text

    def _together(self, who: Who, other: Who) -> bool:
        """Tell whether two clients sit, or sat, in one visit."""
        rooms = (self.room, self.deciding)
        return any({who.participant, other.participant} <= v.seats.keys() for r in rooms for v in r.visits.values())

    # --- what always holds

    def _promises(self, room: Room) -> None:
        live = [visit for visit in room.visits.values() if visit.phase is Phase.IN_PROGRESS]
        assert len(live) <= 1, "I5: one visit in progress"
        for visit in room.visits.values():
            self._visit_holds(room, visit)
        self._queue_holds(room)
        for who in (*self.clients, HOST, CO):
            devices = [c.device for c in room.connections.values() if c.who.participant == who.participant]
            assert who.role is not Role.CLIENT or len(devices) <= 1, "I6: one active device"
            gate = admitted(room, who)
            inside = [v for v in live if _provides(v, who) or _stand(v, who.participant) is Stand.IN]
            assert ([gate] if gate is not None else []) == inside, (
                "I15: media for those who are in, and for nobody else"
            )

    def _visit_holds(self, room: Room, visit: Visit) -> None:
        seats = visit.seats.values()
        running = visit.phase is Phase.IN_PROGRESS
        assert visit.phase is not Phase.CLOSED, "a closed visit leaves"
        assert running == any(seat.stand is Stand.IN for seat in seats), "I7: in progress with a client, and only so"
        if visit.phase in AFTER_END:
            last = visit.segments[-1].ended_at
            assert last is not None
            away = sum(max(0, (one.end or 0) - max(one.start, last)) for one in self.outages)
            assert visit.rejoin_until == last + visit.policy.rejoin_window + away > room.time, (
                "the window is from the last End, and all of it is in time that was served"
            )
        else:
            assert visit.rejoin_until is None
        assert bool(visit.agreed) == (visit.phase is Phase.REJOIN_PENDING)
        assert set(visit.agreed) == self.agreed.get(visit.id, set()), "I8: agreements since the last End"
        assert [[s.started_at, s.ended_at] for s in visit.segments] == self.runs.get(visit.id, []), "I10: each run once"
        ends = [segment.ended_at for segment in visit.segments]
        assert all(end is not None for end in (ends[:-1] if running else ends)), "a run ends with its End"
        spans = [Interval(s.started_at, s.ended_at) for s in visit.segments]
        _in_order(tuple(spans), running)
        for seat in seats:
            _in_order(seat.attended, seat.stand is Stand.IN)
            _in_order(seat.waited, seat.stand is Stand.WAITING)
            assert all(_within(span, spans) for span in seat.attended), "attended is a part of a run"
        for id, log in visit.media.items():
            inside = running and (_stand(visit, id) is Stand.IN or any(p.id == id for p in visit.providers))
            for track in (log.up, log.video, log.withheld):
                _in_order(track, None if inside else False)
                assert not track or track[0].start >= visit.segments[0].started_at
        self._goes_directly(visit, running, spans)
        for id, attendee in visit.attendees.items():
            inside = running and (_stand(visit, id) is Stand.IN or any(p.id == id for p in visit.providers))
            audio = tuple(Interval(span.start, span.end) for span in attendee.audio_only)
            _in_order(audio, inside and attendee.mode == "audio")
        sides = (
            any(_connected(room, p.id) for p in visit.providers),
            any(_connected(room, s.participant) for s in seats if s.stand is Stand.IN),
        )
        assert (visit.alone_since is None) == (not running or all(sides))

    def _queue_holds(self, room: Room) -> None:
        entries = list(room.entries.values())
        assert len({entry.participant for entry in entries}) == len(entries), "one place a person"
        for entry in entries:
            assert entry.participant not in (HOST.participant, CO.participant), "I15: a provider never waits"
            assert (entry.dropped_at is None) == _connected(room, entry.participant)
            visit = room.visits.get(entry.visit or "")
            grace = (visit.policy if visit else room.policy).grace
            assert entry.dropped_at is None or entry.dropped_at + grace > room.time, (
                "I16: nobody stays beyond the grace"
            )
            assert entry.acknowledged or not entry.unanswered_at or entry.unanswered_at > room.time, (
                "what nobody answers is told"
            )
            last, status = self.last_told[entry.participant], shown_status(room)
            assert (last.status, last.minutes) == (status.kind, status.minutes), "what they were told is how it is"
            assert last.ahead == ahead(room, entry)
            assert (entry.visit is None) == (visit is None)
        waiting = {(v.id, s.participant, s.entry) for v in room.visits.values() for s in v.seats.values() if _waits(s)}
        assert waiting == {(e.visit, e.participant, e.id) for e in entries if e.visit is not None}, (
            "seat and entry agree"
        )

    def _views(self, room: Room) -> None:
        for who in self.clients:
            shown = view(room, who, ice_servers=({"credential": "canary-ice"},))
            assert isinstance(shown, ClientView)
            text = _text(shown)
            inside = admitted(room, who) is not None
            assert ("canary-ice" in text) == ('"participants"' in text) == inside, (
                "I2: nothing of a visit before admission"
            )
            self._nobody_else(who, text, participants=inside)
        text = _text(view(room, CO))
        shared = {id for v in room.visits.values() if _provides(v, CO) for id in (*v.seats, *v.matched)}
        for client in self.clients:
            assert client.participant in shared or client.name not in text, "a co-provider sees the shared alone"


@contextmanager
def told_at_once() -> Iterator[None]:
    """Have everything that a step tells made the moment that it is decided, and not when it is read."""

    class Eager(list[Later]):
        def append(self, later: Later) -> None:
            value, field, make, of = later
            force_setattr(value, field, make(*of))

    begin = Draft.__init__

    def eager(draft: Draft, room: Room, fresh: str = "") -> None:
        begin(draft, room, fresh)
        draft.later = Eager()

    with patch.object(Draft, "__init__", eager):
        yield


def as_bytes(step: Step) -> tuple[bytes, ...]:
    """Return all of a step as the store would get it: equal bytes, in the same order."""
    parts = (step.room, *step.entries, *step.effects, step.reply)
    return tuple(msgspec.msgpack.encode([type(part).__name__, part]) for part in parts)


def _text(message: Any) -> str:
    return msgspec.json.encode(message).decode()


def _shape(visit: Visit) -> tuple[Any, ...]:
    """What `rev` numbers: the phase, where everybody stands, who agreed."""
    return visit.phase, {id: seat.stand for id, seat in visit.seats.items()}, visit.agreed


def _stand(visit: Visit, participant: str) -> Stand:
    seat = visit.seats.get(participant)
    return seat.stand if seat is not None else Stand.OUT


def _waits(seat: Seat) -> bool:
    return seat.stand is Stand.WAITING


def _provides(visit: Visit, who: Who) -> bool:
    return who.role is not Role.CLIENT and any(p.id == who.participant for p in visit.providers)


def _connected(room: Room, participant: str) -> bool:
    return any(c.who.participant == participant for c in room.connections.values())


def _in_order(spans: tuple[Interval, ...], running: bool | None) -> None:
    """Assert that spans follow one another and none is negative; `running`: whether the last is open (None: may be)."""
    for span, after in pairwise(spans):
        assert span.end is not None, "only the last may run"
        assert span.end <= after.start
    assert all(span.end is None or span.end >= span.start for span in spans), "no time is negative"
    if running is not None:
        assert (bool(spans) and spans[-1].end is None) == running


def _within(span: Interval, runs: list[Interval]) -> bool:
    return any(
        run.start <= span.start and (run.end is None or (span.end is not None and span.end <= run.end)) for run in runs
    )
