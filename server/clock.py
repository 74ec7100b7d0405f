"""The store's time as this node estimates it. The machine's wall clock decides nothing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

RESYNC_SECONDS = 10.0
EXACT = 0.5
"""Seconds: an answer that took longer says too little of when it was given."""


class StoreClock:
    """Milliseconds of the store's clock: its `TIME` plus what this machine's monotonic clock has counted since."""

    def __init__(self, ask: Callable[[], Awaitable[int]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._offset = 0.0
        self._last = 0
        self._synced = False

    async def sync(self) -> None:
        """Ask the store for its time. The answer is taken to be from the middle of the round trip.

        One that was long under way is no better than what is known, if anything is.
        """
        before = self._monotonic()
        told = await self._ask()
        after = self._monotonic()
        if self._synced and after - before > EXACT:
            return
        self._synced = True
        self._offset = told - 1000 * (before + after) / 2

    def __call__(self) -> int:
        """Return the present time in ms; it never goes back."""
        self._last = max(self._last, int(1000 * self._monotonic() + self._offset))
        return self._last
