"""A stage for tests of the WebSocket side: one small world behind any number of nodes, served by real uvicorn."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uvicorn
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.ports import StoreAway
from server.ports.door import Ticket
from server.ports.rooms import Commit, Stored
from server.web.door import Caller, ShellRequest
from server.web.hub import Hub
from server.web.limits import Limits
from server.web.resumption import sha256
from server.web.stored_event import encode
from server.web.websocket import make_protocol
from signaling.effects import Told
from signaling.events import Connected, Disconnected, Fact
from signaling.fields import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK
from signaling.messages import ClientView, Message, Ok, StateEvent, WaitingChanged
from signaling.policy import Policy
from signaling.requests import RoomRequest
from signaling.state import Connection, Person, Role, Room, Seat, Visit, Who

ROOM = "room_1"
ORIGIN = "https://visit.example"
SECOND = 1000
CLIENT = Who(Role.CLIENT, "cli_1", visit="vis_1", name="Ada")
PROVIDER = Who(Role.PROVIDER, "pro_1", name="Grace")


class World:
    """Everything behind the nodes: rooms, store, bus, secrets. Time stands still unless `now` is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000
        host = Person("pro_1", "Grace")
        visit = Visit("vis_1", Policy(), (host,), {"cli_1": Seat("cli_1", "Ada")})
        self.rooms = {ROOM: Room(id=ROOM, practice="p", host=host, epoch="e1", seq=10, visits={"vis_1": visit})}
        self.stored: dict[str, list[tuple[int, bytes]]] = {ROOM: []}
        self.facts: list[Fact] = []
        self.asked: list[tuple[Who, str, RoomRequest]] = []
        self.shell_asked: list[tuple[Caller, ShellRequest]] = []
        self.singles: dict[tuple[str, str], tuple[bytes, int | None]] = {}
        self.entered: set[tuple[str, str]] = set()
        self.hubs: dict[str, Hub] = {}
        self.subscribed: dict[str, set[str]] = {}
        self.away = False
        """The store does not answer."""
        self.forgotten = 0
        """Events up to this one are no longer kept."""
        self.refuse_connected: Exception | None = None
        self.answer: Callable[[RoomRequest], Ok] = lambda _: Ok()
        self.shell_answer: Callable[[ShellRequest], Ok] = lambda _: Ok()
        self.gate = asyncio.Event()
        """While cleared, nothing in the world answers."""
        self.gate.set()
        self._tickets = 0

    async def reach(self) -> None:
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.away:
            raise StoreAway

    def ticket(self, who: Who = CLIENT, *, until: int | None = None, sign_in: str | None = None) -> str:
        self._tickets += 1
        secret = f"ticket-{self._tickets}"
        value = msgspec.msgpack.encode(Ticket(room=ROOM, practice="p", by=who, until=until, sign_in=sign_in))
        self.singles["ticket", sha256(secret)] = (value, None)
        return secret

    def happen(
        self,
        *to: str,
        message: StateEvent | None = None,
        connection: str | None = None,
        close: int | None = None,
        tell: bool = True,
        large: bool = False,
        epoch: str | None = None,
    ) -> int:
        """Commit one event and publish it (`tell`), perhaps without its payload (`large`); return its number."""
        room = self.rooms[ROOM]
        seq = room.seq + 1
        self.rooms[ROOM] = replace(room, seq=seq, version=room.version + 1)
        message = message or WaitingChanged(status="late", minutes=seq)
        message = replace(message, epoch=epoch or room.epoch, seq=seq, at=self.now, version=seq)
        payload = encode(Told(to, message, connection, close))
        self.stored[ROOM].append((seq, payload))
        if tell:
            self.publish([(seq, None if large else payload)])
        return seq

    def publish(self, events: Sequence[tuple[int, bytes | None]]) -> None:
        for node, hub in self.hubs.items():
            if ROOM in self.subscribed[node]:
                hub.deliver(ROOM, events)


@dataclass
class FakeRooms:
    world: World

    async def ask(self, room: str, by: Who, connection: str, request: RoomRequest) -> Ok:
        await self.world.reach()
        self.world.asked.append((by, connection, request))
        return self.world.answer(request)

    async def fact(self, room: str, fact: Fact) -> None:
        await self.world.reach()
        world = self.world
        present = world.rooms[room]
        if isinstance(fact, Connected):
            if world.refuse_connected is not None:
                raise world.refuse_connected
            come = Connection(fact.by, fact.device, fact.node, world.now)
            world.rooms[room] = replace(present, connections={**present.connections, fact.connection: come})
        elif isinstance(fact, Disconnected):
            left = {id: c for id, c in present.connections.items() if id != fact.connection}
            world.rooms[room] = replace(present, connections=left)
        world.facts.append(fact)

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        await self.world.reach()
        return self.world.rooms.get(room)


