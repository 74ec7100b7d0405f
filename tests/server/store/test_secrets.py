"""Single keys: tickets, links, sign-ins, and counters."""

from __future__ import annotations

import asyncio

from server.store.memory import MemoryStore
from server.store.redis import RedisStore
from tests.server.store.fixtures import Live

Store = MemoryStore | RedisStore


async def test_a_value_comes_back_until_it_is_deleted(store: Store) -> None:
    await store.secrets.put("link", "h1", b"value")
    assert await store.secrets.get("link", "h1") == b"value"
    assert await store.secrets.get("ticket", "h1") is None
    assert await store.secrets.get("link", "h2") is None

    await store.secrets.delete("link", "h1")
    await store.secrets.delete("link", "h1")
    assert await store.secrets.get("link", "h1") is None


async def test_a_value_ends_with_its_time(live: Live) -> None:
    await live.store.secrets.put("ticket", "h1", b"value", ttl=60_000)
    await live.store.secrets.put("link", "h1", b"for ever")

    live.pass_time(50_000)
    assert await live.store.secrets.get("ticket", "h1") == b"value"
    live.pass_time(10_001)
    assert await live.store.secrets.get("ticket", "h1") is None
    assert await live.store.secrets.take("ticket", "h1") is None
    assert not await live.store.secrets.touch("ticket", "h1", 1000)
    assert await live.store.secrets.get("link", "h1") == b"for ever"


async def test_of_many_takers_one_gets_it(store: Store) -> None:
    await store.secrets.put("ticket", "h1", b"value", ttl=60_000)

    taken = await asyncio.gather(*(store.secrets.take("ticket", "h1") for _ in range(10)))

    assert (taken.count(b"value"), taken.count(None)) == (1, 9)
    assert await store.secrets.get("ticket", "h1") is None


async def test_a_touch_gives_it_time_from_now(live: Live) -> None:
    await live.store.secrets.put("signin", "h1", b"value", ttl=60_000)

    live.pass_time(50_000)
    assert await live.store.secrets.touch("signin", "h1", 60_000)
    live.pass_time(50_000)
    assert await live.store.secrets.get("signin", "h1") == b"value"
    assert not await live.store.secrets.touch("signin", "none", 60_000)


async def test_a_counter_counts_within_its_window(live: Live) -> None:
    counts = [await live.store.secrets.count("guess", "address", 60_000) for _ in range(3)]
    live.pass_time(50_000)
    late = await live.store.secrets.count("guess", "address", 60_000)
    live.pass_time(10_001)
    afterwards = await live.store.secrets.count("guess", "address", 60_000)

    assert (counts, late, afterwards) == ([1, 2, 3], 4, 1)
    assert await live.store.secrets.count("guess", "another", 60_000) == 1


async def test_a_counter_and_a_value_of_one_name_do_not_meet(store: Store) -> None:
    await store.secrets.put("link", "h1", b"value")

    assert await store.secrets.count("link", "h1", 1000) == 1
    assert await store.secrets.get("link", "h1") == b"value"
