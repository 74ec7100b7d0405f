"""Where the parts are put together: the only file that imports everything, and the order they start and stop in."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from server import demo, files
from server.alarms import Alarms
from server.billing.courier import Courier
from server.billing.webhooks import Endpoint
from server.bus.redis import connect as connect_bus
from server.clock import StoreClock
from server.crypto import Sealer
from server.dispatch import Dispatcher
from server.ledger.archive import Archiver
from server.ledger.command import verify_command
from server.ledger.database import LedgerError
from server.ledger.ledger import Ledger
from server.media.check import Unsupported
from server.media.check import check as check_media
from server.media.node import MediaNode
from server.perform import Performer
from server.ports import Deliver, StoreAway
from server.registry import Registry
from server.registry.documents import Webhook
from server.registry.names import new_token
from server.settings import Settings
from server.store.embedded import DataDirectoryLocked, EmbeddedServer, EmbeddedServerFailed, NoServerBinary
from server.store.link import BadStoreUrl, StoreFault
from server.store.redis import RedisStore, WrongNeighbour
from server.store.redis import connect as connect_store
from server.telemetry import Telemetry, set_up_logging, tune_collector
from server.web.headers import SecurityHeaders
from server.web.hub import Hub
from server.web.problems import HANDLERS
from server.web.routes import routes
from server.web.services import Services
from server.web.stored_event import encode
from server.web.websocket import make_protocol
from signaling.effects import Effect
from signaling.messages import Message
from signaling.state import Room, Who
from signaling.view import may_see, view

logger = logging.getLogger("carelobby.app")

STATIC = Path(__file__).resolve().parent.parent / "static"
DRAIN_AFTER, DRAIN_JITTER = 0, 500
"""Milliseconds: how soon a stopping node's browsers are to go elsewhere."""


class CannotStart(Exception):
    """The service cannot start; the text is one sentence that says why and what to do."""


async def verify_audit(settings: Settings) -> int:
    """Examine the ledger and print what was found; return the exit code."""
    return await verify_command(settings.ledger(), Sealer(_keyring(settings)))


async def serve(settings: Settings, *, print_json: bool) -> int:
    """Run one node until it is told to stop; return the exit code. Raise `CannotStart`."""
    set_up_logging(settings.log_level)
    if settings.workers != 1:
        raise CannotStart("CARELOBBY_WORKERS: more than one process is not supported yet; start further nodes instead.")
    try:
        async with AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(settings.host, settings.port))
            node = await _begin(settings, stack, listening.getsockname()[1])
            await node.run(listening, lambda: _announce(node, print_json=print_json))
    except (
        *(DataDirectoryLocked, NoServerBinary, EmbeddedServerFailed, LedgerError, Unsupported),
        *(BadStoreUrl, WrongNeighbour, files.DataDirectoryUnusable),
    ) as problem:
        raise CannotStart(str(problem)) from problem
    except (StoreAway, StoreFault) as problem:
        raise CannotStart(
            "Redis does not answer: check that CARELOBBY_REDIS_URL names a running Redis or Valkey 7 or newer."
        ) from problem
    return 0


