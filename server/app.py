"""Where the parts are put together: the only file that imports everything, and the order they start and stop in."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
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
from server.ports import StoreAway
from server.redis_link.address import BadStoreUrl
from server.redis_link.faults import StoreFault
from server.registry import Registry
from server.registry.documents import Webhook
from server.settings import Settings
from server.store.embedded import DataDirectoryLocked, EmbeddedServer, EmbeddedServerFailed, NoServerBinary
from server.store.redis import RedisStore, WrongNeighbour
from server.store.redis import connect as connect_store
from server.telemetry import Telemetry, set_up_logging, tune_collector
from server.web.closes import Close
from server.web.headers import SecurityHeaders
from server.web.hub import Hub
from server.web.problems import HANDLERS
from server.web.routes import routes
from server.web.services import Services
from server.web.stored_event import encode
from server.web.websocket import make_protocol
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
    port: int
    url: str
    operator_key: str
    hub: Hub
    app: Starlette
    demo: demo.Demo | None

    async def run(self, listening: socket.socket, started: Callable[[], None]) -> None:
        """Serve on `listening` until a signal comes; `started` is called once it answers."""
        config = uvicorn.Config(
            self.app,
            ws=make_protocol(self.hub, origins=self.settings.origins(self.port), https=self.url.startswith("https")),
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
    operator_key = settings.operator_key.get_secret_value() or files.kept_secret(data_dir / "operator_key")
    url = settings.public(port)
    node_id = f"node_{secrets.token_hex(8)}"

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

    # Several parts know one another; a lambda names one that is made further down, before anything calls it.
    media = MediaNode(
        clock=clock, fact=lambda fact: performer.media_fact(fact), ask=lambda wish: performer.renegotiate(wish)
    )
    stack.push_async_callback(media.close)
    rooms = Dispatcher(
        store.rooms,
        clock=clock,
        fresh=lambda: secrets.token_hex(15),
        encode=encode,
        perform=lambda room, effects: performer.perform(room, effects),
        owed=lambda: archiver.wake(),
    )
    bus = await connect_bus(store, lambda room, events: hub.deliver(room, events), lambda: hub.gap())
    stack.push_async_callback(bus.close)
    performer = Performer(
        media,
        node=node_id,
        clock=clock,
        rooms=rooms,
        tell=lambda room, who, message, connection: hub.send(room, who, message, connection=connection),
        seen=lambda room: hub.seen(room),
    )
    stack.push_async_callback(performer.close)
    hub = Hub(
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
    registry = Registry.over(
        documents=store.documents,
        secrets=store.secrets,
        rooms=rooms,
        room_store=store.rooms,
        clock=clock,
        close_room=_closing(hub, rooms),
        private_webhooks=settings.allow_private_webhooks,
    )
    courier = Courier(
        ledger,
        partial(_endpoint, registry),
        nodes=store.nodes,
        node=node_id,
        clock=clock,
        gone=partial(_webhook_gone, registry),
        allow_private=settings.allow_private_webhooks,
    )
    archiver = Archiver(store.outbox, store.nodes, ledger, partial(_endpoints, registry), node_id, then=courier.wake)
    for part in (hub, courier, archiver):
        await stack.enter_async_context(part)

    alarms = Alarms(
        node=node_id,
        clock=clock,
        store=store.rooms,
        documents=store.documents,
        nodes=store.nodes,
        rooms=rooms,
        open_due=registry.appointments.open_due,
    )
    before = files.exchange(data_dir / "node", node_id)
    if before is not None:
        # This directory's last process is certainly gone: its rooms need not wait for its silence to show.
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
        origins=settings.origins(port),
        operator_key=operator_key,
        static=STATIC,
        ready=partial(_ready, store, hub),
        metrics=_telemetry(hub, media).text,
        signed_out=hub.close_sign_in,
    )
    https = url.startswith("https")
    app = Starlette(
        routes=routes(services), exception_handlers=HANDLERS, middleware=[Middleware(SecurityHeaders, https=https)]
    )
    if not settings.production:
        # For `run.py load` beside it.
        files.keep(data_dir / "service.json", json.dumps({"url": url, "operator_key": operator_key}))
    return Node(settings, port, url, operator_key, hub, app, shown)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` beside the rest and cancel it at the end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a port in use is known before anything else starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} is in use: stop what uses it, or choose another with --port (0 takes a free one)."
            ) from error
        raise CannotStart(
            f"Cannot listen on {host}:{port} ({error.strerror}): choose another --host or --port."
        ) from error
    listening.setblocking(False)
    return listening


def _announce(node: Node, *, print_json: bool) -> None:
    """Tell that the service answers: a line of JSON for programs, links for people."""
    if print_json:
        told = node.demo.as_json(node.url) if node.demo else {"url": node.url, "operator_key": node.operator_key}
        print(json.dumps(told), flush=True)
    elif node.demo is not None:
        print(node.demo.as_text(node.url), flush=True)
    else:
        print(f"Carelobby answers at {node.url}", flush=True)
    logger.info("%s is ready", node.url)


def _keyring(settings: Settings) -> str:
    return ",".join(f"{kid}:{base64.b64encode(key).decode()}" for kid, key in settings.keyring().items())


def _may_see(room: Room | None, who: Who, event: Mapping[str, Any]) -> bool:
    return room is None or may_see(room, who, event.get("visit"))


def _closing(hub: Hub, rooms: Dispatcher) -> Callable[[str], Awaitable[None]]:
    async def close_room(room: str) -> None:
        rooms.forget(room)
        hub.close_room(room, Close.REVOKED)

    return close_room


async def _endpoints(registry: Registry, practice: str) -> list[Endpoint]:
    return [_as_endpoint(webhook) for webhook in await registry.webhooks.of(practice)]


async def _endpoint(registry: Registry, practice: str, id: str) -> Endpoint | None:
    webhook = await registry.webhooks.get(practice, id)
    return _as_endpoint(webhook) if webhook is not None else None


def _as_endpoint(webhook: Webhook) -> Endpoint:
    return Endpoint(id=webhook.id, url=webhook.url, events=webhook.events, secrets=webhook.secrets, active=webhook.active)


async def _webhook_gone(registry: Registry, practice: str, id: str) -> None:
    await registry.webhooks.gone(practice, id)


async def _ready(store: RedisStore, hub: Hub) -> str | None:
    """Say why this node must get no new connections; None: it may."""
    if hub.draining:
        return "draining"
    try:
        await store.ping()
    except (StoreAway, StoreFault):
        return "redis"
    return None


def _telemetry(hub: Hub, media: MediaNode) -> Telemetry:
    return Telemetry(
        {
            "ws": lambda: {
                name if name in ("connections", "present") else f"{name}_total": value
                for name, value in vars(hub.counts).items()
                if isinstance(value, int)
            },
            "media": lambda: {
                name if name in ("visits", "peers", "connected") else f"{name}_total": value
                for name, value in asdict(media.counts()).items()
            },
        }
    )
