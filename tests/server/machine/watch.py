"""Watches every commit and every frame, and holds them to what SAFETY promises: S1, S2, R5, I1 to I17.

It knows what the store saved, since all rooms live there, and what each socket got. Whatever lies between the two -
dispatch, bus, feeds, sessions, resume - is under test, and must bring exactly the one to the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from server.ports.outbox import Owed
from server.ports.rooms import Commit
from server.web.closes import Close
from signaling.negotiation import keeps_alone
from signaling.requests import Request, RoomRequest
from signaling.snapshot import unpack
from signaling.state import Phase, Role, Room, Stand, Visit
from signaling.view import may_be_told, view
from signaling.visit import NEXT
from tests.server.machine.browser import Browser, BrowserWire, Sent
from tests.server.machine.cast import CLIENTS, NEIGHBOUR, NUMBERS, PRACTICE, SHARED, opened
from tests.server.machine.nodes import ICE, Node, alone

MARK = re.compile(rb"(?:par_|vis_|apt_|mrn_|ent_|ep_|room_|dr_|prc_|Q\d[a-z])\w+")
"""Everything by which one may tell whose something is."""
OF_ONE = re.compile(rb"(?:(?:par|mrn)_\d_|Q\d)([a-z]+)")
OTHERS = ("view", "visit.started", "visit.resumed", "participant.changed", "chat", "media.mode")
"""What may name another client: to somebody who is in a visit with them."""
PASSING = (
    *("chat", "media.offer", "media.answer", "media.candidates"),
    *("media.mode", "media.quality", "media.renegotiate", "media.replace"),
)
STEPS = {phase: {to for (at, _), all in NEXT.items() if at is phase for to in all} for phase in Phase}
TEN_MINUTES = 600_000
_OWED, _JSON = msgspec.msgpack.Decoder(Owed), msgspec.json.Encoder()
_FROM_JSON = msgspec.json.Decoder()


class Saved:
    """One event as the store has it, read without the service's help."""

    __slots__ = ("close", "connection", "message", "own", "to")

    def __init__(self, payload: bytes) -> None:
        self.to, self.message, self.connection, self.close, self.own = msgspec.msgpack.decode(payload)
        """`own` is a field of the message and what each is told of it apart."""

    def is_for(self, participant: str, connection: str) -> bool:
        return participant in self.to and self.connection in (None, connection)

    def told(self, participant: str) -> dict[str, Any]:
        own = self.own["values"] if self.own else {}
        return {**self.message, self.own["field"]: own[participant]} if participant in own else self.message

    @property
    def passes(self) -> bool:
        """Whether a later one of its kind makes it untrue."""
        return self.message["type"] in ("waiting.changed", "queue.changed", "participant.changed")


