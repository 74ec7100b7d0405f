"""Where a story takes place: at one node with its own server, at two workers, or at two nodes that share one Redis.

With two nodes nobody who takes part knows how many there are: whoever connects next is sent to the next node, and the
EHR's calls go to one and the other in turn, as behind a balancer.
"""

from __future__ import annotations

import base64
import itertools
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server.store.valkey import Valkey, debians, packaged
from tests.stories.service import Service


@dataclass(frozen=True)
class World:
    """The nodes of a service. All have the same public address, and nobody listens there."""

    nodes: tuple[Service, ...]
    public: str
    redis: Valkey | None = None
    """The server they share; None where the one node has its own."""

    @property
    def operator_key(self) -> str:
        return self.nodes[0].operator_key

    async def kill(self) -> None:
        """End all nodes as a power cut does."""
        for node in self.nodes:
            await node.kill()

    async def start(self) -> None:
        """Start every node that does not run."""
        for node in self.nodes:
            if node.process is None:
                await node.start()


@asynccontextmanager
async def one_node(folder: Path) -> AsyncIterator[World]:
    """A node as people first meet it: with the embedded server."""
    service = Service(folder / "var")
    async with alive(service):
        yield World((service,), service.url)


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[World]:
    """Two processes behind one port, with one embedded server."""
    service = Service(folder / "var", ("--workers", "2"))
    async with alive(service):
        yield World((service,), service.url)


@asynccontextmanager
async def two_nodes(
    folder: Path,
    *,
    embedded: bool = False,
    public: str | None = "http://carelobby.test",
    environment: Mapping[str, str] | None = None,
    capacities: tuple[int, int] = (100, 100),
) -> AsyncIterator[World]:
    """Two nodes over one server that keeps everything: Debian's, or with the program that is else embedded.

    `public`: their address to the outside, where it matters that somebody listens there; None: each has its own.
    `environment`: settings of both.
    `capacities`: how many visits' media each takes; a node that takes none leaves every visit to the other.
    """
    redis = Valkey(
        *("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"),
        binary=packaged() if embedded else debians(),
    )
    shared = {
        "CARELOBBY_REDIS_URL": redis.url,
        "CARELOBBY_LEDGER_URL": f"sqlite:///{folder}/ledger.sqlite3",
        "CARELOBBY_SECRET_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "CARELOBBY_OPERATOR_KEY": secrets.token_urlsafe(32),
        **({"CARELOBBY_PUBLIC_URL": public} if public is not None else {}),
        **(environment or {}),
    }
    async with AsyncExitStack() as stack:
        redis.start()
        stack.callback(redis.stop)
        ports = [stack.enter_context(reserved_port()) for _ in range(2)]
        nodes = [
            Service(folder / f"node{port}", environment=shared | {"CARELOBBY_MEDIA_CAPACITY": str(most)}, port=port)
            for port, most in zip(ports, capacities, strict=True)
        ]
        for node in nodes:
            await stack.enter_async_context(alive(node))
        yield World(tuple(nodes), public or nodes[0].url, redis)


@asynccontextmanager
async def alive(service: Service) -> AsyncIterator[None]:
    """Run a service, and look through its log at the end."""
    try:
        await service.start()
        yield
    finally:
        await service.stop()
    log = service.log()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given meanwhile; a service may listen at it, and be started there again."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


class Balancer(httpx.AsyncBaseTransport):
    """Sends each HTTP request to the next of the nodes that run."""

    def __init__(self, nodes: Sequence[Service]) -> None:
        self._nodes = nodes
        self._turns = itertools.count()
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = [node for node in self._nodes if node.process is not None]
        node = there[next(self._turns) % len(there)]
        request.url = request.url.copy_with(host="localhost", port=node.port)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
