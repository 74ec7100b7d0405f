"""`python3 run.py bench store`: what a commit costs over each way to Redis, and what the news of it costs.

Each figure is the median of several rounds in which the ways take turns. CPU is this process's alone; sealing is in
all of them. The server is a fresh one that writes no files, unless `--url` names another, which should be empty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, cast

import uvloop
from redis.asyncio import BlockingConnectionPool, Redis

from server.crypto import NAMES_SECRET_BYTES, Names, Sealer, fresh_key
from server.ports.rooms import Commit
from server.redis_link.address import Address, address_of
from server.redis_link.client import Client
from server.redis_link.link import Link, pack
from server.redis_link.pipe import Command, Pipe, Script
from server.store.embedded import find_binary
from server.store.redis_rooms import RedisRooms
from server.store.scripts import source

CALLERS: Final = (1, 16, 128)
SNAPSHOT_BYTES: Final = 2000
EVENT_BYTES: Final = 400
REPLY_BYTES: Final = 100
NEWS_AT_ONCE: Final = (1, 64)
COMMIT: Final = source("commit")


def main(arguments: list[str]) -> int:
    """Read the options, measure, print two tables."""
    parser = argparse.ArgumentParser(prog="run.py bench store", description=__doc__)
    parser.add_argument("--url", help="a server to measure against (default: a fresh one)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=2048, help="commits, and news, a round")
    options = parser.parse_args(arguments)
    with _server(options.url) as url:
        uvloop.run(_measure(address_of(url), options.rounds, options.count))
    return 0


# --- ways of a commit -----------------------------------------------------------------------------
#
# Each stands where the pipe stands, and has as much of it as a commit needs.


class SealingAlone:
    """No way at all: what is left of a commit without Redis."""

    async def run(
        self, script: Script, keys: Command, args: Command, *, repeat: bool = False, sure: bool = False
    ) -> Any:
        """Say that it was saved."""


class ByClient:
    """redis-py's client and its pool within our limits: the way that documents go."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(
        self, script: Script, keys: Command, args: Command, *, repeat: bool = False, sure: bool = False
    ) -> Any:
        """Run it as documents are changed."""
        return await self._client.run(script, cast(Any, keys), args, repeat=repeat)


class ByPipeline:
    """redis-py's pipeline: what is asked while one is under way goes with the next. Without limits of ours."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._asked: list[tuple[tuple[str | bytes | int, ...], asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def run(
        self, script: Script, keys: Command, args: Command, *, repeat: bool = False, sure: bool = False
    ) -> Any:
        """Ask, and wait for the reply."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append(((script.sha1, len(keys), *keys, *args), reply))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await reply

    async def _send(self) -> None:
        while self._asked:
            await asyncio.sleep(0)  # whoever asks in this tick comes along
            asked, self._asked = self._asked, []
            async with self._redis.pipeline(transaction=False) as pipeline:
                for command, _ in asked:
                    pipeline.execute_command("EVALSHA", *command)
                replies = await pipeline.execute()
            for (_, waiting), reply in zip(asked, replies, strict=True):
                waiting.set_result(reply)
        self._sending = None


@asynccontextmanager
async def sealing_alone(address: Address) -> AsyncIterator[SealingAlone]:
    """Open nothing."""
    yield SealingAlone()


@asynccontextmanager
async def by_client(address: Address) -> AsyncIterator[ByClient]:
    """Open the client."""
    client = Client(address)
    yield ByClient(client)
    await client.close()


@asynccontextmanager
async def by_pipeline(address: Address) -> AsyncIterator[ByPipeline]:
    """Open a client of redis-py's, and tell the server the script."""
    pool = BlockingConnectionPool(connection_class=address.kind, **address.settings(1.0))
    redis = Redis.from_pool(pool)
    await redis.script_load(COMMIT)
    yield ByPipeline(redis)
    await redis.aclose()


@asynccontextmanager
async def by_pipe(address: Address) -> AsyncIterator[Pipe]:
    """Open our own pipe."""
    pipe = Pipe(address)
    yield pipe
    await pipe.close()


WAYS: Final[dict[str, Callable[[Address], AbstractAsyncContextManager[object]]]] = {
    "sealing alone": sealing_alone,
    "redis-py's client": by_client,
    "redis-py's pipeline": by_pipeline,
    "our pipe": by_pipe,
}


# --- ways of news ---------------------------------------------------------------------------------


