"""Looks at every frame: whose marks it holds, whether whoever reads it may, and whether it comes too soon.

S1, S2, I1, I2 and I4 of SAFETY. It knows who sent what, and what each page was told before; of the service it knows
nothing else.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any

import msgspec

from tests.server.sockets.cast import COUNTED, GROUP, NAMED, NEIGHBOUR, PRACTICE, SHARED, VISITS, WALK_INS
from tests.server.sockets.people import Page

CANARY = re.compile(rb"zq-([A-C1-6])-([a-z]+\d*)-([a-z]+)\d*")
ID = re.compile(rb"\b(?:vis|par|ent|con|ep)_[A-Za-z0-9_-]+")
"""What the service names by itself: each belongs to one room for ever."""
QUEUE = ("queue.entered", "queue.changed", "queue.left", "client.ready", "visit.changed")
"""For providers."""
OTHERS = ("view", "visit.started", "visit.resumed", "participant.changed", "chat", "media.mode")
"""What may name another client: to somebody who is in a visit with them."""
INSIDE = ("participant.changed", "chat", "media.mode", "media.renegotiate", "media.replace", "media.candidates")
"""What only somebody in a visit is told."""
TO_JSON = msgspec.json.Encoder().encode


class Watch:
    """The oracle of all sockets."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.kinds: Counter[str] = Counter()
        """Of the frames that came: their types, and the codes of errors."""
        self.owner: dict[bytes, int] = {}
        """Of each id of the service's: the room where it was seen first."""
        self.latest: dict[tuple[int, str], deque[str]] = {}
        """Of these, the latest by room and kind."""
        self.matched: dict[tuple[int, str], set[str]] = {}
        """Walk-ins of a room, and the visits where a provider may have given them a seat."""
        self.broken: list[str] = []
        """What was promised and not kept."""

    @property
    def messages(self) -> int:
        """Frames of both directions."""
        return self.sent + self.received

    def told(self, page: Page, told: dict[str, Any]) -> None:
        """Look at a frame before its page does."""
        self.received += 1
        self.kinds[told["type"]] += 1
        text = TO_JSON(told)
        for place, who, what in set(CANARY.findall(text)):
            self.hold(page, told, self._may_read(page, told, place.decode(), who.decode(), what.decode()))
        for id in set(ID.findall(text)):
            if id not in self.owner:
                self.owner[id] = page.room
                self.latest.setdefault((page.room, id[:3].decode()), deque(maxlen=30)).append(id.decode())
            self.hold(page, told, self.owner[id] == page.room)
        if told["type"] == "error":
            self.kinds[told["code"]] += 1
            self.hold(page, told, told["code"] != "internal")
        if page.role == "client":
            self._too_soon(page, told)

    def hold(self, page: Page, told: dict[str, Any], kept: bool) -> None:
        """Note a frame that breaks a promise."""
        if not kept and len(self.broken) < 20:
            came = f"{page.name} ({page.role}) of room {page.room}, inside: {page.inside}, after {[*page.heard]}"
            self.broken.append(f"{came}: {told}")

    # --- whose it is

    def _may_read(self, page: Page, told: dict[str, Any], place: str, who: str, what: str) -> bool:
        if not place.isdigit():
            return (place, who) == (PRACTICE[page.room], "practice")
        if int(place) == NEIGHBOUR[page.room]:  # the co-provider, by name
            return (who, what) in (("dr", "id"), ("dr", "name")) and (page.role != "client" or self._shares(page))
        if int(place) != page.room:
            return False
        if page.role == "provider":
            return True
        if page.role == "co_provider":
            shared = self.matched.get((page.room, who), set())
            return who in (*SHARED, "group", "dr", "co") or bool(shared & {"eva", "group"})
        return self._client_may_read(page, told, who, what)

    def _client_may_read(self, page: Page, told: dict[str, Any], who: str, what: str) -> bool:
        if what in ("mrn", "payer"):
            return False
        if who == page.name or (what == "apt" and who in self._visits(page)):
            return True
        if (who == "dr" and what in ("id", "name")) or (what in ("told", "reason") and self._one_seat(page, who)):
            return True
        comes = told["type"] in ("visit.started", "visit.resumed") or told.get("phase") == "in_progress"
        if told["type"] not in OTHERS or not (page.inside or comes):
            return False
        if what == "chat":
            heard = who == "dr" or (who == "co" and self._shares(page)) or self._with(page, who)
            return heard and told["type"] == "chat"
        return what == "name" and PRACTICE[page.room] == NAMED and "group" in self._visits(page) and who in GROUP

    def _visits(self, page: Page) -> set[str]:
        """Return where somebody has a seat, or may have been given one."""
        booked = {visit for visit, names in VISITS.items() if page.name in names}
        return booked | self.matched.get((page.room, page.name), set())

    def _one_seat(self, page: Page, who: str) -> bool:
        """Tell whether one of the two walked in and may have been given the other's seat: then they are one to all."""
        for name, walk_in in ((page.name, who), (who, page.name)):
            if any(name in VISITS[visit] for visit in self.matched.get((page.room, walk_in), ())):
                return True
        return False

    def _shares(self, page: Page) -> bool:
        return bool(self._visits(page) & {"eva", "group"})

    def _with(self, page: Page, who: str) -> bool:
        """Tell whether another client may be in the same visit."""
        theirs = {visit for visit, names in VISITS.items() if who in names}
        return "group" in self._visits(page) & (theirs | self.matched.get((page.room, who), set()))

    # --- whether it is time

    def _too_soon(self, page: Page, told: dict[str, Any]) -> None:
        kind, granted = told["type"], page.granted
        self.hold(page, told, kind not in QUEUE)
        self.hold(page, told, told.get("ahead") is None or PRACTICE[page.room] == COUNTED)
        if kind in ("visit.started", "visit.resumed"):
            self.hold(page, told, granted)
        elif kind == "view":
            live = told["phase"] == "in_progress"
            self.hold(page, told, granted if live else not {"participants", "ice_servers"} & told.keys())
        elif kind in INSIDE:
            self.hold(page, told, page.inside)
        elif kind == "media.answer":
            self.hold(page, told, page.inside or not told.get("tracks"))
        elif told.get("ice_servers"):
            asked = page.unanswered.get(told.get("re", 0), {})
            self.hold(page, told, granted or asked.get("purpose") in ("check", "warm"))

    def answered(self, page: Page, asked: dict[str, Any], told: dict[str, Any]) -> None:
        """Look at a reply: what was asked of somebody else's is never granted."""
        self.hold(page, told | {"asked": asked}, not asked.get("_foreign") or told["type"] != "ok")

    def welcomed(self, page: Page, told: dict[str, Any]) -> None:
        """Look at who is let in as whom."""
        self.hold(page, told, told["role"] == page.role and not page.wrong)


def is_walk_in(name: str) -> bool:
    """Tell whether that is the name of somebody without a link."""
    return name.rstrip("0123456789") in WALK_INS
