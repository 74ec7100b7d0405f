"""Redis freezes, dies, fills up: every call ends in time, and nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest

from server.crypto import Sealer
from server.ports import StoreAway
from server.ports.rooms import Repeated, Stored
from server.store import redis
from server.store.redis import RedisStore
from tests.server.store.fixtures import BINARIES
from tests.server.store.test_rooms import change
from tests.server.store.valkey import Valkey

ATTEMPT = 0.2
TOTAL = 0.7


@pytest.fixture(params=BINARIES)
def frail(request: pytest.FixtureRequest) -> Iterator[Valkey]:
    """A server for this test alone, which may be harmed."""
    valkey = Valkey("--appendonly", "yes", "--appendfsync", "always", binary=BINARIES[request.param]())
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
async def store(frail: Valkey, sealer: Sealer) -> AsyncIterator[RedisStore]:
    store = await redis.connect(frail.url, sealer, attempt=ATTEMPT, total=TOTAL)
    yield store
    await store.close()


async def away_after(call: Awaitable[object]) -> float:
    """Return how many seconds it took until the store was given up."""
    start = time.monotonic()
    with pytest.raises(StoreAway):
        await call
    return time.monotonic() - start


async def test_every_call_to_a_frozen_server_ends_in_time(frail: Valkey, store: RedisStore) -> None:
    frail.freeze()

    took = await asyncio.gather(
        away_after(store.rooms.load("r1")),
        away_after(store.rooms.commit("r1", change(0))),
        away_after(store.rooms.due(0)),
        away_after(store.documents.put("p1", "a", "x", b"")),
        away_after(store.secrets.take("ticket", "h")),
        away_after(store.nodes.lease("archiver", "n1", 1000)),
        away_after(store.outbox.read()),
        away_after(store.ping()),
    )

    assert max(took) < TOTAL + 0.3
    # And again, now that the connection is known to be gone.
    assert await away_after(store.rooms.load("r1")) < TOTAL + 0.3


async def test_with_the_usual_limits_a_frozen_server_is_given_up_within_two_seconds(
    frail: Valkey, sealer: Sealer
) -> None:
    store = await redis.connect(frail.url, sealer)
    frail.freeze()

    assert await away_after(store.rooms.commit("r1", change(0))) < 2.2

    await store.close()


async def test_a_commit_that_was_tried_several_times_is_saved_once(frail: Valkey, store: RedisStore) -> None:
    await store.rooms.commit("r1", change(0))
    connection = await store.pipe.call("CLIENT", "ID")
    frail.freeze()
    commit = asyncio.create_task(store.rooms.commit("r1", change(1, outbox=(b"owed",))))
    await asyncio.sleep(ATTEMPT + 0.15)  # the first try is in the frozen server's hands, the second begins
    frail.resume()

    await commit  # its own first try is not taken for somebody else's

    assert await store.pipe.call("CLIENT", "ID") != connection, "there was only one try"
    assert await store.rooms.load("r1") == Stored(2, b"room 2")
    assert await store.rooms.events("r1", 0) == [(1, b"event 1"), (2, b"event 2")]
    assert [item for _, _, item in await store.outbox.read()] == [b"owed"]


async def test_a_commit_of_unknown_fate_is_repeated_by_its_request_id(frail: Valkey, store: RedisStore) -> None:
    await store.rooms.commit("r1", change(0, outbox=(b"owed first",)))
    frail.freeze()
    await away_after(store.rooms.commit("r1", change(1, outbox=(b"owed",))))
    frail.resume()

    # What was sent before it froze is done when it wakes.
    with pytest.raises(Repeated) as repeated:
        await store.rooms.commit("r1", change(1, outbox=(b"owed",)))

    assert repeated.value.reply == b"reply 2"
    assert await store.rooms.load("r1") == Stored(2, b"room 2")
    assert [item for _, _, item in await store.outbox.read()] == [b"owed first", b"owed"]


async def test_what_may_not_be_repeated_is_done_once_or_given_up(frail: Valkey, store: RedisStore) -> None:
    await store.secrets.count("guess", "h", 60_000)
    frail.freeze()
    counts = [asyncio.create_task(store.secrets.count("guess", "h", 60_000)) for _ in range(5)]
    await asyncio.sleep(ATTEMPT + 0.15)
    frail.resume()
    answers = await asyncio.gather(*counts, return_exceptions=True)

    # One was sent over a connection that was well: nobody knows its fate. The others found none, and waited.
    assert [type(answer) for answer in answers].count(StoreAway) == 1
    assert await store.secrets.count("guess", "h", 60_000) == 7


async def test_calls_wait_for_a_server_that_comes_back_in_time(frail: Valkey, store: RedisStore) -> None:
    await store.rooms.commit("r1", change(0))
    frail.kill()
    load = asyncio.create_task(store.rooms.load("r1"))
    write = asyncio.create_task(store.rooms.commit("r1", change(1)))
    await asyncio.sleep(0.05)
    frail.start()

    assert await load in {Stored(1, b"room 1"), Stored(2, b"room 2")}
    await write
    assert await store.rooms.load("r1") == Stored(2, b"room 2")


async def test_a_server_that_died_is_away_and_later_back_without_a_restart_of_ours(
    frail: Valkey, store: RedisStore
) -> None:
    await store.rooms.commit("r1", change(0))
    frail.kill()
    assert await away_after(store.rooms.load("r1")) < TOTAL + 0.3

    frail.start()

    assert await store.rooms.load("r1") == Stored(1, b"room 1")


async def test_a_store_that_is_not_there_cannot_be_opened(frail: Valkey, sealer: Sealer) -> None:
    assert await away_after(redis.connect("unix:///nowhere/s", sealer, attempt=ATTEMPT, total=TOTAL)) < TOTAL + 0.3


async def test_a_full_server_saves_nothing_and_is_away(frail: Valkey, store: RedisStore) -> None:
    await store.rooms.commit("r1", change(0))
    frail.command("CONFIG", "SET", "maxmemory", "1")

    await away_after(store.rooms.commit("r1", change(1)))
    assert await store.rooms.load("r1") == Stored(1, b"room 1")

    frail.command("CONFIG", "SET", "maxmemory", "0")
    await store.rooms.commit("r1", change(1))


async def test_a_commit_that_the_script_cannot_finish_leaves_nothing_half(store: RedisStore) -> None:
    await store.rooms.commit("r1", change(0, events=((5, b"event 5"),)))

    with pytest.raises(Exception, match="the store answered"):
        await store.rooms.commit("r1", change(1, events=((4, b"a seq of the past"),), outbox=(b"owed",)))

    assert await store.rooms.load("r1") == Stored(1, b"room 1")
    assert await store.rooms.reply("r1", "request 2") is None
    assert await store.outbox.read() == []


async def test_whoever_waits_when_the_store_is_closed_is_told(frail: Valkey, sealer: Sealer) -> None:
    store = await redis.connect(frail.url, sealer)
    frail.freeze()
    load = asyncio.create_task(store.rooms.load("r1"))
    await asyncio.sleep(0.05)

    await store.close()

    assert await away_after(load) < 0.2
    assert await away_after(store.ping()) < 0.2


async def test_nothing_can_be_read_from_the_servers_files(frail: Valkey, store: RedisStore) -> None:
    canary = "Canary"
    value = canary.encode()
    await store.rooms.commit(
        "r1",
        change(
            0,
            f"{canary} request",
            body=f"{canary} body",
            snapshot=value,
            events=((1, value),),
            reply=value,
            outbox=(value,),
            documents={("closed", f"{canary} id"): value},
        ),
    )
    await store.documents.put(f"{canary} practice", "appointment", f"{canary} id", value, outbox=[value])
    await store.documents.schedule(f"{canary} practice", f"open {canary}", 100)
    await store.secrets.put("link", "00ff", value)
    frail.command("SAVE")

    on_disk = frail.on_disk()

    assert b"r1" in on_disk, "the files were not read"
    assert b":appointment" in on_disk
    for form in (value, value.hex().encode(), value[::-1]):
        assert form not in on_disk