@dataclass
class FakeStore:
    world: World

    async def time(self) -> int:
        return self.world.now

    async def load(self, room: str) -> Stored | None:
        raise NotImplementedError

    async def commit(self, room: str, commit: Commit) -> None:
        raise NotImplementedError

    async def reply(self, room: str, request: str) -> tuple[bytes, str] | None:
        raise NotImplementedError

    async def events(self, room: str, after: int) -> Sequence[tuple[int, bytes]] | None:
        await self.world.reach()
        if after < self.world.forgotten:
            return None
        return [event for event in self.world.stored[room] if event[0] > after]

    async def due(self, now: int, limit: int = 100) -> Sequence[str]:
        raise NotImplementedError

    async def postpone(self, room: str, until: int) -> None:
        raise NotImplementedError

    async def delete(self, room: str) -> None:
        raise NotImplementedError


@dataclass
class FakeSecrets:
    world: World

    async def put(self, kind: str, hash: str, value: bytes, ttl: int | None = None) -> None:
        await self.world.reach()
        self.world.singles[kind, hash] = (value, None if ttl is None else self.world.now + ttl)

    async def get(self, kind: str, hash: str) -> bytes | None:
        await self.world.reach()
        value, until = self.world.singles.get((kind, hash), (None, None))
        return None if until is not None and until <= self.world.now else value

    async def take(self, kind: str, hash: str) -> bytes | None:
        value = await self.get(kind, hash)
        return value if self.world.singles.pop((kind, hash), None) is not None else None

    async def delete(self, kind: str, hash: str) -> None:
        await self.world.reach()
        self.world.singles.pop((kind, hash), None)

    async def touch(self, kind: str, hash: str, ttl: int) -> bool:
        value = await self.get(kind, hash)
        if value is None:
            return False
        self.world.singles[kind, hash] = (value, self.world.now + ttl)
        return True

    async def count(self, kind: str, hash: str, window: int) -> int:
        raise NotImplementedError


@dataclass
class FakeBus:
    world: World
    node: str

    async def subscribe(self, room: str) -> None:
        await self.world.reach()
        self.world.subscribed[self.node].add(room)

    async def unsubscribe(self, room: str) -> None:
        await self.world.reach()
        self.world.subscribed[self.node].discard(room)


class FakeNodes:
    def __init__(self, world: World) -> None:
        self.world = world

    async def beat(self, node: str, now: int) -> None: ...

    async def all(self) -> dict[str, int]:
        return {}

    async def enter(self, node: str, room: str) -> None:
        await self.world.reach()
        self.world.entered.add((node, room))

    async def leave(self, node: str, room: str) -> None:
        await self.world.reach()
        self.world.entered.discard((node, room))

    async def rooms(self, node: str) -> Sequence[str]:
        return []

    async def forget(self, node: str) -> None: ...

    async def lease(self, name: str, node: str, ttl: int) -> bool:
        return True

    async def agree(self, name: str, value: str) -> str:
        return value


@dataclass
class FakeShell:
    world: World

    async def handle(self, caller: Caller, request: ShellRequest) -> Ok:
        await self.world.reach()
        self.world.shell_asked.append((caller, request))
        return self.world.shell_answer(request)


def view(room: Room, who: Who) -> Message:
    """What tests need of a view: whose it is, and as of when."""
    return ClientView(
        version=room.version,
        epoch=room.epoch,
        seq=room.seq,
        phase="scheduled",
        rev=0,
        provider={"name": room.host.name},
        practice={"id": room.practice},
        checked_in=False,
        visit=who.participant,
    )