class Kept:
    """Everything that was ever saved of one room."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.versions: list[Room] = []
        self.events: list[Saved | None] = [None]
        self.inside: list[dict[str, str]] = []
        """By version: who is in which visit in progress, providers included."""
        self.shared: set[str] = set(SHARED)
        """Whom the co-provider may know of."""
        self.fine: set[bytes] = {f"room_{number}".encode()}
        """Marks that belong here."""

    @property
    def now(self) -> Room:
        return self.versions[-1]


class Watch:
    """The oracle of one history."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.rooms = {number: Kept(number) for number in NUMBERS}
        self.frames = 0
        self.records: Counter[str] = Counter()
        self.ready: Counter[tuple[str, str]] = Counter()
        """By entry and by who was told: a provider who comes to it later, or again, is told then."""
        self.unanswered: set[str] = set()
        """Entries whose notice nobody answered."""
        self.names: dict[tuple[str, str], int] = {}
        """(room, request id) of keyed requests that were committed, and when."""
        self.replies: dict[tuple[int, str, str], tuple[Request, dict[str, Any], int]] = {}
        self.first_asked: dict[tuple[int, str, str], int] = {}
        """When each key was used first, whether that was answered or not: from then on it is remembered."""
        self.winners: dict[tuple[str, int], Any] = {}
        self.secrets: set[str] = set()
        for number, kept in self.rooms.items():
            self._fine_from_the_start(kept)
            room, commits = opened(number)
            blank = msgspec.structs.replace(room, version=0, seq=0, visits={})
            kept.versions, kept.inside = [blank], [{}]
            for commit in commits:
                self._keep(kept, commit, unpack(commit.snapshot))

    def _fine_from_the_start(self, kept: Kept) -> None:
        n, practice = kept.number, PRACTICE[kept.number]
        names = [f"{kind}_{n}_{who}" for kind in ("par", "mrn") for who in CLIENTS] + [f"Q{n}{who}" for who in CLIENTS]
        visits = [f"{kind}_{n}_{visit}" for kind in ("vis", "apt") for visit in ("ann", "bob", "eva", "group")]
        people = [f"dr_{n}", f"dr_{NEIGHBOUR[n]}", f"prc_{practice}", f"ep_{n}"]
        kept.fine.update(one.encode() for one in (*names, *visits, *people))

    # --- what is saved

    def committed(self, id: str, commit: Commit) -> None:
        """Look at what was just saved."""
        self._judge(self._committed, id, commit)

    def delivered(self, browser: Browser, wire: BrowserWire, payload: bytes, told: dict[str, Any]) -> None:
        """Look at one frame, and let the browser have it."""
        self._judge(self._delivered, browser, wire, payload, told)

    def closed(self, browser: Browser, wire: BrowserWire, code: int) -> None:
        """Look at why a socket was closed by the node."""
        self._judge(self._closed, browser, wire, code)

    def _judge(self, judge: Callable[..., None], *seen: Any) -> None:
        # The service must not catch what it has no part in: the first broken promise is kept for the world to raise.
        try:
            judge(*seen)
        except AssertionError as error:
            self.world.broken = self.world.broken or error

    def _committed(self, id: str, commit: Commit) -> None:
        kept = self.rooms[int(id[5:])]
        before, room = kept.now, unpack(commit.snapshot)
        assert commit.expected == before.version == room.version - 1, "I9: a change is one version"
        assert room.time >= before.time, "time does not go back"
        if commit.body:
            name = (id, commit.request)
            assert self.world.now - self.names.get(name, -TEN_MINUTES) >= TEN_MINUTES, "I13: one effect of one key"
            self.names[name] = self.world.now
        self._keep(kept, commit, room)
        self._visits(before, room)
        self._queue(room)
        self._owed(before, room, commit)

    def _keep(self, kept: Kept, commit: Commit, room: Room) -> None:
        for seq, payload in commit.events:
            assert seq == len(kept.events), "events are numbered without holes"
            kept.events.append(Saved(payload))
        kept.versions.append(room)
        inside = {}
        for visit in room.visits.values():
            kept.fine.add(visit.id.encode())
            if visit.phase is Phase.IN_PROGRESS:
                inside |= dict.fromkeys((p.id for p in visit.providers), visit.id)
                inside |= {id: visit.id for id, seat in visit.seats.items() if seat.stand is Stand.IN}
            if any(p.id == f"dr_{NEIGHBOUR[kept.number]}" for p in visit.providers):
                kept.shared.update(id[6:] for id in (*visit.seats, *visit.matched))
        kept.fine.update(entry.encode() for entry in room.entries)
        kept.inside.append(inside)

    def _visits(self, before: Room, room: Room) -> None:
        live = [visit for visit in room.visits.values() if visit.phase is Phase.IN_PROGRESS]
        assert len(live) <= 1, "I5: one visit in progress"
        for id, visit in room.visits.items():
            was = before.visits.get(id)
            if was is None or was is visit:
                continue
            assert visit.rev >= was.rev, "I9: rev does not fall"
            if _shape(was) != _shape(visit):
                assert visit.rev > was.rev, "I9: a move counts"
            if visit.phase is not was.phase:
                nearby = STEPS[was.phase] | {Phase.SCHEDULED}
                assert visit.phase in nearby.union(*(STEPS[one] for one in nearby)), "I9: only what the table holds"
            if visit.phase is Phase.IN_PROGRESS and was.phase is not Phase.IN_PROGRESS:
                assert was.phase in (Phase.SCHEDULED, Phase.REJOIN_PENDING), "I8: nobody is in again unasked"
            if visit.phase is Phase.IN_PROGRESS:
                assert any(seat.stand is Stand.IN for seat in visit.seats.values()), "I7: in progress with a client"

    def _queue(self, room: Room) -> None:
        connected = Counter(one.who.participant for one in room.connections.values() if one.who.role is Role.CLIENT)
        assert not connected or max(connected.values()) == 1, "I6: one active device"
        for entry in room.entries.values():
            assert not entry.participant.startswith("dr_"), "I15: a provider never waits"
            if entry.dropped_at is not None:
                visit = room.visits.get(entry.visit or "")
                grace = (visit.policy if visit is not None else room.policy).grace
                assert entry.dropped_at + grace > room.time, "I16: nobody stays beyond the grace"

    def _owed(self, before: Room, room: Room, commit: Commit) -> None:
        told = [one for seq, _ in commit.events if (one := self.rooms[int(room.id[5:])].events[seq])]
        ready = [(one.message["entry"], who) for one in told if one.message["type"] == "client.ready" for who in one.to]
        new = {id for id, one in room.entries.items() if id not in before.entries and not one.acknowledged}
        late = {id for id, _ in ready} - new
        assert new <= {id for id, _ in ready}, "I14: client.ready for each arrival"
        assert late <= {id for id, one in before.entries.items() if not one.acknowledged}, "I14: and for nothing else"
        self.ready.update(ready)
        assert all(self.ready[one] == 1 for one in ready), "I14: once for each arrival, to each provider"
        gone = [(one.message["entry"], who) for one in told if one.message["type"] == "queue.left" for who in one.to]
        for forgotten in gone:
            self.ready[forgotten] = 0
        closed = {id for id in before.visits if id not in room.visits}
        owed = [_OWED.decode(one) for one in commit.outbox]
        notices = [one.data for one in owed if one.kind == "notify"]
        unanswered = [one["data"]["entry"] for one in notices if one["type"] == "notice.unanswered"]
        assert not self.unanswered & set(unanswered), "once for each arrival"
        assert {id for id, one in before.entries.items() if one.acknowledged}.isdisjoint(unanswered), "and unanswered"
        self.unanswered.update(unanswered)
        records = [one.data["visit"] for one in owed if one.kind == "record"]
        # One that was started and over within one step was never saved as open.
        assert closed <= set(records), "I10: a closed visit has a record"
        self.records.update(records)
        assert all(self.records[id] == 1 for id in records), "I10: exactly one"
        assert not set(records) & set(room.visits), "I10: none before it closes"

    # --- what is told

    def _delivered(self, browser: Browser, wire: BrowserWire, payload: bytes, told: dict[str, Any]) -> None:
        self.frames += 1
        kept, kind = self.rooms[browser.room], told["type"]
        assert wire.over is None, "nothing is sent after the end"
        self._marks(kept, browser, payload, kind)
        if kind == "welcome":
            self._welcome(browser, wire, told)
            return
        assert wire.welcomed or kind in ("error", "goaway"), "nothing before the welcome"
        if wire.recovered is False and kind != "error":
            assert kind == "view", "what was missed is made good by a view"
            wire.recovered = None
        if kind == "view":
            self._view(kept, browser, told)
        elif "seq" in told:
            self._event(kept, browser, wire, told)
        elif kind in ("ok", "error"):
            self._reply(kept, browser, told)
        elif kind == "media.answer" and told["sdp"] == alone(browser.who.participant):
            assert told["tracks"] == [], "nothing of a visit in the answer to a peer with the server alone"
        elif kind in PASSING:
            mine = self._visits_since(kept, browser, browser.who.participant)
            assert mine, "I1: media and chat for those who are in"
            if kind == "chat":
                # They may have gone since they said it; whoever hears it has not.
                theirs = {one[told["participant"]] for one in kept.inside if told["participant"] in one}
                assert mine & theirs, "I1: chat for those who are in together"
                assert told["text"] == f"by {told['participant']}", "as it was said"
            if kind == "media.offer":
                theirs = {one[told["participant"]] for one in kept.inside if told["participant"] in one}
                assert mine & theirs, "I3: descriptions for those who are in together"
                assert told["sdp"] == f"by {told['participant']}", "as it was said"

    def _marks(self, kept: Kept, browser: Browser, payload: bytes, kind: str) -> None:
        marks = set(MARK.findall(payload))
        strange = marks - kept.fine
        if kind == "error":  # a refused Start may name the visit that it would have made
            strange = {one for one in strange if any(one in other.fine for other in self.rooms.values())}
        assert not strange, f"S1: {sorted(strange)} in room {kept.number}"
        assert kind == "welcome" or b"s3cr3t" not in payload, "a secret is told once"
        if browser.who.role is Role.PROVIDER:
            return
        people = {one.decode() for one in OF_ONE.findall(b" ".join(marks))}
        if browser.who.role is Role.CO_PROVIDER:
            assert people <= kept.shared, "a co-provider hears of the shared appointments alone"
            return
        assert b"mrn_" not in payload, "the practice's ids are the providers'"
        others = people - {browser.who.participant[6:]}
        if others:
            assert kind in OTHERS, "I4: of nobody else"
            assert any(f"par_{kept.number}_{one}" in self._company(kept, browser) for one in others), (
                "I4: of one's group"
            )
            if not kept.now.policy.names_in_group:
                assert not any(f"Q{kept.number}{one}".encode() in marks for one in others), "I4: no names"

    def _company(self, kept: Kept, browser: Browser) -> set[str]:
        """Return who shares a visit with a client, or did."""
        me = browser.who.participant
        return {id for room in kept.versions[-40:] for v in room.visits.values() if me in v.seats for id in v.seats}

    def _visits_since(self, kept: Kept, browser: Browser, participant: str) -> set[str]:
        """Return where somebody is in, now or since the state that this browser was told of."""
        since = self._version_of(kept, browser.cursor)
        return {one[participant] for one in kept.inside[since:] if participant in one}

    def _version_of(self, kept: Kept, seq: int) -> int:
        event = kept.events[seq] if 0 < seq < len(kept.events) else None
        return event.message["version"] if event is not None else 0

    def _welcome(self, browser: Browser, wire: BrowserWire, told: dict[str, Any]) -> None:
        assert told["secret"] not in self.secrets, "I12: each welcome has a secret of its own"
        self.secrets.add(told["secret"])
        assert told["role"] == browser.who.role.value, "I15: the role is the ticket's"
        assert not told["recovered"] or wire.resumes, "I12: only who was there can have missed nothing"
        wire.welcomed, wire.recovered = True, told["recovered"]
        if not told["recovered"]:
            browser.state = None
        browser.welcomed(told)

    def _view(self, kept: Kept, browser: Browser, told: dict[str, Any]) -> None:
        assert told["seq"] >= browser.cursor or told["epoch"] != browser.epoch, "nobody is shown the past"
        room = kept.versions[told["version"]]
        exact = _FROM_JSON.decode(_JSON.encode(view(room, browser.who, ice_servers=ICE)))
        re = told.pop("re", None)
        assert told == exact, "a view is the room as it was saved"
        if not browser.provides and browser.who.participant not in kept.inside[told["version"]]:
            assert not {"participants", "ice_servers"} & told.keys(), "S2: nothing of a visit before admission"
        browser.viewed(told)
        if re is not None:
            browser.answered({**told, "re": re})

    def _event(self, kept: Kept, browser: Browser, wire: BrowserWire, told: dict[str, Any]) -> None:
        seq, who = told["seq"], browser.who
        event = kept.events[seq] if seq < len(kept.events) else None
        assert event is not None, "what is told was saved"
        assert seq > browser.cursor, f"R5: nothing is told twice, nor late; {who.participant}"
        connection = wire.session.id
        assert event.is_for(who.participant, connection), "I1: only its audience"
        for number in range(browser.cursor + 1, seq):
            missed = kept.events[number]
            assert missed is not None
            if missed.is_for(who.participant, connection) and not (browser.skips and missed.passes):
                assert not self._may_still_see(kept, browser, missed), f"R5: {missed.message['type']} was left out"
        servers = told.pop("ice_servers", None)
        saved = event.told(who.participant).items()
        assert told == {key: value for key, value in saved if key != "ice_servers"}, "as it was saved"
        inside = kept.inside[event.message["version"]]
        if not browser.provides and (servers or "participants" in told or told["type"] == "participant.changed"):
            assert who.participant in inside, "S2: nothing of a visit before admission"
        if told.get("ahead") is not None:
            assert kept.now.policy.show_position, "I4: places in line are not for everybody"
        browser.cursor = seq
        browser.fold(told)
        wire.must_close = event.close if event.close is not None else wire.must_close

    def _may_still_see(self, kept: Kept, browser: Browser, event: Saved) -> bool:
        since = event.message["version"]
        return all(may_be_told(room, browser.who, event.message) for room in kept.versions[since:])

    def _reply(self, kept: Kept, browser: Browser, told: dict[str, Any]) -> None:
        sent = browser.answered(told)
        if told["type"] == "error":
            assert told["code"] != "internal", "no mistake of ours"
        if sent is None:
            return
        request = sent.request
        if told.get("ice_servers") and getattr(request, "purpose", "") == "visit":
            assert self._visits_since(kept, browser, browser.who.participant), "S2: no ICE before admission"
        if request.key is not None and isinstance(request, RoomRequest):
            self._same_reply(browser, sent, request, told)
        if told["type"] == "ok" and getattr(request, "expect", None) is not None:
            assert told["rev"] == request.expect + 1, "I9: a click is one step"  # type: ignore[attr-defined]
            mine = (browser.who.participant, request.key or id(request))
            assert self.winners.setdefault((told["visit"], told["rev"]), mine) == mine, "I9: exactly one wins"

    def _same_reply(self, browser: Browser, sent: Sent, request: Request, told: dict[str, Any]) -> None:
        name, now = (browser.room, browser.who.participant, request.key or ""), self.world.now
        bare = msgspec.structs.replace(request, id=None)
        reply = {key: value for key, value in told.items() if key != "re"}
        known = self.replies.get(name)
        if known is not None and now - known[2] < TEN_MINUTES - 60_000:  # clocks differ a little
            if known[0] != bare:
                assert told["type"] == "error", "I13: a key is one request"
                assert told["code"] in ("key_reused", "unavailable", "rate"), told["code"]
            else:
                assert reply == known[1] or told.get("code") in ("unavailable", "rate"), "I13: same key, same reply"
        elif told["type"] == "ok":
            self.replies[name] = (bare, reply, self.first_asked[name])

    def _closed(self, browser: Browser, wire: BrowserWire, code: int) -> None:
        assert code != Close.INTERNAL, "no mistake of ours"
        assert code != Close.STATE_GAP, "R5: the store has everything, so nobody is sent away for a gap"
        assert wire.must_close in (None, code), "what sends somebody away says so"
        assert not browser.provides or code != 4511, "a provider is not removed"

    # --- when everything has come to rest

    def at_rest(self) -> None:
        """Compare what is shown with what is saved: I11, I12, and that both sides agree on who is there."""
        there: dict[int, dict[str, Browser]] = {number: {} for number in NUMBERS}
        for browser in self.world.browsers:
            wire = browser.wire
            if wire is None or wire.over is not None or wire.deaf or wire.node.reach.dead:
                continue
            assert wire.must_close is None, "who is sent away is away"
            assert wire.welcomed, "whoever comes is welcomed, or told why not"
            there[browser.room][wire.session.id] = browser
        for number, browsers in there.items():
            kept = self.rooms[number]
            assert browsers.keys() == kept.now.connections.keys(), (
                f"room {number} holds {sorted(kept.now.connections)}, and there are {sorted(browsers)}"
            )
            for browser in browsers.values():
                self._shows(kept, browser)
        self.media()

    def all_arrived(self, node: Node) -> None:
        """Assert that at a node which is well everybody sees their room as it is. Whoever has not read all is left."""
        if not node.reach.knows:
            return
        for browser in self.world.browsers:
            wire = browser.wire
            if not browser.there or wire is None or wire.node is not node or wire.mailbox is not None:
                continue
            feed = node.hub.feeds[f"room_{browser.room}"]
            if not (browser.doubt or browser.unanswered or feed._filling):
                self._shows(self.rooms[browser.room], browser)

    def over(self) -> None:
        """Look at a history as a whole: every visit that ever was has its one record."""
        visits = {id for kept in self.rooms.values() for room in kept.versions for id in room.visits}
        assert visits <= self.records.keys(), "I10: each visit has a record"

    def _shows(self, kept: Kept, browser: Browser) -> None:
        if browser.unlawful:
            return
        state = _FROM_JSON.decode(_JSON.encode(view(kept.now, browser.who, ice_servers=ICE)))
        shown = type(browser)(browser.room, browser.who, "", packed=False, watch=None)
        shown.viewed(state)
        before, after = browser.shows(), shown.shows()
        differ = {key: (before.get(key), after[key]) for key in after if before.get(key) != after[key]}
        assert not differ, f"I11: {browser.who.participant} sees the room as it is, and not {differ}"

    def media(self) -> None:
        """Assert that media flow only for those who are in, and where their visit is carried."""
        carried: dict[str, str] = {}
        for node in self.world.nodes:
            for visit, participant in node.media.peers:
                inside = [kept.inside[-1].get(participant) for kept in self.rooms.values()]
                assert visit in inside, f"I3: media of {participant} only while they are in {visit}"
                assert node.many.leases.fence(visit) is not None, f"I3: media of {visit} only where it is carried"
                assert carried.setdefault(visit, node.name) == node.name, "I3: the media of a visit are at one node"
            for (room, participant, _), purpose in node.media.alone.here.items():
                now = next(kept.now for kept in self.rooms.values() if kept.now.id == room)
                who = next((one.who for one in now.connections.values() if one.who.participant == participant), None)
                # Of some who drop nobody hears: what they had goes with their browser's silence.
                assert who is None or keeps_alone(now, who, purpose), f"S2: {participant} has no use for a {purpose}"


def _shape(visit: Visit) -> Any:
    return visit.phase, {id: seat.stand for id, seat in visit.seats.items()}, visit.agreed
