"""What runs ends, also where a cancellation is lost on the way."""

from __future__ import annotations

import asyncio

from server import tasks
from server.running import running


async def loses_the_first() -> None:
    """As a task does that is just at the end of a `wait_for`."""
    for _ in range(2):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def fails() -> None:
    raise ValueError


async def test_a_task_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    deaf, ready = asyncio.create_task(loses_the_first()), asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await tasks.end(deaf, ready)

    assert deaf.done()
    assert ready.cancelled()


async def test_what_failed_before_is_neither_raised_nor_left_unseen() -> None:
    failed = asyncio.create_task(fails())
    await asyncio.sleep(0)

    await tasks.end(failed)

    assert isinstance(failed.exception(), ValueError)


async def test_what_runs_beside_the_rest_ends_with_it() -> None:
    async with asyncio.timeout(5), running(loses_the_first(), "deaf"):
        await asyncio.sleep(0)
