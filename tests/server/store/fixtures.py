"""What the store's and the bus's tests share: a server for the session, and a store of each sort."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from server.crypto import Sealer, fresh_key
from server.store import redis
from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store.valkey import Valkey


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
def server() -> Iterator[Valkey]:
    """One server for all tests; each begins with an empty one."""
    valkey = Valkey("--appendonly", "yes", "--appendfsync", "everysec")
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer(fresh_key())


@pytest.fixture
async def redis_store(server: Valkey, sealer: Sealer) -> AsyncIterator[RedisStore]:
    server.command("FLUSHALL")
    store = await redis.connect(server.url, sealer)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "redis"])
async def live(request: pytest.FixtureRequest) -> AsyncIterator[Live]:
    """A store of each sort: what memory passes, Redis passes."""
    if request.param == "memory":
        clock = HandClock()
        yield Live(MemoryStore(clock), clock.pass_time)
        return
    server: Valkey = request.getfixturevalue("server")
    server.command("FLUSHALL")
    store = await redis.connect(server.url, request.getfixturevalue("sealer"))
    yield Live(store, server.pass_time)
    await store.close()


@pytest.fixture
def store(live: Live) -> MemoryStore | RedisStore:
    return live.store