@asynccontextmanager
async def news_by_pubsub(address: Address, heard: Callable[[], None]) -> AsyncIterator[None]:
    """Listen as redis-py does."""
    pool = BlockingConnectionPool(connection_class=address.kind, **address.settings(1.0))
    redis = Redis.from_pool(pool)
    pubsub = redis.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe("news")

    async def listen() -> None:
        async for _ in pubsub.listen():
            heard()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.05)  # until it is subscribed
    yield
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    await redis.aclose()


@asynccontextmanager
async def news_by_link(address: Address, heard: Callable[[], None]) -> AsyncIterator[None]:
    """Listen as the bus does."""

    def received(reply: list[Any]) -> None:
        if reply[0] == b"message":
            heard()

    link = await Link.open(address, received=received, lost=lambda: None, patience=1.0)
    link.write(pack("SUBSCRIBE", "news"))
    await asyncio.sleep(0.05)  # until it is subscribed
    yield
    link.abort()
    await asyncio.sleep(0)


NEWS: Final = {"redis-py's PubSub": news_by_pubsub, "our link": news_by_link}


# --- measuring ------------------------------------------------------------------------------------

Cost = tuple[float, float]
"""µs of wall time and of CPU, for each commit or message."""


async def _measure(address: Address, rounds: int, count: int) -> None:
    commits: dict[tuple[int, str], list[Cost]] = {}
    news: dict[tuple[int, str], list[Cost]] = {}
    for _ in range(rounds):
        for callers in CALLERS:
            for name, opened in WAYS.items():
                commits.setdefault((callers, name), []).append(await _commits(address, opened, callers, count))
        for at_once in NEWS_AT_ONCE:
            for name, listening in NEWS.items():
                news.setdefault((at_once, name), []).append(await _news(address, listening, at_once, count))
    _print("µs a commit", "callers", commits)
    _print("µs a message, published and heard", "at once", news)


async def _commits(
    address: Address, opened: Callable[[Address], AbstractAsyncContextManager[object]], callers: int, count: int
) -> Cost:
    sealer, names = Sealer(fresh_key()), Names(os.urandom(NAMES_SECRET_BYTES))
    snapshot, event, reply = os.urandom(SNAPSHOT_BYTES), os.urandom(EVENT_BYTES), os.urandom(REPLY_BYTES)
    run = os.urandom(8).hex()

    async def commit(rooms: RedisRooms, room: str, versions: range) -> None:
        for version in versions:
            change = Commit(
                request=f"{room} {version}",
                body="",
                keep=10_000,
                expected=version,
                snapshot=snapshot,
                events=((version + 1, event),),
                reply=reply,
            )
            await rooms.commit(room, change)

    async with opened(address) as way:
        rooms = RedisRooms(cast(Pipe, way), cast(Client, None), sealer, names)
        # The first commit opens the connection.
        await asyncio.gather(*(commit(rooms, f"{run} {n}", range(1)) for n in range(callers)))
        each = range(1, 1 + count // callers)
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(commit(rooms, f"{run} {n}", each) for n in range(callers)))
        return _since(wall, cpu, callers * len(each))


async def _news(
    address: Address,
    listening: Callable[[Address, Callable[[], None]], AbstractAsyncContextManager[None]],
    at_once: int,
    count: int,
) -> Cost:
    missing = 0
    all_heard = asyncio.Event()

    def heard() -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            all_heard.set()

    publisher = await Link.open(address, received=lambda reply: None, lost=lambda: None, patience=1.0)
    message = pack("PUBLISH", "news", os.urandom(EVENT_BYTES)) * at_once
    async with listening(address, heard):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count // at_once):
            missing = at_once
            all_heard.clear()
            publisher.write(message)
            await all_heard.wait()
        cost = _since(wall, cpu, count // at_once * at_once)
    publisher.abort()
    await asyncio.sleep(0)
    return cost


def _since(wall: float, cpu: float, count: int) -> Cost:
    return 1e6 * (time.perf_counter() - wall) / count, 1e6 * (time.process_time() - cpu) / count


def _print(what: str, number: str, costs: dict[tuple[int, str], list[Cost]]) -> None:
    print(f"\n| {what} | {number} | wall | CPU |\n|---|---|---|---|")
    for (callers, name), rounds in costs.items():
        wall, cpu = (median(cost[part] for cost in rounds) for part in (0, 1))
        print(f"| {name} | {callers} | {wall:.1f} | {cpu:.1f} |")


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    """Yield the URL of a server; one of our own is gone afterwards."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="bench") as directory:
        socket = Path(directory, "s")
        command = (find_binary(None), "--port", "0", "--unixsocket", socket, "--dir", directory, "--save", "")
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the service's own choice
        try:
            while not socket.exists() and server.poll() is None:
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait()
