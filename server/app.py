"""Where the parts are put together: the only file that imports everything, and the order they start and stop in."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from server import demo, files
from server.alarms import Alarms
from server.billing.courier import Courier
from server.billing.webhooks import Endpoint
from server.bus.redis import connect as connect_bus
from server.clock import StoreClock
from server.crypto import BadKeyring, Sealer
from server.dispatch import Dispatcher
from server.ledger.archive import Archiver
from server.ledger.chain import Head
from server.ledger.command import verify_command
from server.ledger.database import LedgerError
from server.ledger.kept import KeptHeads
from server.ledger.ledger import Ledger
from server.ledger.shared import demand_shared
from server.media.capacity import WINDOW, Capacity
from server.media.check import Unsupported
from server.media.check import check as check_media
from server.media.ice_servers import IceServers
from server.media.networks import Networks
from server.media.node import MediaNode
from server.node import Node, why_not_ready
from server.nodes import blind
from server.nodes.errands import Shut
from server.nodes.places import Places
from server.nodes.together import Together
from server.offline import EndsAnyway
from server.outages import Outages
from server.perform import Performer
from server.ports import StoreAway
from server.quality import Reports
from server.redis_link.address import BadStoreUrl
from server.redis_link.faults import StoreFault
from server.registry import Registry
from server.registry.documents import Webhook
from server.running import CannotStart, bind, cannot_use, listen, running, stopped_by_signals
from server.settings import KEY_FILE, Settings
from server.store.embedded import DataDirectoryLocked, EmbeddedServer, EmbeddedServerFailed, NoServerBinary, lock
from server.store.redis import RedisStore, WrongNeighbour
from server.store.redis import connect as connect_store
from server.telemetry import (
    Backlog,
    Lag,
    Telemetry,
    figures_of,
    set_up_logging,
    together,
    tune_allocator,
    underway,
)
from server.web.closes import Close
from server.web.headers import SecurityHeaders
from server.web.hub import Hub
from server.web.problems import HANDLERS
from server.web.routes import routes
from server.web.services import Services
from server.web.session import Session
from server.web.stored_event import encode
from server.workers.parent import Parent, Place
from signaling.messages import Message
from signaling.negotiation import replacements
from signaling.view import may_be_told, view

STATIC = Path(__file__).resolve().parent.parent / "static"


async def verify_audit(settings: Settings) -> int:
    """Examine the ledger and print what was found; return the exit code."""
    if not settings.secret_keys.get_secret_value() and not (settings.data_dir / KEY_FILE).exists():
        print(
            f"There are no keys in {settings.data_dir}: set CARELOBBY_DATA_DIR or CARELOBBY_SECRET_KEYS to those "
            "that the ledger was written with.",
            file=sys.stderr,
        )
        return 2
    sealer = _sealer(settings)
    return await verify_command(settings.ledger(), sealer, await _kept_heads(settings, sealer))


async def _kept_heads(settings: Settings, sealer: Sealer) -> Mapping[str, Head] | None:
    """Return the heads that the store keeps; None if it does not answer, as an embedded one without its service."""
    url, endpoint = settings.redis_url, settings.data_dir / "redis" / "endpoint"
    if not url and endpoint.exists():
        url = f"unix://{endpoint.read_text(encoding='utf-8')}"
    if not url:
        return None
    try:
        store = await connect_store(url, sealer)
        try:
            return await KeptHeads(store.documents).all()
        finally:
            await store.close()
    except (StoreAway, StoreFault, BadStoreUrl, WrongNeighbour):
        return None


async def serve(settings: Settings, *, print_json: bool, place: Place | None = None) -> int:
    """Run one node until it is told to stop; return the exit code. Raise `CannotStart`.

    `place`: which worker it is, of a parent that has the embedded server and the port; None: it is the whole service.
    """
    set_up_logging(settings.log_level, worker=place.number if place is not None else None)
    tune_allocator()
    with stopped_by_signals() as stopped:
        async with AsyncExitStack() as stack:
            if place is None:
                bound = listen(settings.host, settings.port)
            else:
                bound = bind(settings.host, settings.port, shared=True)  # and listens when it is ready
            listening = stack.enter_context(bound)
            node = await _begun(settings, stack, listening.getsockname()[1], place)
            await node.run(listening, partial(node.announce, print_json=print_json))
            stopped()  # from here on nothing cuts the farewells short
    return 1 if node.failed else 0


async def _begun(settings: Settings, stack: AsyncExitStack, port: int, place: Place | None) -> Node:
    """Start everything, or raise `CannotStart`."""
    try:
        return await _begin(settings, stack, port, place)
    except (
        *(DataDirectoryLocked, NoServerBinary, EmbeddedServerFailed, LedgerError, Unsupported),
        *(BadStoreUrl, WrongNeighbour, files.DataDirectoryUnusable),
    ) as problem:
        raise CannotStart(str(problem)) from problem
    except StoreFault as problem:
        raise CannotStart(
            f"Redis refuses this service ({problem.code}): check user, password and database in CARELOBBY_REDIS_URL."
        ) from problem
    except StoreAway as problem:
        raise CannotStart(
            "Redis does not answer: check that CARELOBBY_REDIS_URL names a running Redis or Valkey 7 or newer."
        ) from problem
    except OSError as problem:
        raise cannot_use(problem) from problem


async def _shared_ledger(stack: AsyncExitStack, settings: Settings, sealer: Sealer, store: RedisStore) -> Ledger:
    ledger = await Ledger.open(settings.ledger(), sealer)
    stack.push_async_callback(ledger.close)
    await demand_shared(store.nodes, ledger.id)
    return ledger


async def _begin(settings: Settings, stack: AsyncExitStack, port: int, place: Place | None) -> Node:
    """Start the parts in the order in which they need one another; `stack` ends them in reverse."""
    data_dir = files.prepare_directory(settings.data_dir)
    stack.callback(os.close, await lock(data_dir / "lock", data_dir))
    sealer = _sealer(settings)
    operator_key = settings.operator_key.get_secret_value() or files.kept_secret(data_dir / "operator_key")
    url = settings.public(port)
    node_id = f"node_{secrets.token_hex(8)}"

    redis_url, embedded = settings.redis_url, None
    if not redis_url:
        embedded = EmbeddedServer(data_dir, settings.redis_server)
        redis_url = await stack.enter_async_context(embedded)
    await check_media()
    store = await connect_store(redis_url, sealer)
    stack.push_async_callback(store.close)
    clock = StoreClock(store.rooms.time)
    await clock.sync()
    ledger = await _shared_ledger(stack, settings, sealer, store)

    # Several parts know one another; a lambda names one that is made further down, before anything calls it.
    def here(room: str, who: Collection[str], message: Message, connection: str | None) -> object:
        return hub.send(room, who, message, connection=connection)

    ice_servers = IceServers(
        [(server.urls, server.secret.get_secret_value()) for server in settings.ice_servers], clock=clock
    )
    media = MediaNode(
        clock=clock,
        fact=lambda fact: many.carrier.media_fact(fact),
        ask=lambda wish: many.carrier.renegotiate(wish),
        left=lambda room, participant, peer: many.alone.left(room, participant, peer),
        networks=Networks(settings.candidate_networks, local=not settings.production),
    )
    stack.push_async_callback(media.close)
    door = Dispatcher(
        store.rooms,
        clock=clock,
        fresh=lambda: secrets.token_hex(15),
        encode=encode,
        perform=lambda room, effects: performer.perform(room, effects),
        owed=lambda: archiver.wake(),
        learned=lambda room: many.carrier.learned(room),
        outages=(await stack.enter_async_context(Outages(store.documents, clock))).known,
        place=lambda room: many.media.place(room),
    )
    rooms = EndsAnyway(
        door,
        path=data_dir / "ended",
        sealer=sealer,
        clock=clock,
        perform=lambda room, effects: performer.perform(room, effects),
        tell=here,
        media_told=lambda room: many.carrier.told(room),
        left=_left_behind(data_dir, place),
    )
    bus = await connect_bus(
        store,
        lambda room, events: many.deliver(room, events),
        lambda: many.gap(),
        node=node_id,
        letter=lambda letter: many.letter(letter),
        called=lambda room, letter: many.called(room, letter),
    )
    stack.push_async_callback(bus.close)
    lag, capacity = await _measured(stack, settings.media_capacity, media)
    many = Together(
        bus,
        store.nodes,
        media,
        node=node_id,
        clock=clock,
        rooms=rooms,
        here=here,
        seen=lambda room: hub.seen(room),
        deliver=lambda room, events: hub.deliver(room, events),
        gap=lambda: hub.gap(),
        free=capacity.free,
        shut=lambda shut: _shut(hub, door, shut),
    )
    reports = Reports(clock=clock, rooms=rooms, passing=many.passing)
    performer = Performer(
        many.media,
        many.carrier,
        many.alone,
        seen=many.seen,
        clock=clock,
        rooms=rooms,
        passing=many.passing,
        here=here,
        reports=reports,
        ice_servers=ice_servers,
    )
    hub = Hub(
        rooms=rooms,
        bus=many.listening,
        store=store.rooms,
        secrets=store.secrets,
        nodes=many.listening,
        shell=performer,
        view=lambda room, who: view(room, who, ice_servers=ice_servers()),
        node=node_id,
        clock=clock,
        may_see=lambda room, who, event: may_be_told(door.known(room), who, event),
        ice_servers=ice_servers,
        beside=replacements,
        elsewhere=lambda connection, code: many.shutting.everywhere(Shut("connection", connection, code)),
    )
    registry = Registry.over(
        documents=store.documents,
        secrets=store.secrets,
        rooms=rooms,
        room_store=store.rooms,
        clock=clock,
        close_room=lambda room: many.shutting.everywhere(Shut("room", room, Close.REVOKED)),
        private_webhooks=settings.private_webhooks,
    )
    courier = Courier(
        ledger,
        partial(_endpoint, registry),
        nodes=store.nodes,
        node=node_id,
        clock=clock,
        gone=partial(_webhook_gone, registry),
        allow_private=settings.private_webhooks,
    )
    archiver = Archiver(
        store.outbox,
        store.nodes,
        ledger,
        partial(_endpoints, registry),
        node_id,
        kept=KeptHeads(store.documents),
        then=courier.wake,
    )
    for part in (many, hub, reports, courier, archiver):
        await stack.enter_async_context(part)

    alarms = Alarms(
        node=node_id,
        clock=clock,
        store=store.rooms,
        documents=store.documents,
        nodes=store.nodes,
        rooms=rooms,
        open_due=registry.appointments.open_due,
        recheck=door.recheck,
        buried=lambda: _send_all_away(hub, many),
    )
    await stack.enter_async_context(rooms)  # before the burial below: what ended had ended by then
    before = files.exchange(data_dir / "node", node_id)
    if before is not None:
        # This directory's last process is certainly gone: its rooms need not wait for its silence to show.
        many.leases.bury(before)
        await alarms.bury(before, (await store.nodes.all()).get(before, clock()))
    await alarms.beat()
    await stack.enter_async_context(running(alarms.run(), "alarms"))
    await stack.enter_async_context(running(_send_away_when_blind(hub, door, many), "blind"))

    shown = await demo.prepare(registry, data_dir, operator_key=operator_key) if settings.demo else None
    metrics, parent = await _telemetry(stack, store, ledger, lag, hub, door, media, many.places, rooms, reports, place)
    services = Services(
        registry=registry,
        rooms=rooms,
        ledger=ledger,
        clock=clock,
        public_url=url,
        origins=settings.origins(port),
        operator_key=operator_key,
        static=STATIC,
        ready=partial(why_not_ready, store, hub),
        metrics=metrics,
        signed_out=lambda sign_in: many.shutting.everywhere(Shut("sign_in", sign_in, Close.REVOKED)),
    )
    https = url.startswith("https")
    app = Starlette(
        routes=routes(services), exception_handlers=HANDLERS, middleware=[Middleware(SecurityHeaders, https=https)]
    )
    if not settings.production:
        # For `run.py load` beside it.
        files.keep(data_dir / "service.json", json.dumps({"url": url, "operator_key": operator_key}))
    return Node(settings, port, url, operator_key, hub, many, media, app, shown, embedded, parent)


async def _measured(stack: AsyncExitStack, most: int, media: MediaNode) -> tuple[Lag, Capacity]:
    """Begin to measure how late the loop is, and so what this process bears; it takes `most` visits."""
    lag = Lag()
    await stack.enter_async_context(running(lag.run(), "loop lag"))
    return lag, Capacity(most, connected=lambda: media.counts().connected, lags=lambda: lag.recent(WINDOW))


async def _telemetry(
    stack: AsyncExitStack,
    store: RedisStore,
    ledger: Ledger,
    lag: Lag,
    hub: Hub,
    door: Dispatcher,
    media: MediaNode,
    places: Places,
    rooms: EndsAnyway,
    reports: Reports,
    place: Place | None,
) -> tuple[Callable[[], Awaitable[bytes]], Parent | None]:
    """Begin to measure; return what `/metrics` shows and, of a worker, its parent, who asks for that, too."""
    owed = Backlog(outbox=store.outbox.length, deliveries=ledger.pending)
    await stack.enter_async_context(running(owed.run(), "backlog"))
    telemetry = Telemetry(
        {
            "ws": figures_of(lambda: hub.counts, ("connections", "present"), {"closed": "code", "refused": "status"}),
            "rooms": figures_of(lambda: door.counts),
            "media": figures_of(media.counts, ("visits", "peers", "connected", "warm", "checks")),
            "places": lambda: {"taken": places.load().visits, "free": places.load().free},
            "quality": figures_of(lambda: reports.counts, labels={"reports": "level", "minutes": "level"}),
            "owed": lambda: owed.figures() | {"ends": rooms.waiting},
            "loop": lag.figures,
            "underway": underway,
        },
        worker=str(place.number) if place is not None else None,
    )
    parent = await Parent.of(place, telemetry.text) if place is not None else None
    if parent is not None:
        await stack.enter_async_context(running(parent.run(), "parent"))
    return partial(_figures, telemetry, parent), parent


async def _figures(telemetry: Telemetry, parent: Parent | None) -> bytes:
    """Return the figures of this process, or of all workers."""
    return telemetry.text() if parent is None else together(await parent.figures())


def _left_behind(data_dir: Path, place: Place | None) -> Sequence[Path]:
    """Return where nodes that are no more, since there are fewer or more workers than before, kept Ends."""
    if place is None:
        return sorted(data_dir.glob("worker-*/ended"))
    now = {f"worker-{number}" for number in range(1, place.of + 1)}
    others = [path for path in sorted(data_dir.parent.glob("worker-*/ended")) if path.parent.name not in now]
    return [data_dir.parent / "ended", *others] if place.number == 1 else ()


def _sealer(settings: Settings) -> Sealer:
    keyring = ",".join(f"{kid}:{base64.b64encode(key).decode()}" for kid, key in settings.keyring().items())
    try:
        return Sealer(keyring)
    except BadKeyring as problem:
        raise CannotStart(f"CARELOBBY_SECRET_KEYS: {problem}.") from problem


def _shut(hub: Hub, door: Dispatcher, shut: Shut) -> None:
    match shut.what:
        case "room":
            door.forget(shut.id)
            hub.close_room(shut.id, shut.code)
        case "sign_in":
            hub.close_sign_in(shut.id, shut.code)
        case "connection":
            hub.close_connection(shut.id, shut.code)


def _send_all_away(hub: Hub, many: Together) -> None:
    """Let everybody come again: their rooms were told that they had gone."""
    many.buried()
    for session in tuple(hub.sessions.values()):
        session.close(Close.STORE_LOST)


async def _send_away_when_blind(hub: Hub, door: Dispatcher, many: Together) -> None:
    def is_served(session: Session) -> bool:
        known = door.known(session.me.room)
        return blind.is_served(known, session.me.by, serves=many.carrier.serves, unsure=session.unsure)

    await blind.watch(away_for=many.leases.away_for, send_away=lambda: hub.send_away(is_served))


async def _endpoints(registry: Registry, practice: str) -> list[Endpoint]:
    return [_as_endpoint(webhook) for webhook in await registry.webhooks.of(practice)]


async def _endpoint(registry: Registry, practice: str, id: str) -> Endpoint | None:
    webhook = await registry.webhooks.get(practice, id)
    return _as_endpoint(webhook) if webhook is not None else None


def _as_endpoint(webhook: Webhook) -> Endpoint:
    return Endpoint(
        id=webhook.id, url=webhook.url, events=webhook.events, secrets=webhook.secrets, active=webhook.active
    )


async def _webhook_gone(registry: Registry, practice: str, id: str) -> None:
    await registry.webhooks.gone(practice, id)
