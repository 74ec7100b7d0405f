"""One running process of the service: it serves until it is told to stop, and lets its visits go on elsewhere first."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.applications import Starlette

from server.demo import Demo
from server.media.node import MediaNode
from server.nodes.together import Together
from server.ports import StoreAway
from server.redis_link.faults import StoreFault
from server.running import Server, running
from server.settings import Settings
from server.store.embedded import EmbeddedServer, EmbeddedServerFailed
from server.store.redis import RedisStore
from server.telemetry import tune_collector
from server.web.hub import Hub
from server.web.websocket import make_protocol
from server.workers.parent import Parent

logger = logging.getLogger("carelobby.node")

DRAIN_AFTER: Final = 500
DRAIN_JITTER: Final = 500
"""Milliseconds: how soon a stopping node's browsers are to go elsewhere. Who balances the load is told as soon."""
MOVED_WITHIN: Final = 5.0
"""Seconds that browsers have to replace their peers here by others elsewhere."""
MOVED_LOOKS: Final = 100
"""How often it is looked, meanwhile, whether they have."""


@dataclass
class Node:
    """One running process of the service, as far as it must be told to begin and to end."""

    settings: Settings
    port: int
    url: str
    operator_key: str
    hub: Hub
    many: Together
    media: MediaNode
    app: Starlette
    demo: Demo | None
    embedded: EmbeddedServer | None
    parent: Parent | None
    """Of a worker."""
    failed: bool = False
    """It ended by itself, because something it cannot do without did."""

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
        server = Server(config, started, self._drain)
        async with running(self._watch(server), "embedded server's end"):
            await server.serve(sockets=[listening])

    async def _drain(self) -> None:
        """Let the visits that this node carries go on at another, if there is one, and then everybody."""
        self.hub.draining = True
        left = MOVED_LOOKS if await self.many.media.hand_over() else 0
        while left and self.media.counts().peers:
            left -= 1
            await asyncio.sleep(MOVED_WITHIN / MOVED_LOOKS)
        await self.hub.drain(DRAIN_AFTER, DRAIN_JITTER)

    async def _watch(self, server: uvicorn.Server) -> None:
        """Stop when the embedded server was given up: whoever started us may start us again."""
        if self.embedded is None:
            return
        try:
            await self.embedded.failed()
        except EmbeddedServerFailed as problem:
            logger.critical("%s", problem)
            self.failed = True
            server.should_exit = True

    def announce(self, *, print_json: bool) -> None:
        """Tell that the service answers: JSON for programs, links for people. A worker's parent says it."""
        tune_collector()
        told = self.demo.as_json(self.url) if self.demo else {"url": self.url, "operator_key": self.operator_key}
        text = self.demo.as_text(self.url) if self.demo else f"Carelobby answers at {self.url}"
        if self.parent is not None:
            self.parent.ready(told, text)
        else:
            print(json.dumps(told) if print_json else text, flush=True)
        logger.info("%s is ready", self.url)


async def why_not_ready(store: RedisStore, hub: Hub) -> str | None:
    """Say why this node must get no new connections; None: it may."""
    if hub.draining:
        return "draining"
    try:
        await store.ping()
    except (StoreAway, StoreFault):
        return "redis"
    return None
