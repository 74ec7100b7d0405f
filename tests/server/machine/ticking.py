"""An event loop whose time is given: it runs what is ready, never waits, and does the same each time."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

BUSY = 200_000
"""So many callbacks in one go are a loop that never comes to rest."""


class Ticking(asyncio.AbstractEventLoop):
    """Runs callbacks in the order in which they became ready; timers fire when `pass_to` reaches them."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._now = 0.0
        self._count = 0
        self.failures: list[BaseException] = []
        """What no task took care of."""

    # --- what the machine does with it

    def settle(self) -> None:
        """Run until nothing is ready."""
        ready, left = self._ready, BUSY
        asyncio._set_running_loop(self)
        try:
            while ready:
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
                left -= 1
                assert left, "the loop comes to rest"
        finally:
            asyncio._set_running_loop(None)

    def pass_to(self, when: float) -> None:
        """Let time pass until `when`, in seconds; each timer fires at its own moment."""
        while self._timers and self._timers[0][0] <= when:
            at, _, timer = heapq.heappop(self._timers)
            if not timer._cancelled:
                self._now = max(self._now, at)
                self._ready.append(timer)
                self.settle()
        self._now = max(self._now, when)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin `work`."""
        return asyncio.Task(work, loop=self)

    def call(self, work: Callable[..., Any], *args: Any) -> Any:
        """Call what asks for the running loop."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            return work(*args)
        finally:
            asyncio._set_running_loop(before)

    # --- what asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left where it is, and passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.failures.append(error)