@dataclass
class Node:
    """One running process of the service, as far as it must be told to begin and to end."""

    settings: Settings
    url: str
    operator_key: str
    hub: Hub
    app: Starlette
    demo: demo.Demo | None
    ready_to_stop: asyncio.Event

    async def run(self, listening: socket.socket, started: Callable[[], None]) -> None:
        """Serve on `listening` until a signal comes; `started` is called once it answers."""
        config = uvicorn.Config(
            self.app,
            ws=make_protocol(self.hub, origins=_origins(self.settings, self.url), https=self.url.startswith("https")),
            http="httptools",
            lifespan="off",
            access_log=False,  # paths of the EHR's API hold its ids
            log_config=None,
            server_header=False,
            proxy_headers=bool(self.settings.trusted_proxies),
            forwarded_allow_ips=list(self.settings.trusted_proxies),
            timeout_graceful_shutdown=5,
        )
        server = _Server(config, started, self.hub)
        await server.serve(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn, with a word when it is ready and a farewell to browsers before it closes."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], hub: Hub) -> None:
        super().__init__(config)
        self._on_started = started
        self._hub = hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        tune_collector()
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._hub.drain(DRAIN_AFTER, DRAIN_JITTER)
        await super().shutdown(sockets)


async def _begin(settings: Settings, stack: AsyncExitStack, port: int) -> Node:
    """Start the parts in the order in which they need one another; `stack` ends them in reverse."""
    data_dir = files.prepare_directory(settings.data_dir)
    sealer = Sealer(_keyring(settings))
    operator_key = _operator_key(settings)
    url = settings.public(port)
    node_id, before = _node_ids(data_dir)

    redis_url = settings.redis_url
    if not redis_url:
        redis_url = await stack.enter_async_context(EmbeddedServer(data_dir, settings.redis_server))
    await check_media()
    store = await connect_store(redis_url, sealer)
    stack.push_async_callback(store.close)
    clock = StoreClock(store.rooms.time)
    await clock.sync()
    ledger = await Ledger.open(settings.ledger(), sealer)
    stack.push_async_callback(ledger.close)

    wiring = _Wiring()
    media = MediaNode(clock=clock, fact=wiring.media_fact, ask=wiring.renegotiate)
    stack.push_async_callback(media.close)
    performer = Performer(media, node=node_id, clock=clock)
    rooms = Dispatcher(
        store.rooms,
        clock=clock,
        fresh=lambda: secrets.token_hex(15),
        encode=encode,
        perform=wiring.perform,
        owed=wiring.owed,
    )
    bus = await connect_bus(store, wiring.deliver, wiring.gap)
    stack.push_async_callback(bus.close)
    hub = await stack.enter_async_context(
        Hub(
            rooms=rooms,
            bus=bus,
            store=store.rooms,
            secrets=store.secrets,
            nodes=store.nodes,
            shell=performer,
            view=view,
            node=node_id,
            clock=clock,
            may_see=lambda room, who, event: _may_see(rooms.known(room), who, event),
        )
    )
    registry = Registry.over(
        documents=store.documents,
        secrets=store.secrets,
        rooms=rooms,
        room_store=store.rooms,
        clock=clock,
        close_room=_closing(hub, rooms),
        private_webhooks=settings.allow_private_webhooks,
    )
    courier = await stack.enter_async_context(
        Courier(
            ledger,
            lambda practice, id: _endpoint(registry, practice, id),
            nodes=store.nodes,
            node=node_id,
            clock=clock,
            gone=lambda practice, id: _webhook_gone(registry, practice, id),
            allow_private=settings.allow_private_webhooks,
        )
    )
    archiver = await stack.enter_async_context(
        Archiver(
            store.outbox,
            store.nodes,
            ledger,
            lambda practice: _endpoints(registry, practice),
            node_id,
            then=courier.wake,
        )
    )
    wiring.join(performer, hub, archiver)
    performer.connect(rooms, _Delivery(hub))
    stack.push_async_callback(performer.close)

    alarms = Alarms(
        node=node_id,
        clock=clock,
        store=store.rooms,
        documents=store.documents,
        nodes=store.nodes,
        rooms=rooms,
        open_due=registry.appointments.open_due,
    )
    if before is not None:
        await alarms.bury(before, (await store.nodes.all()).get(before, clock()))
    await alarms.beat()
    await stack.enter_async_context(_running(alarms.run(), "alarms"))

    shown = await demo.prepare(registry, data_dir, operator_key=operator_key) if settings.demo else None
    services = Services(
        registry=registry,
        rooms=rooms,
        ledger=ledger,
        clock=clock,
        public_url=url,
        origins=_origins(settings, url),
        operator_key=operator_key,
        static=STATIC,
        ready=lambda: _ready(store, hub),
        metrics=_telemetry(hub, media).text,
    )
    app = Starlette(
        routes=routes(services),
        exception_handlers=HANDLERS,
        middleware=[Middleware(SecurityHeaders, https=url.startswith("https"))],
    )
    if not settings.production:
        files.keep(data_dir / "service.json", json.dumps({"url": url, "operator_key": operator_key}))
    return Node(settings, url, operator_key, hub, app, shown, asyncio.Event())


class _Wiring:
    """Ties between parts that know one another: each is told of the other once both are there."""

    def __init__(self) -> None:
        self._performer: Performer | None = None
        self._hub: Hub | None = None
        self._archiver: Archiver | None = None

    def join(self, performer: Performer, hub: Hub, archiver: Archiver) -> None:
        self._performer, self._hub, self._archiver = performer, hub, archiver
