"""Ending tasks for sure: a cancellation can be lost, and whoever asks once and then waits would wait for ever.

`asyncio.wait_for` of Python 3.11 drops one that comes in the very moment in which that for which it waits is done, and
each command of redis-py goes through it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN: Final = 0.2
"""Seconds until a task that did not end is cancelled once more."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended. What they raise is not raised here."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # so that nobody is told that it was never looked at
