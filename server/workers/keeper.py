"""Keeps so many workers running: the first alone, then all, and again whichever ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from server.store.embedded import Restarts
from server.telemetry import Telemetry
from server.workers.link import Ready
from server.workers.worker import Worker

logger = logging.getLogger("carelobby.workers")


class NotBegun(Exception):
    """A worker ended before it was ready. If the code is not negative, it has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class GivenUp(Exception):
    """A worker ends again and again; the text says which, and where to look."""


class Keeper:
    """The workers of one service. `async with` it: all are ready then, and have ended afterwards."""

    def __init__(
        self,
        count: int,
        command: Sequence[str],
        *,
        data_dir: Path,
        environment: Mapping[str, str],
        restarts: Restarts | None = None,
    ) -> None:
        """`command`: the service's own, for a worker in a part of `data_dir` and with `environment`."""
        self._command = command
        self._data_dir = data_dir
        self._environment = environment
        self._restarts = restarts or Restarts()
        self._count = count
        self._workers: dict[int, Worker] = {}
        """The present run of each, by number."""
        self._runs: dict[int, asyncio.Task[int]] = {}
        """Its end: the exit code."""
        self._restarted = 0
        self._answers: set[asyncio.Task[None]] = set()
        self._own = Telemetry({"workers": self._figures}, worker="parent")

    async def __aenter__(self) -> Ready:
        """Start all; return what the first says when it is ready. Raise `NotBegun`."""
        try:
            # What a first start makes (schema, demo, keys in the store) is made once.
            await self._start(1)
            told = await self._ready(1)
            for number in range(2, self._count + 1):
                await self._start(number)
            for number in range(2, self._count + 1):
                await self._ready(number)
        except BaseException:
            await self._stop()
            raise
        return told

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def run(self, failed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start again whichever worker ends. Raise `GivenUp`, or what `failed` raises."""
        keeping = [asyncio.create_task(self._keep(number), name=f"keep worker {number}") for number in self._workers]
        if failed is not None:
            keeping.append(asyncio.ensure_future(failed()))
        try:
            over, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
            for task in over:
                task.result()
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def _keep(self, number: int) -> None:
        ends: deque[float] = deque()
        while True:
            code = await asyncio.shield(self._runs[number])
            ends.append(time.monotonic())
            while ends[0] < ends[-1] - self._restarts.within:
                ends.popleft()
            if len(ends) >= self._restarts.crashes:
                raise GivenUp(
                    f"Worker {number} ended {len(ends)} times within a minute, at last with code {code}: "
                    "what it said before is above."
                )
            pause = self._restarts.pause(len(ends))
            logger.error("worker %d ended with code %s; again in %.1f s", number, code, pause)
            await asyncio.sleep(pause)
            self._restarted += 1
            await self._start(number)

    async def _start(self, number: int) -> None:
        directory = self._data_dir / f"worker-{number}"
        command = [*self._command, "--data-dir", str(directory)]
        worker = await Worker.spawn(number, self._count, command, self._environment)
        self._workers[number] = worker
        self._runs[number] = asyncio.create_task(worker.run(self._ask), name=f"worker {number}")

    async def _ready(self, number: int) -> Ready:
        worker, run = self._workers[number], self._runs[number]
        told = await asyncio.shield(worker.ready)
        if told is None:
            raise NotBegun(await run)
        return told

    async def _stop(self) -> None:
        """Let all workers send everybody away at once: another host takes their visits, if there is one."""
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
        await asyncio.gather(*self._runs.values())

    # --- Figures

    def _figures(self) -> Mapping[str, float]:
        return {"wanted": self._count, "ready": sum(w.is_ready for w in self._workers.values())} | {
            "restarts_total": self._restarted
        }

    def _ask(self, worker: Worker, id: int) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(worker, id), name="figures")
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, worker: Worker, id: int) -> None:
        found = await asyncio.gather(*(each.figures() for each in self._workers.values()))
        worker.answer(id, [*(text for texts in found for text in texts), self._own.text().decode()])
