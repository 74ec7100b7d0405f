"""What people do: what their page offers, anything else, what is another room's; they drop, come back, and change."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

from tests.server.sockets.cast import (
    GROUP,
    NEIGHBOUR,
    PRACTICE,
    ROOMS,
    VISIT_OF,
    VISITS,
    WALK_INS,
    Booking,
    Office,
    canary,
    check_in,
)
from tests.server.sockets.people import Page, Person, Told
from tests.server.sockets.watch import CANARY, TO_JSON, Watch, is_walk_in
from tests.stories.worlds import World

COMES_BACK = (1000, 1005, 1006, 4001, 4002, 4003, 4008, 4012, 4013)
"""Codes after which a page tries its secret."""
EVERY = 0.08
"""Seconds between two requests of a page at least: more often would be refused."""
LATE = 20.0
"""Seconds in which a request whose answer was not heard is done, or not at all."""
NO_MESSAGES = (b"{", b'{"type":"admit"}', b'{"type":"nothing","id":7}', b"\xc1", b'{"type":"end","id":-1}')


class Crowd:
    """Everybody, and what they know of one another's ids."""

    def __init__(self, world: World, watch: Watch, dice: random.Random, sdp: str) -> None:
        """`sdp` is an offer as a browser makes it, with the place for a name of its own: `{cname}`."""
        self.world, self.watch, self.dice, self._sdp = world, watch, dice, sdp
        self.offices = {practice: Office(world, practice) for practice in set(PRACTICE.values())}
        self.bookings: dict[tuple[int, str], Booking] = {}
        self.by_id: dict[str, Booking] = {}
        self.visits_seen: set[str] = set()
        """Visits that somebody was let into."""
        self.people: list[Person] = []
        self.stop = asyncio.Event()
        self._booking = asyncio.Lock()
        self._turns = itertools.count()
        self._knocks = itertools.count(1)

    async def gather(self) -> None:
        """Make practices and appointments, and whoever comes."""
        await asyncio.gather(*(office.open() for office in self.offices.values()))
        for room in ROOMS:
            for visit in VISITS:
                await self.book(room, visit)
            self.people += [Person(room, "dr", "provider"), Person(room, "co", "co_provider")]
            self.people += [Person(room, name, "client") for name in (*VISIT_OF, *WALK_INS)]

    async def play(self) -> None:
        """Let everybody do things until `stop` is set."""
        async with asyncio.TaskGroup() as lives:
            for person in self.people:
                lives.create_task(self.live(person))

    async def disperse(self) -> None:
        await asyncio.gather(*(page.close() for person in self.people for page in person.pages))
        await asyncio.gather(*(office.close() for office in self.offices.values()))

    async def book(self, room: int, visit: str, over: Booking | None = None) -> None:
        """Make an appointment, in the place of the one that is over."""
        async with self._booking:
            if self.bookings.get((room, visit)) is not over:
                return
            made = await self.offices[PRACTICE[room]].book(room, visit)
            self.bookings[room, visit] = self.by_id[made.id] = made

    # --- one life

    async def live(self, person: Person) -> None:
        while not self.stop.is_set():
            await asyncio.sleep(EVERY)
            page = person.page
            if page is None:
                await self.come(person)
            elif page.state is not None:
                await self.act(person, page)

    async def come(self, person: Person) -> None:
        """By a secret, rightly or wrongly; by a link, a knock or a sign-in; or on a second device."""
        last = person.pages[-1] if person.pages else None
        person.pages = person.pages[-4:]
        chance = self.dice.random()
        if last is not None and last.claim is not None and last.over in COMES_BACK and chance < 0.7:
            await self.resume(person, last, wrong=chance < 0.07)
            return
        ticket = await self.ticket(person)
        if ticket is None:
            await self.moves_on(person)
            return
        # A reloaded page is the same device. Whoever was displaced clicks, and takes over.
        same = last is not None and self.dice.random() < 0.4
        device = last.device if same and last is not None else f"{person.name}-{next(person.devices)}"
        await self.enter(person, device, {"ticket": ticket, "takeover": last is not None and last.over == 4509})
        if last is not None and last.over in (4510, 4511) and person.page is None:
            await self.moves_on(person)

    async def resume(self, person: Person, last: Page, *, wrong: bool) -> None:
        """Come back by the last secret, or by that of somebody else with one's own connection."""
        assert last.claim is not None
        claim = last.claim | {"epoch": last.epoch, "seq": last.cursor}
        if wrong:
            others = [one.page for one in self.people if one is not person]
            claims = [page.claim for page in others if page is not None and page.claim is not None]
            claim["secret"] = self.dice.choice(claims)["secret"] if claims else "guessed"
        page = await self.enter(person, last.device, {"resume": claim}, before=last, wrong=wrong)
        if page.over is not None and not wrong:
            last.claim = None

    async def enter(
        self, person: Person, device: str, hello: Told, *, before: Page | None = None, wrong: bool = False
    ) -> Page:
        number = next(self._turns)
        page = Page(person, self.watch, device=device, packed=number % 3 == 0)
        page.wrong = wrong
        if before is not None:
            page.inherit(before)
        if not wrong:
            person.pages.append(page)
        node = self.world.nodes[number % len(self.world.nodes)]
        hello = {key: value for key, value in hello.items() if value is not False}
        agent = canary(person.room, person.name, "agent")
        await page.come(node.url, self.world.public, hello | {"agent": agent})
        if wrong:
            await page.close()
        return page

    async def ticket(self, person: Person) -> str | None:
        office, room = self.offices[PRACTICE[person.room]], person.room
        if person.role != "client":
            return await office.provider_ticket(room if person.role == "provider" else NEIGHBOUR[room], room)
        if is_walk_in(person.name):
            if person.stay is None or person.stay.over:
                person.name = f"{person.name.rstrip('0123456789')}{next(self._knocks)}"
                person.stay, person.pages = Booking(room, person.name, "", {}), []
                return await office.knock(room, person.name)
            # Without the cookie of the knock they are somebody new to the service, and so to us.
            person.stay.over = True
            return await self.ticket(person)
        visit = VISIT_OF[person.name]
        if self.bookings[room, visit].over:
            await self.book(room, visit, over=self.bookings[room, visit])
        person.stay = self.bookings[room, visit]
        return await office.client_ticket(person.stay.tokens[person.name])

    async def moves_on(self, person: Person) -> None:
        """Nothing waits for this client any more: there is a next appointment, or there will be."""
        stay = person.stay
        await asyncio.sleep(0.5)
        if stay is None or is_walk_in(person.name) or self.dice.random() < 0.5:
            return
        if stay.over or await self.offices[PRACTICE[stay.room]].cancel(stay):
            stay.over = True
            await self.book(stay.room, stay.visit, over=stay)

    # --- one deed

    async def act(self, person: Person, page: Page) -> None:
        kind = self.dice.random()
        if kind < 0.02:
            await page.drop()
        elif kind < 0.03:
            await page.send_frame(self.dice.choice(NO_MESSAGES))
        elif kind < 0.04:
            await self.second_device(person)
        elif kind < 0.05 and person.role != "client":
            await self.foreign_ticket(person)
        elif kind < 0.2:
            await self.ask(page, self.anything(page))
        elif kind < 0.3:
            await self.ask(page, self.foreign(page))
        else:
            await self.ask(page, self.offered(page))
        self._notice(person, page)

    async def second_device(self, person: Person) -> None:
        """Without a click a client's second device stays out; with one the first does."""
        if is_walk_in(person.name):
            return
        ticket = await self.ticket(person)
        if ticket is not None:
            device = f"{person.name}-{next(person.devices)}"
            await self.enter(person, device, {"ticket": ticket, "takeover": self.dice.random() < 0.5})

    async def foreign_ticket(self, person: Person) -> None:
        """Nobody gets into a room of another practice."""
        room = self.dice.choice([room for room in ROOMS if PRACTICE[room] != PRACTICE[person.room]])
        ticket = await self.offices[PRACTICE[person.room]].provider_ticket(person.room, room)
        if ticket is not None:
            self.watch.broken.append(f"a provider of room {person.room} got a ticket to room {room}")

    async def ask(self, page: Page, request: Told) -> None:
        self._before(page, request)
        told = await page.ask(request)
        booking: Booking | None = request.get("_starts")
        if booking is not None:
            # Whoever dropped meanwhile may have been heard all the same.
            asyncio.get_running_loop().call_later(0 if told else LATE, booking.started)

    def _before(self, page: Page, request: Told) -> None:
        """Note who may be let in by what is about to be asked."""
        stay, kind = page.stay, request["type"]
        if kind == "check_in" and stay is not None:
            stay.asked.add(page.name)
            if stay.starting:
                stay.granted.add(page.name)
        if kind in ("start", "admit") and page.role != "client" and not request.get("_foreign"):
            self._lets_in(page, request)

    def _lets_in(self, page: Page, request: Told) -> None:
        entry = _entries(page).get(request.get("entry", ""))
        booking = self.by_id.get(request.get("appointment") or (entry or {}).get("appointment") or "")
        if booking is not None and (booking.room != page.room or not _hosts(page, booking)):
            return
        name = _marked(entry, "called") if entry is not None else None
        who = next((one for one in self.people if (one.room, one.name) == (page.room, name)), None)
        if who is not None and who.stay is not None:
            who.stay.granted.add(who.name)
            if booking is not None and is_walk_in(who.name):
                self.watch.matched.setdefault((page.room, who.name), set()).add(booking.visit)
                booking.granted |= booking.tokens.keys()  # by their link they come to the seat that was given away
        if booking is not None and request["type"] == "start":
            booking.granted |= booking.asked
            booking.starting += 1
            request["_starts"] = booking

    def _notice(self, person: Person, page: Page) -> None:
        """See what is over, so that there is a next one."""
        state = page.state or {}
        if state.get("visit") and page.inside:
            self.visits_seen.add(state["visit"])
        if page.stay is not None and (page.over in (4510, 4511) or state.get("phase") == "closed"):
            page.stay.over = page.stay.over or page.over != 4511 or is_walk_in(person.name)

    # --- what to ask

    def offered(self, page: Page) -> Told:
        """What somebody may do next, as their page shows it."""
        return self._client_may(page) if page.role == "client" else self._provider_may(page)

    def _client_may(self, page: Page) -> Told:
        state, room, name, pick = page.state or {}, page.room, page.name, self.dice.choice
        visit = state.get("visit") or "vis_none"
        match state.get("phase"):
            case "scheduled":
                return pick(
                    [check_in(room, name, pick(("video", "video", "audio")))] * 4
                    + [{"type": "media.prepare", "purpose": "check"}]
                )
            case "waiting":
                ways: list[Told] = [{"type": kind} for kind in ("step_away", "come_back", "sync", "ping", "ping")]
                warm = {"type": "media.prepare", "purpose": "warm"}
                mode = {"type": "media.mode", "mode": "audio", "reason": "declined"}
                leave = [{"type": "leave"}] if self.dice.random() < 0.2 else []
                return pick([*ways, warm, mode, check_in(room, name, "video"), *leave])
            case "in_progress":
                end = {"type": pick(("end", "leave")), "visit": visit}
                if end["type"] == "leave":
                    del end["visit"]
                chats = [self.chat(page)] * 4
                return pick([*chats, *self._about_media(page), *([end] if self.dice.random() < 0.3 else [])])
            case "ended" | "rejoin_pending":
                return pick([{"type": "rejoin", "visit": visit}] * 3 + [{"type": "withdraw", "visit": visit}])
        return {"type": "sync"}

    def _provider_may(self, page: Page) -> Told:
        state, pick = page.state or {}, self.dice.choice
        ways: list[Told] = [
            {"type": "set_status", "status": pick(("available", "away", "late")), "minutes": 5},
            {"type": "ping"},
        ]
        visits = list(state.get("visits", {}).values())
        live = [visit for visit in visits if visit["phase"] == "in_progress"]
        entries = list(_entries(page).values())
        for entry in [pick(entries)] if entries else []:
            ways += self._about_waiting(page, entry) * (1 if live else 3)
        for visit in live:
            clients = [one for one in visit["participants"].values() if one["role"] == "client"]
            one = pick(clients) if clients else {"id": "par_none"}
            reason = canary(page.room, _marked(one, "name") or _marked(one, "called") or page.name, "reason")
            out = {"participant": one["id"], "reason": reason}
            ways += [self.chat(page)] * 3 + self._about_media(page)
            ways += [{"type": "end", "visit": visit["id"]}, {"type": "return_to_waiting"} | out]
            ways += [{"type": "remove"} | out] if self.dice.random() < 0.2 else []
        for visit in [visit for visit in visits if visit["phase"] != "in_progress"]:
            ways += [{"type": kind, "visit": visit["id"]} for kind in ("rejoin", "rejoin", "withdraw", "finish")]
        return pick(ways)

    def _about_waiting(self, page: Page, entry: Told) -> list[Told]:
        named = {"appointment": entry["appointment"]} if entry.get("appointment") else self._match(page)
        text = canary(page.room, _marked(entry, "called") or page.name, "told")
        ways: list[Told] = [
            {"type": "start", "entry": entry["id"]} | named,
            {"type": "start"} | (named if entry.get("appointment") else {"entry": entry["id"]}),
            {"type": "admit", "entry": entry["id"]} | named,
            {"type": "acknowledge", "entry": entry["id"]},
            {"type": "tell_waiting", "entry": entry["id"], "text": text},
        ]
        if self.dice.random() < 0.1:
            ways.append({"type": "remove", "entry": entry["id"], "reason": text.replace("-told", "-reason")})
        return ways

    def _match(self, page: Page) -> Told:
        """Whose seat somebody without a link is given, if any."""
        if self.dice.random() < 0.7:
            return {}
        visit = self.dice.choice(list(VISITS))
        client = self.dice.choice(VISITS[visit])
        named = {"appointment": self.bookings[page.room, visit].id}
        return named | ({"client": canary(page.room, client, "mrn")} if client in GROUP else {})

    def _about_media(self, page: Page) -> list[Told]:
        cname = canary(page.room, page.name, "cname")
        peer = f"{page.name}-{self.dice.randrange(3)}"
        candidate = {"candidate": f"candidate:1 1 udp 1 192.0.2.1 9 typ host {cname}", "sdpMid": "0"}
        offers: list[Told] = []
        if self.dice.random() < 0.15:  # they cost the service most
            round = self.dice.randrange(4)
            offers = [{"type": "media.offer", "peer": peer, "round": round, "sdp": self._sdp.replace("{cname}", cname)}]
        return [
            *offers,
            {"type": "media.offer", "peer": peer, "round": 1, "sdp": f"v=0 {cname}"},
            {"type": "media.candidates", "peer": peer, "round": 1, "candidates": [candidate]},
            {"type": "media.state", "camera": self.dice.random() < 0.5},
            {"type": "media.mode", "mode": self.dice.choice(("audio", "video")), "reason": "bandwidth"},
            {"type": "media.prepare", "purpose": "visit"},
            {"type": "media.stats", "rtt_ms": 20.0},
        ]

    def chat(self, page: Page) -> Told:
        return {"type": "chat", "text": f"by {canary(page.room, page.name, 'chat')}"}

    def anything(self, page: Page) -> Told:
        """Whatever there is, by whatever role, about anybody of the room."""
        return self._about(page, page.room)

    def foreign(self, page: Page) -> Told:
        """What is another room's: it is never granted."""
        room = self.dice.choice([room for room in ROOMS if room != page.room])
        return self._about(page, room) | {"_foreign": True}

    def _about(self, page: Page, room: int) -> Told:
        pick, own = self.dice.choice, page.room == room
        visit, entry, participant = (
            pick(self.watch.latest.get((room, kind)) or [f"{kind}_none"]) for kind in ("vis", "ent", "par")
        )
        booking = self.bookings[room, pick(list(VISITS))]
        text = canary(page.room, page.name, "said")
        ways: list[Told] = [
            {"type": "acknowledge", "entry": entry},
            {"type": "start", "appointment": booking.id, "expect": pick((0, 1, 2))},
            {"type": "start", "appointment": booking.id},
            {"type": "start", "entry": entry},
            {"type": "admit", "entry": entry},
            {"type": "admit", "entry": entry, "appointment": booking.id},
            {"type": "return_to_waiting", "participant": participant},
            {"type": "remove", "entry": entry},
            {"type": "end", "visit": visit},
            {"type": "rejoin", "visit": visit},
            {"type": "withdraw", "visit": visit},
            {"type": "finish", "visit": visit},
        ]
        if own:
            ways += [
                check_in(room, page.name, "video"),
                {"type": "media.prepare", "purpose": pick(("visit", "check", "warm"))},
                {"type": "media.offer", "peer": "x", "round": 0, "sdp": f"v=0 {text}", "purpose": "warm"},
                {"type": "media.candidates", "peer": "x", "candidates": [{"candidate": text}]},
                {"type": "media.mode", "mode": "audio", "reason": "policy"},
                {"type": "set_status", "status": "late", "minutes": 3},
                {"type": "hello", "protocol": 1, "device": "x", "ticket": "none"},
                self.chat(page),
                {"type": "leave"},
                {"type": "sync"},
            ]
        else:
            ways += [
                {"type": "remove", "participant": participant},
                {"type": "tell_waiting", "entry": entry, "text": text},
                {"type": "tell_waiting", "entry": entry, "text": text},
            ]
        return pick(ways)


def _entries(page: Page) -> dict[str, Any]:
    """Who waits, as a provider's page shows it."""
    state = page.state or {}
    return {**state.get("waiting", {}), **state.get("unverified", {})}


def _hosts(page: Page, booking: Booking) -> bool:
    return page.role == "provider" or booking.visit in ("eva", "group")


def _marked(shown: Any, what: str) -> str | None:
    """Return who is meant, by the mark of what they are called."""
    return next((who.decode() for _, who, told in CANARY.findall(TO_JSON(shown)) if told.decode() == what), None)
