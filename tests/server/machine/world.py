"""Six rooms, two nodes, one clock: what every history is played in, and how it comes to rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from server.ports import StoreAway
from server.ports.door import Ticket
from server.store.memory import MemoryStore
from server.web.resumption import sha256
from signaling.errors import SignalingError
from signaling.events import Fact
from signaling.policy import DAY, SECOND
from signaling.requests import Hello, Request, Sync
from signaling.state import Who
from tests.server.machine.browser import Browser
from tests.server.machine.cast import BEGIN, NUMBERS, PRACTICE, opened, room_of
from tests.server.machine.nodes import Node
from tests.server.machine.ticking import Ticking
from tests.server.machine.trouble import Air
from tests.server.machine.watch import Watch

PULSE = 500
"""How often nodes say that their media live, in ms, and hear who else's do."""
BEAT = 2_000
"""How often they say that they live, in ms."""


class Complaints(logging.Handler):
    """Mistakes that the service caught and logged: each of them fails the history."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


COMPLAINTS = Complaints()
logging.getLogger("carelobby").addHandler(COMPLAINTS)


class World:
    """One history's world."""

    def __init__(self) -> None:
        COMPLAINTS.heard.clear()
        self.now = BEGIN
        self.loop = Ticking()
        self.loop.pass_to(BEGIN / SECOND)
        self.air = Air()
        self.store = MemoryStore(lambda: self.now, self.air.publish)
        for number in NUMBERS:
            for commit in opened(number)[1]:
                self.at_once(self.store.rooms.commit(room_of(number), commit))
        self.browsers: list[Browser] = []
        self.afterwards: list[tuple[Browser, Request]] = []
        """What browsers send once they have read what came."""
        self.nodes: list[Node] = []
        self.mute: Node | None = None
        """Whose beats do not come through."""
        self.named = 0
        self.tickets = 0
        self.keys = 0
        self.busy = (1, 2)
        """The rooms where most happens."""
        self.broken: AssertionError | None = None
        """The first promise that was broken."""
        self.watch = Watch(self)
        for _ in range(2):
            self.another_node()

    # --- time

    def at_once(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do what waits for nobody."""
        task = self.loop.run(work)
        self.loop.settle()
        return task.result()

    def settle(self) -> None:
        """Let everything that is ready run, and see that nothing went wrong."""
        self.loop.settle()
        while self.afterwards:
            later, self.afterwards = self.afterwards, []
            for browser, request in later:
                if browser.there:
                    browser.ask(request, again=True)
            self.loop.settle()
        if self.broken is not None:
            raise self.broken
        assert not self.loop.failures, self.loop.failures
        assert not COMPLAINTS.heard, COMPLAINTS.heard

    def pass_time(self, span: int) -> None:
        """Let `span` ms pass. Browsers that are there answer pings."""
        self.now += span
        self.loop.pass_to(self.now / SECOND)
        for browser in self.browsers:
            wire = browser.wire
            if wire is not None and wire.over is None and not wire.deaf:
                wire.heard = self.now
        for node in self.alive:
            self.loop.call(node.hub.tick)
            if span >= PULSE:
                self.spawn(node.many.leases.tick())
            if self.now - node.beaten >= BEAT and node is not self.mute:
                self._beat(node)
        self.settle()

    def _beat(self, node: Node) -> None:
        """What the node's alarms do by themselves: say that it lives, and hear whether others took it for dead."""
        node.beaten = self.now
        self.spawn(node.alarms.beat())

    # --- nodes

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes if not node.reach.dead]

    def another_node(self) -> Node:
        self.named += 1
        node = Node(self, f"n{self.named}")
        self.nodes.append(node)
        self._beat(node)
        self.spawn(node.many.leases.tick())
        self.settle()
        return node

    def kill(self, node: Node) -> None:
        """The node's process is gone; its sockets break."""
        node.reach.dead = True
        node.reach.let_all_on()
        self.loop.settle()
        for browser in self.browsers:
            if browser.wire is not None and browser.wire.node is node:
                browser.wire.drop()

    def bury(self, dead: Node, by: Node) -> None:
        """Another node tells the rooms of a dead one."""
        beats = self.at_once(self.store.nodes.all())
        self.spawn(by.alarms.bury(dead.name, beats.get(dead.name, self.now)))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin `work`, which may be refused, or find the store away."""
        self.loop.run(_quietly(work))

    def fact(self, node: Node, room: int, fact: Fact) -> None:
        self.spawn(node.door.fact(room_of(room), fact))

    # --- trouble

    def no_trouble(self) -> None:
        """Every node reaches the store and hears the news."""
        for node in self.alive:
            self._relieve(node)
        self.settle()

    def spells(self) -> None:
        """Another step is over; trouble that has lasted ends."""
        for node in self.alive:
            node.reach.spell -= 1
            if not node.reach.spell:
                self._relieve(node)
                self.settle()

    def _relieve(self, node: Node) -> None:
        reach = node.reach
        was_away = reach.away
        reach.slow = reach.away = reach.muffled = False
        reach.lost_answers = 0
        reach.let_all_on()
        news, reach.news = reach.news, []
        for room, events in news:
            self.loop.call(node.ear.deliver, room, events)
        calls, reach.calls = reach.calls, []
        for room, letter in calls:
            self.loop.call(node.ear.pass_call, room, letter)
        if was_away:
            self._beat(node)  # what failed is made good within a blink

    # --- people

    def ticket(self, room: int, who: Who) -> str:
        """Make a ticket, as a join link, a knock or a sign-in does."""
        self.tickets += 1
        secret = f"ticket-{self.tickets}"
        value = msgspec.msgpack.encode(Ticket(room=room_of(room), practice=f"prc_{PRACTICE[room]}", by=who))
        self.at_once(self.store.secrets.put("ticket", sha256(secret), value, 60_000))
        return secret

    def arrive(self, room: int, who: Who, node: Node, *, device: str, takeover: bool, packed: bool) -> Browser:
        browser = Browser(room, who, device, packed, self.watch)
        self.browsers.append(browser)
        hello = Hello(protocol=1, ticket=self.ticket(room, who), device=device, takeover=takeover)
        browser.come(node, hello)
        return browser

    def key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    # --- rest

    def rest(self) -> None:
        """Let all trouble end, and compare what is shown with what is."""
        if not self.alive:
            self.another_node()
        self.no_trouble()
        for node in self.alive:
            node.skew = 0
            if node.reach.missed:
                self.loop.call(node.ear.own_up)
        self.settle()
        for browser in self.browsers:
            if browser.wire is not None and browser.wire.mailbox is not None:
                browser.wire.catch_up()
        if any(session.wire.deaf for node in self.alive for session in node.hub.sessions.values()):
            self.pass_time(21 * SECOND)
        for number in range(40):
            if number >= 12 and not any(node.hub._tasks for node in self.alive):
                break  # whoever asked for what a dead node was to do has been told that it did not
            self.pass_time(PULSE)
        by = self.alive[0]
        for node in [node for node in self.nodes if node.reach.dead]:
            self.bury(node, by)
            self.nodes.remove(node)
        for _ in range(2):
            for node in self.alive:
                self.spawn(node.alarms.beat())
                self.settle()
                self.spawn(node.alarms.sweep())
                self.settle()
        for browser in self.browsers:
            if browser.there and browser.doubt:
                browser.ask(Sync())
        self.settle()
        self.watch.at_rest()
        gone = [browser for browser in self.browsers if not browser.there]
        for browser in gone[:-10]:
            self.browsers.remove(browser)

    def end(self) -> None:
        """Everybody goes, days pass: nothing is left but one record of each visit."""
        self.rest()
        for browser in self.browsers:
            if browser.wire is not None:
                browser.wire.drop()
        self.settle()
        for _ in range(4):
            self.pass_time(DAY)
            for node in self.alive:
                self.spawn(node.alarms.sweep())
            self.settle()
        for kept in self.watch.rooms.values():
            room = kept.now
            assert (room.visits, room.entries, room.connections) == ({}, {}, {}), f"{room.id} is empty in the end"
        self.watch.over()


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    with suppress(SignalingError, StoreAway, asyncio.CancelledError):
        await work
