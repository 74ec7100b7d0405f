"""How long a call to Redis tries: until there is an answer, time is over, or trying could do something twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from server.ports import StoreAway
from server.redis_link.faults import NOT_NOW, Lost, StoreFault

ATTEMPT: Final = 0.6
"""Seconds a server may be silent while we wait for it."""
TOTAL: Final = 2.0
"""Seconds after which every call has ended, with an answer or with `StoreAway`."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.4

T = TypeVar("T")


async def insist(
    attempt: Callable[[], Awaitable[T]],
    *,
    repeat: bool,
    total: float,
    closed: Callable[[], bool],
    moved: Callable[[], Awaitable[None]],
    timed: bool = True,
) -> T:
    """Return what `attempt` returns, trying it again after `Lost` and after what may pass.

    `repeat`: doing it twice does no harm; otherwise it is tried again only if it surely was not done. `closed`: there
    is no sense in going on. `moved`: called when the server says that it is no longer the primary. `timed=False`: the
    first attempt ends by itself in less than `total` seconds. Raise `StoreAway`, or `StoreFault` for an error reply.
    """
    loop = asyncio.get_running_loop()
    give_up, pause = loop.time() + total, FIRST_PAUSE
    while True:
        try:
            if not timed:
                return await attempt()
            async with asyncio.timeout_at(give_up):
                return await attempt()
        except Lost as lost:
            if lost.sent and not repeat:
                raise StoreAway from None
        except StoreFault as error:
            if error.code not in NOT_NOW:
                raise
            if error.code == "READONLY":
                await moved()
        except TimeoutError:
            raise StoreAway from None
        timed = True
        if closed() or loop.time() + pause >= give_up:
            raise StoreAway
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
