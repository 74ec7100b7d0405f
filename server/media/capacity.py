"""How many more visits' media this process may take: by what the operator allows, and by what it is seen to bear.

One that is busy takes none, so that those it carries stay as they are. Busy is whoever spends most of a core, or
answers late most of the time; and until both are clearly over it stays busy, lest it takes one visit and is full again.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW: Final = 5.0
"""Seconds that are looked back on."""
STEP: Final = 0.25
"""Seconds between two looks, at least."""
BUSY_SHARE, CALM_SHARE = 0.85, 0.70
"""Of a core. One event loop has no more than one, and waits of its own beside."""
BUSY_LAG, CALM_LAG = 0.05, 0.02
"""Seconds that the loop is late, half of the time: a browser's jitter buffer holds two or three times that."""


class Capacity:
    """What one process bears. It looks when it is asked; all nodes ask themselves at each pulse."""

    def __init__(
        self,
        most: int,
        *,
        connected: Callable[[], int],
        lags: Callable[[], list[float]],
        cpu: Callable[[], float] = time.process_time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most`: visits. `connected`: how many peers' packets pass here; without any, nobody is harmed.

        `lags`: how late the loop was, in seconds, at the looks of the last `WINDOW`. `cpu`, `steady`: seconds.
        """
        self._most = most
        self._connected = connected
        self._lags = lags
        self._cpu = cpu
        self._steady = steady
        self._looks: deque[tuple[float, float]] = deque()
        """(time, CPU time) of the last `WINDOW`."""
        self.busy = False

    def free(self, visits: int) -> int:
        """Return how many more visits this process takes, when it has as many."""
        self._look()
        return 0 if self.busy and self._connected() else max(0, self._most - visits)

    def _look(self) -> None:
        now = self._steady()
        if self._looks and now - self._looks[-1][0] < STEP:
            return
        self._looks.append((now, self._cpu()))
        while len(self._looks) > 2 and self._looks[1][0] <= now - WINDOW:
            self._looks.popleft()
        begun, spent = self._looks[0]
        if now - begun < WINDOW / 2:
            return  # a moment of much work says nothing: a start, or a burst
        share, lag = (self._looks[-1][1] - spent) / (now - begun), statistics.median(self._lags() or [0.0])
        if self.busy:
            self.busy = share > CALM_SHARE or lag > CALM_LAG
        else:
            self.busy = share > BUSY_SHARE or lag > BUSY_LAG
