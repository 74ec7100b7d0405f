"""Sentinels that are out of date, silent, or wrong: only a server that calls itself the primary is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import hiredis
import pytest

from server.bus import redis as redis_bus
from server.crypto import Sealer
from server.ports import StoreAway
from server.redis_link.address import Address
from server.redis_link.pipe import Pipe
from server.redis_link.url import place_of
from server.store import redis
from tests.server.bus.hub import Hub
from tests.server.store.valkey import Ports, Valkey


@dataclass
class Sentinel:
    """Tells what it is told to tell."""

    primary: Valkey
    epoch: int = 1
    pause: float = 0.0
    port: int = 0
    serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in filter(None, self.serving):
                task.cancel()
            await asyncio.gather(*filter(None, self.serving), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.current_task())
        commands = hiredis.Reader()
        try:
            while data := await reader.read(4096):
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    assert command == [b"SENTINEL", b"MASTER", b"care"]
                    await asyncio.sleep(self.pause)
                    said = ("ip", "127.0.0.1", "port", self.primary.port, "config-epoch", self.epoch)
                    writer.write(hiredis.pack_command(said))  # a reply has the form of a command
        finally:
            writer.close()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Valkey, Valkey]]:
    """Two servers on ports, both primaries."""
    ports = Ports(2)
    one, other = (Valkey(port=port) for port in ports.numbers)
    one.start()
    other.start()
    yield one, other
    one.stop()
    other.stop()
    ports.close()


@pytest.fixture
def one(servers: tuple[Valkey, Valkey]) -> Valkey:
    servers[0].flush()
    return servers[0]


@pytest.fixture
def other(servers: tuple[Valkey, Valkey]) -> Valkey:
    servers[1].flush()
    return servers[1]


@asynccontextmanager
async def url_of(*sentinels: Sentinel) -> AsyncIterator[str]:
    async with AsyncExitStack() as stack:
        for sentinel in sentinels:
            await stack.enter_async_context(sentinel.open())
        yield f"redis+sentinel://{','.join(f'127.0.0.1:{sentinel.port}' for sentinel in sentinels)}/care"


@asynccontextmanager
async def pipe_to(url: str, total: float = 2.0) -> AsyncIterator[Pipe]:
    place = place_of(url)
    assert isinstance(place, Address)
    pipe = Pipe(place, total=total)
    yield pipe
    await pipe.close()


async def test_the_sentinel_that_knows_of_the_last_election_is_believed(one: Valkey, other: Valkey) -> None:
    behind, ahead = Sentinel(other, epoch=3), Sentinel(one, epoch=4, pause=0.03)
    async with url_of(behind, ahead) as url, pipe_to(url) as pipe:
        await pipe.call("SET", "k", "v")

    assert (one.command("GET", "k"), other.command("GET", "k")) == (b"v", None)


async def test_a_silent_sentinel_costs_little(one: Valkey) -> None:
    async with url_of(Sentinel(one, pause=60), Sentinel(one)) as url, pipe_to(url, total=0.5) as pipe:
        assert await pipe.call("PING") == b"PONG"


async def test_a_server_that_does_not_call_itself_the_primary_is_not_used(one: Valkey, other: Valkey) -> None:
    other.command("REPLICAOF", "127.0.0.1", one.port)
    sentinel = Sentinel(other)
    try:
        async with url_of(sentinel) as url, pipe_to(url, total=0.5) as pipe:
            with pytest.raises(StoreAway):
                await pipe.call("GET", "k")

            sentinel.primary = one
            assert await pipe.call("GET", "k") is None
    finally:
        other.command("REPLICAOF", "NO", "ONE")


async def test_all_go_to_another_primary_though_the_old_one_still_answers(
    one: Valkey, other: Valkey, sealer: Sealer
) -> None:
    hub = Hub()
    sentinel = Sentinel(one)
    async with url_of(sentinel) as url:
        store = await redis.connect(url, sealer)
        bus = await redis_bus.connect(store, hub.deliver, hub.gap, beat=0.05, patience=60)
        await asyncio.gather(*(store.nodes.beat(f"n{number}", 1) for number in range(8)))

        sentinel.primary = other
        await hub.until(lambda: hub.gaps > 0)
        await asyncio.gather(*(store.nodes.beat(f"n{number}", 2) for number in range(8)))

        assert one.command("HVALS", "nodes") == [b"1"] * 8
        assert other.command("HVALS", "nodes") == [b"2"] * 8
        await store.pipe.call("SET", "k", "v")
        assert (one.command("GET", "k"), other.command("GET", "k")) == (None, b"v")
        await bus.close()
        await store.close()


async def test_a_sentinel_that_refuses_is_logged_without_a_password(
    one: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    # A server that is no sentinel, and asks for no password, refuses both.
    url = f"redis+sentinel://127.0.0.1:{one.port}/care?sentinel_password=sesame"
    async with pipe_to(url, total=0.3) as pipe:
        with pytest.raises(StoreAway):
            await pipe.call("PING")

    assert "a sentinel refuses" in caplog.text
    assert "sesame" not in caplog.text
