"""People and their pages: one WebSocket each, what it sends, what it hears, and what it makes of that."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from signaling.fields import FRAME_LIMIT, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from tests.server.machine import page as shown
from tests.server.sockets.cast import Booking

PATIENCE = 60.0
"""Seconds that an answer may take where all share two processors; the service's own limits are less."""
BY_HAND = msgspec.json.Encoder().encode, msgspec.msgpack.Encoder().encode
READ = msgspec.json.Decoder().decode, msgspec.msgpack.Decoder().decode

SHORT = ("type", "seq", "version", "phase", "reason", "pending", "live", "recovered", "re", "code")
"""What tells one frame from another."""
Told = dict[str, Any]
T = TypeVar("T")


class Sees(Protocol):
    """Whoever looks at all frames."""

    sent: int
    broken: list[str]

    def told(self, page: Page, told: Told) -> None: ...
    def answered(self, page: Page, asked: Told, told: Told) -> None: ...
    def welcomed(self, page: Page, told: Told) -> None: ...


@dataclass
class Person:
    """Somebody who comes to a room, again and again."""

    room: int
    name: str
    """`ann`; of a host `dr`, of a co-provider `co`."""
    role: str
    stay: Booking | None = None
    """A client's appointment; or what stands for one with somebody who walks in."""
    pages: list[Page] = field(default_factory=list)
    """The latest last."""
    devices: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def page(self) -> Page | None:
        """The latest page that is open."""
        return next((page for page in reversed(self.pages) if page.over is None), None)


class Page:
    """One tab, and its socket."""

    def __init__(self, person: Person, watch: Sees, *, device: str, packed: bool) -> None:
        self.person, self.room, self.name, self.role = person, person.room, person.name, person.role
        self.stay = person.stay
        self.device, self.packed = device, packed
        self.watch = watch
        self.state: shown.State | None = None
        self.inside = False
        """A client was told that they are in a visit."""
        self.claim: Told | None = None
        """What to come back by."""
        self.cursor, self.epoch = 0, ""
        self.heard: deque[str] = deque(maxlen=12)
        """The latest frames, in short."""
        self.wrong = False
        """It came by something that is not theirs."""
        self.over: int | None = None
        self.unanswered: dict[int, Told] = {}
        self._answers: dict[int, asyncio.Future[Told]] = {}
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._greeted: asyncio.Future[bool]

    def inherit(self, before: Page) -> None:
        """Be the page that another one's socket belonged to."""
        self.state, self.inside, self.cursor, self.epoch = before.state, before.inside, before.cursor, before.epoch
        self.stay = before.stay

    @property
    def granted(self) -> bool:
        """Whether a client may have been let in."""
        return self.stay is not None and self.name in self.stay.granted

    # --- coming and going

    async def come(self, url: str, origin: str, hello: Told) -> bool:
        """Connect and say hello; tell whether it was welcomed."""
        self._greeted = asyncio.get_running_loop().create_future()
        protocol = SUBPROTOCOL_MSGPACK if self.packed else SUBPROTOCOL_JSON
        try:
            self._socket = await connect(
                url.replace("http", "ws", 1) + "/v1/ws",
                subprotocols=[protocol],  # type: ignore[list-item]  # a NewType of str there
                origin=origin,  # type: ignore[arg-type]  # likewise
                compression=None,
                max_size=4 * FRAME_LIMIT,
                proxy=None,
                open_timeout=PATIENCE,
                ping_interval=None,
            )
        except (InvalidStatus, OSError, TimeoutError):
            self.over = 1006
            return False
        self._reader = asyncio.create_task(self._read(self._socket))
        await self.send({"type": "hello", "protocol": 1, "device": self.device} | hello)
        return await self._within(self._greeted, hello) or False

    async def drop(self) -> None:
        """Lose the network."""
        if self._socket is not None:
            self._socket.transport.abort()
        await self.close()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])
            self._reader.result()

    # --- speaking

    async def ask(self, request: Told) -> Told | None:
        """Send a request and return its reply; None if the connection ended first."""
        id = next(self._ids)
        self.unanswered[id] = request
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        await self.send({key: value for key, value in request.items() if key[0] != "_"} | {"id": id})
        return await self._within(answer, request) or None

    async def _within(self, answer: asyncio.Future[T], request: Told) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            self.watch.broken.append(f"{self.name} of room {self.room} got no answer: {request}")
            return None

    async def send(self, message: Told) -> None:
        await self.send_frame(BY_HAND[self.packed](message))

    async def send_frame(self, frame: bytes) -> None:
        """Send a frame as it is."""
        assert self._socket is not None
        self.watch.sent += 1
        try:
            await self._socket.send(frame, text=not self.packed)
        except ConnectionClosed:
            self.watch.sent -= 1

    # --- hearing

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                self._hear(READ[self.packed](await socket.recv(decode=False)))
        except ConnectionClosed:
            pass
        finally:
            self.over = socket.close_code or 1006
            if not self._greeted.done():
                self._greeted.set_result(False)
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result({})

    def _hear(self, told: Told) -> None:
        self.watch.told(self, told)
        kind = told["type"]
        self.heard.append(" ".join(str(told[key]) for key in SHORT if key in told))
        if "seq" in told:
            self.cursor = max(self.cursor, told["seq"])
        if kind == "welcome":
            self.watch.welcomed(self, told)
            self.claim = {"connection": told["connection"], "secret": told["secret"]}
            if told["recovered"]:
                self._greet()
            else:
                self.state, self.inside = None, False
        elif kind == "view":
            self._view(told)
        elif self.state is not None:
            self._fold(kind, told)
        asked = self.unanswered.pop(told.get("re") or 0, None)
        if asked is not None:
            self.watch.answered(self, asked, told)
            self._done(asked, told)
            answer = self._answers.pop(told["re"])
            if not answer.done():  # nobody waits for it any more
                answer.set_result(told)

    def _greet(self) -> None:
        if not self._greeted.done():
            self._greeted.set_result(True)

    def _view(self, told: Told) -> None:
        self.epoch, self.cursor = told["epoch"], told["seq"]
        client = self.role == "client"
        self.inside = client and told["phase"] == "in_progress"
        self.state = shown.client_state(told) if client else shown.provider_state(told)
        self._greet()

    def _fold(self, kind: str, told: Told) -> None:
        folds: dict[str, Callable[[shown.State, Told], None]] = (
            shown.CLIENT if self.role == "client" else shown.PROVIDER
        )
        if kind in folds and self.state is not None:
            folds[kind](self.state, told)
        if kind in ("visit.started", "visit.resumed"):
            self.inside = True
        elif kind in ("visit.ended", "visit.closed") and not told.get("pending"):
            self.inside = False  # an End that is not saved yet has not taken anybody out of the room

    def _done(self, asked: Told, told: Told) -> None:
        if self.role == "client" and self.state is not None and told["type"] == "ok":
            if asked["type"] == "check_in" and self.state["phase"] == "scheduled":
                self.state["phase"] = "waiting"
            if asked["type"] == "leave" and self.state["phase"] == "waiting":
                self.state["phase"] = "scheduled"