@dataclass
class Node:
    """One node, served on a free port of this machine."""

    hub: Hub
    world: World
    port: int
    _ids: int = 0
    browsers: list[Browser] = field(default_factory=list)

    async def connect(self, *, packed: bool = False, origin: str | None = ORIGIN, path: str = "/v1/ws") -> Browser:
        connection = await connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=origin,  # type: ignore[arg-type]
            subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK if packed else SUBPROTOCOL_JSON)],
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
        )
        browser = Browser(connection, self, packed=packed)
        self.browsers.append(browser)
        return browser

    async def enter(self, who: Who = CLIENT, *, device: str = "d1", packed: bool = False) -> Browser:
        """Connect and say hello with a fresh ticket; the welcome and the view are kept."""
        browser = await self.connect(packed=packed)
        await browser.send(type="hello", protocol=1, ticket=self.world.ticket(who), device=device)
        browser.welcome = await browser.get("welcome")
        browser.view = await browser.get("view")
        return browser

    async def resume(self, former: Browser, *, seq: int | None = None, epoch: str | None = None) -> Browser:
        """Connect and say hello with the secret of `former`."""
        browser = await self.connect()
        claim = former.claim(seq=seq, epoch=epoch)
        await browser.send(type="hello", protocol=1, resume=claim, device="d1")
        return browser

    async def pass_time(self, seconds: float, *, step: int = 1) -> None:
        """Move the clock on, second by second, and let the hub and the sockets do what is due."""
        for _ in range(int(seconds / step)):
            self.world.now += step * SECOND
            self.hub.tick()
            await settle()

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait for what happens by itself."""
        async with asyncio.timeout(5):
            while not fact():
                await asyncio.sleep(0.005)


class Browser:
    """The other end of a socket."""

    def __init__(self, connection: ClientConnection, node: Node, *, packed: bool) -> None:
        self.connection = connection
        self.node = node
        self.packed = packed
        self.welcome: dict[str, Any] = {}
        self.view: dict[str, Any] = {}

    def claim(self, *, seq: int | None = None, epoch: str | None = None) -> dict[str, Any]:
        return {
            "connection": self.welcome["connection"],
            "secret": self.welcome["secret"],
            "epoch": self.view.get("epoch", "") if epoch is None else epoch,
            "seq": self.view.get("seq", 0) if seq is None else seq,
        }

    async def send(self, **message: Any) -> None:
        if self.packed:
            await self.connection.send(msgspec.msgpack.encode(message))
        else:
            await self.connection.send(json.dumps(message))

    async def get(self, type: str | None = None) -> dict[str, Any]:
        """Return the next message; it must be of `type`."""
        async with asyncio.timeout(5):
            data = await self.connection.recv()
        assert isinstance(data, bytes) == self.packed, "the wrong kind of frame"
        message: dict[str, Any] = msgspec.msgpack.decode(data) if isinstance(data, bytes) else json.loads(data)
        assert type in (None, message["type"]), message
        return message

    async def quiet(self) -> None:
        """Check that nothing is on its way, by asking for something whose answer comes last."""
        await self.send(type="sync", id=999)
        assert (await self.get())["re"] == 999

    async def closed(self) -> int:
        """Return the code with which the server closes, once it does."""
        try:
            async with asyncio.timeout(8):
                while True:
                    await self.connection.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    async def vanish(self) -> None:
        """Lose the network: no closing handshake."""
        id = self.welcome["connection"]
        self.connection.transport.abort()
        await self.node.until(lambda: id not in self.node.hub.sessions)

    async def leave(self) -> None:
        await self.connection.close()


async def settle(rounds: int = 30) -> None:
    """Let everything that is ready run."""
    for _ in range(rounds):
        await asyncio.sleep(0)
    await asyncio.sleep(0.002)


@asynccontextmanager
async def served(world: World, name: str = "n1", **limits: Any) -> AsyncIterator[Node]:
    """Serve one more node of `world`."""
    ids = iter(range(1, 100_000))
    world.subscribed[name] = set()
    hub = Hub(
        rooms=FakeRooms(world),
        bus=FakeBus(world, name),
        store=FakeStore(world),
        secrets=FakeSecrets(world),
        nodes=FakeNodes(world),
        shell=FakeShell(world),
        view=view,
        node=name,
        clock=lambda: world.now,
        steady=lambda: world.now,
        new_id=lambda: f"{name}_{next(ids)}",
        random=lambda: 0.5,
        limits=Limits(**limits),
        sleep=lambda _: asyncio.sleep(0),
    )
    world.hubs[name] = hub

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        ws=make_protocol(hub, origins=[ORIGIN], https=True),
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    node = Node(hub, world, server.servers[0].sockets[0].getsockname()[1])
    try:
        yield node
    finally:
        world.away = False
        world.gate.set()
        await asyncio.gather(*(browser.leave() for browser in node.browsers))
        await hub.__aexit__(None, None, None)
        await server.shutdown()
        del world.hubs[name]


async def raw_upgrade(port: int, *lines: str, path: str = "/v1/ws") -> bytes:
    """Send an upgrade by hand, with more header lines, and return all that is answered until the server closes."""
    request = "\r\n".join(
        (
            f"GET {path} HTTP/1.1",
            "Host: visit.example",
            "Connection: Upgrade",
            "Upgrade: websocket",
            *lines,
            "",
            "",
        )
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def small_socket(port: int) -> socket.socket:
    """Return a connected socket that buffers next to nothing: a reader who can be slow."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock
