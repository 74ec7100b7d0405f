"""A browser and its socket: what it asked, what it was told, and the page that it makes of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from server.web.frames import Packet
from server.web.mailbox import Full, Mailbox
from server.web.session import Session
from signaling.fields import Resume
from signaling.requests import CheckIn, Hello, Leave, Request, RoomRequest, Sync
from signaling.state import Role, Who
from tests.server.machine import page
from tests.server.machine.nodes import Node

_JSON, _MSGPACK = msgspec.json.Encoder(), msgspec.msgpack.Encoder()
_FROM_JSON, _FROM_MSGPACK = msgspec.json.Decoder(), msgspec.msgpack.Decoder()


@dataclass(slots=True)
class Sent:
    """One request on its way."""

    request: Request
    at: int
    again: bool = False
    """It was sent before, with the same key."""


@dataclass(slots=True)
class Claim:
    """What a browser keeps of one welcome, to come back by."""

    connection: str
    secret: str
    at: int
    """When it was last used."""


@dataclass
class Browser:
    """One tab of somebody's. It outlives its sockets: `line` holds the claims of all of them."""

    room: int
    who: Who
    device: str
    packed: bool
    watch: Any
    takeover: bool = False
    state: page.State | None = None
    cursor: int = 0
    epoch: str = ""
    line: list[Claim] = field(default_factory=list)
    unanswered: dict[int, Sent] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    """The latest requests with a key."""
    wire: BrowserWire | None = None
    doubt: bool = False
    """It does not know whether what it asked was done, and looks again."""
    count: int = 0
    skips: bool = False
    """It was slow once: what later news made untrue may be missing."""
    unlawful: bool = False
    """It came back though it had been sent away for good, or had said bye. No page does, and its screen is its own."""

    @property
    def provides(self) -> bool:
        return self.who.role is not Role.CLIENT

    @property
    def there(self) -> bool:
        """Whether it has been welcomed, and hears what it is told."""
        return self.wire is not None and self.wire.welcomed and self.wire.over is None and not self.wire.deaf

    @property
    def phase(self) -> str:
        return self.state["phase"] if self.state is not None and "phase" in self.state else ""

    # --- coming

    def come(self, node: Node, hello: Hello) -> None:
        """Open a socket and say hello. Whatever socket there was is left alone."""
        if self.wire is not None and self.wire.over is None:
            self.wire.deaf, self.wire.mailbox = True, None
        self.takeover = hello.takeover
        self.wire = wire = BrowserWire(self, node)
        wire.resumes = hello.resume is not None
        wire.session = self.watch.world.loop.call(node.hub.open, wire)
        wire.ask(hello)

    def resume(self, node: Node, claim: Claim, *, secret: str | None = None) -> None:
        """Open a socket and claim to be the one that dropped."""
        proof = Resume(connection=claim.connection, secret=secret or claim.secret, epoch=self.epoch, seq=self.cursor)
        self.come(node, Hello(protocol=1, device=self.device, resume=proof))

    def ask(self, request: Request, *, again: bool = False) -> None:
        """Send a request."""
        self.count += 1
        request = replace(request, id=self.count)
        self.unanswered[self.count] = Sent(request, self.watch.world.now, again)
        if request.key is not None and not again:
            self.asked = [*self.asked[-3:], request]
        if request.key is not None:
            self.watch.first_asked.setdefault((self.room, self.who.participant, request.key), self.watch.world.now)
        assert self.wire is not None
        self.wire.ask(request)

    # --- hearing

    def welcomed(self, told: dict[str, Any]) -> None:
        """Keep the claim, and send again what was not answered."""
        now = self.watch.world.now
        self.line.append(Claim(told["connection"], told["secret"], now))
        waiting, self.unanswered = self.unanswered, {}
        again = [sent.request for sent in waiting.values() if sent.request.key is not None]
        self.doubt = self.doubt or len(again) < len(waiting)
        self.watch.world.afterwards.extend((self, request) for request in again)

    def viewed(self, told: dict[str, Any]) -> None:
        """Begin anew from a view."""
        self.cursor, self.epoch = told["seq"], told["epoch"]
        self.state = page.provider_state(told) if self.provides else page.client_state(told)

    def fold(self, told: dict[str, Any]) -> None:
        """Let an event change what is shown."""
        change = (page.PROVIDER if self.provides else page.CLIENT).get(told["type"])
        if change is not None and self.state is not None:
            change(self.state, told)

    def answered(self, told: dict[str, Any]) -> Sent | None:
        """Note a reply, and what the page makes of it."""
        sent = self.unanswered.pop(told.get("re", 0), None)
        if sent is None:
            return None
        if told["type"] == "error":
            # Nobody can say whether it was done, or it was so long ago that its key is forgotten: the page looks.
            unsure = sent.again or told["code"] == "unavailable"
            self.doubt = self.doubt or (unsure and isinstance(sent.request, RoomRequest))
        elif self.state is not None and not self.provides and not sent.again:
            if isinstance(sent.request, CheckIn) and self.phase == "scheduled":
                self.state["phase"] = "waiting"
            if isinstance(sent.request, Leave):
                if self.phase == "waiting":
                    self.state["phase"] = "scheduled"
                else:
                    self.doubt = True  # sent back to wait at that very moment, they have left the waiting room
        elif sent.again:
            self.doubt = True
        if isinstance(sent.request, Sync) and told["type"] != "error":
            self.doubt = False
        return sent

    def shows(self) -> page.State:
        assert self.state is not None
        return page.provider_shows(self.state) if self.provides else page.client_shows(self.state)


class BrowserWire:
    """`Wire`: between a session and a browser, without bytes on any network."""

    def __init__(self, browser: Browser, node: Node) -> None:
        self.browser = browser
        self.node = node
        self.packed = browser.packed
        self.heard = node.hub.steady()
        self.session: Session
        self.welcomed = False
        self.recovered: bool | None = None
        self.resumes = False
        self.over: int | None = None
        """The close code, once the browser has seen the end."""
        self.deaf = False
        """The browser is gone, and the node does not know."""
        self.mailbox: Mailbox | None = None
        """The reader is slow: this is what it has still to read."""
        self.must_close: int | None = None
        """It was told why it has to go."""
        self.said = 0
        """Requests sent after the welcome."""

    def ask(self, request: Request) -> None:
        """Send one message to the node."""
        self.said += self.welcomed
        data = (_MSGPACK if self.packed else _JSON).encode(request)
        self.send_raw(data, packed=self.packed)

    def send_raw(self, data: bytes, *, packed: bool) -> None:
        self.heard = self.node.hub.steady()
        self.browser.watch.world.loop.call(lambda: self.session.received(data, packed=packed))

    # --- Wire

    def send(self, packet: Packet) -> None:
        if self.over is not None or self.deaf:
            return
        if self.mailbox is not None:
            try:
                self.mailbox.put(packet, packed=self.packed)
            except Full:
                self.mailbox.clear()
                self.session.close(4008)
            return
        self.read(packet.frame(packed=self.packed))

    def read(self, frame: bytes) -> None:
        """Take one frame (RFC 6455, 5.2), as it would travel."""
        short = frame[1] & 127
        payload = frame[2 if short < 126 else 4 if short == 126 else 10 :]
        told = (_FROM_MSGPACK if self.packed else _FROM_JSON).decode(payload)
        self.browser.watch.delivered(self.browser, self, payload, told)

    def catch_up(self) -> None:
        """The slow reader has read everything."""
        mailbox, self.mailbox = self.mailbox, None
        self.browser.skips = True
        while mailbox:
            self.read(mailbox.take())

    def ping(self) -> None: ...

    def close(self, code: int) -> None:
        if self.mailbox is not None and not self.deaf:
            self.catch_up()
        if self.over is None:
            self.over = code
            self.node.hub.closed()
            self.browser.watch.closed(self.browser, self, code)

    def drop(self) -> None:
        """The network fails, and both ends see it."""
        if self.over is None:
            self.over, self.mailbox = 1006, None
            self.node.hub.closed()
            if not self.node.reach.dead:
                self.browser.watch.world.loop.call(self.session.lost, 1006)

    def pause(self) -> None: ...

    def resume(self) -> None: ...
