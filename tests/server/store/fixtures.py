"""What the store's and the bus's tests share: servers for the session, and a store of each sort."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from server.crypto import Sealer, fresh_key
from server.store import redis
from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store import six, trio
from tests.server.store.six import Six
from tests.server.store.trio import Trio
from tests.server.store.valkey import Valkey, debians, packaged

Servers = Valkey | Trio | Six

BINARIES = {"valkey": packaged, "redis": debians}
PLACES = (*BINARIES, "sentinel", "cluster")


@dataclass
class Live:
    """A store under test, and time for it to pass."""

    store: MemoryStore | RedisStore
    pass_time: Callable[[int], None]


@dataclass
class HandClock:
    """A clock that a test moves."""

    now: int = 1_000_000
    heard: list[int] = field(default_factory=list)

    def __call__(self) -> int:
        return self.now

    def pass_time(self, ms: int) -> None:
        self.now += ms


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[str], Servers]]:
    """The servers of each sort, started when they are first wanted, for all tests; each begins with empty ones."""
    running: dict[str, Servers] = {}

    def of(sort: str) -> Servers:
        if sort not in running:
            made: Servers
            if sort in BINARIES:
                made = Valkey("--appendonly", "yes", "--appendfsync", "everysec", binary=BINARIES[sort]())
            else:
                made = trio.Trio(trio.LATE) if sort == "sentinel" else six.Six(six.LATE)
            running[sort] = made
            made.start()
        running[sort].flush()
        return running[sort]

    yield of
    for each in running.values():
        each.stop()


@pytest.fixture(params=BINARIES)
def server(request: pytest.FixtureRequest, started: Callable[[str], Valkey]) -> Valkey:
    """One server of each program that we run on."""
    return started(request.param)


@pytest.fixture(params=PLACES)
def servers(request: pytest.FixtureRequest, started: Callable[[str], Servers]) -> Servers:
    """All that a store's URL may lead to."""
    return started(request.param)


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer(fresh_key())


@pytest.fixture
async def redis_store(servers: Servers, sealer: Sealer) -> AsyncIterator[RedisStore]:
    store = await redis.connect(servers.url, sealer)
    yield store
    await store.close()


@pytest.fixture(params=("memory", *PLACES))
async def live(
    request: pytest.FixtureRequest, started: Callable[[str], Servers], sealer: Sealer
) -> AsyncIterator[Live]:
    """A store of each sort: what memory passes, Redis passes."""
    if request.param == "memory":
        clock = HandClock()
        yield Live(MemoryStore(clock), clock.pass_time)
        return
    servers = started(request.param)
    store = await redis.connect(servers.url, sealer)
    yield Live(store, servers.pass_time)
    await store.close()


@pytest.fixture
def store(live: Live) -> MemoryStore | RedisStore:
    return live.store
