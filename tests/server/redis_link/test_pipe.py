"""The pipe: commands travel together, and callers who leave shift nobody's reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvloop

from server.redis_link.address import address_of
from server.redis_link.link import Link, pack
from server.redis_link.pipe import Pipe
from tests.server.store.valkey import Valkey


@pytest.fixture
async def pipe(server: Valkey) -> AsyncIterator[Pipe]:
    pipe = Pipe(address_of(server.url))
    yield pipe
    await pipe.close()


async def fill(pipe: Pipe, keys: int) -> None:
    await pipe.each(("SET", f"k{n}", f"value {n}") for n in range(keys))


async def test_commands_of_one_tick_travel_together(pipe: Pipe, server: Valkey) -> None:
    def reads() -> int:
        for line in server.command("INFO", "stats").decode().splitlines():
            if line.startswith("total_reads_processed:"):
                return int(line.partition(":")[2])
        raise AssertionError("the server does not count its reads")

    before = reads()
    await asyncio.gather(*(pipe.call("GET", f"k{n}") for n in range(500)))
    together = reads() - before

    assert together < 50, f"500 commands in {together} reads"


async def test_cancelled_callers_do_not_shift_the_replies_of_others(pipe: Pipe) -> None:
    await fill(pipe, 400)

    asked = [asyncio.create_task(pipe.call("GET", f"k{n}")) for n in range(200)]
    await asyncio.sleep(0)
    never_sent = [asyncio.create_task(pipe.call("GET", f"k{n}")) for n in range(200)]
    await asyncio.sleep(0)  # the first batch is on its way, the second is not
    for task in (*asked, *never_sent):
        task.cancel()
    await asyncio.gather(*asked, *never_sent, return_exceptions=True)
    answers = await asyncio.gather(*(pipe.call("GET", f"k{n}") for n in range(200, 400)))

    assert all(task.cancelled() for task in (*asked, *never_sent))
    assert answers == [b"value %d" % n for n in range(200, 400)]


async def test_half_of_the_callers_may_go_and_the_others_get_their_own(pipe: Pipe) -> None:
    await fill(pipe, 200)
    connection = await pipe.call("CLIENT", "ID")

    for _ in range(10):
        tasks = [asyncio.create_task(pipe.call("GET", f"k{n}")) for n in range(200)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks[1::2])

        assert answers == [b"value %d" % n for n in range(1, 200, 2)]
    assert await pipe.call("CLIENT", "ID") == connection, "a cancelled caller cost the connection"


async def test_a_command_whose_caller_left_in_time_is_not_sent(pipe: Pipe) -> None:
    await pipe.call("PING")
    task = asyncio.create_task(pipe.call("SET", "k1", "value"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await pipe.call("GET", "k1") is None


async def test_a_server_that_is_no_longer_the_primary_is_left(pipe: Pipe, server: Valkey) -> None:
    connection = await pipe.call("CLIENT", "ID")
    server.command("REPLICAOF", "127.0.0.1", "1")
    write = asyncio.create_task(pipe.call("SET", "k1", "value"))
    await asyncio.sleep(0.02)
    server.command("REPLICAOF", "NO", "ONE")

    assert await write == b"OK"
    assert await pipe.call("CLIENT", "ID") != connection


def test_a_stream_is_taken_over_from_redis_py_on_the_services_own_loop(server: Valkey) -> None:
    async def talk() -> list[object]:
        heard: list[object] = []
        answered, lost = asyncio.Event(), asyncio.Event()

        def received(reply: object) -> None:
            heard.append(reply)
            answered.set()

        link = await Link.open(address_of(server.url), received=received, lost=lost.set, patience=1)
        async with asyncio.timeout(2):
            link.write(pack("ECHO", bytes(100_000)))
            await answered.wait()
            link.write(pack("QUIT"))
            await lost.wait()
        return heard

    assert uvloop.run(talk())[0] == bytes(100_000)
