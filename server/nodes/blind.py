"""A node that the store does not answer for long: those it can do nothing for are sent away, for another may be well.

While it is blind a node admits nobody and tells nobody anything. If it is the only one, others bury it, and whoever
waits here waits for nobody: their room takes them for gone. Whether it is the only one no node can know, but a browser
that connects anew finds out. If no node is better, it tells people that the line is lost, which is the truth.

Whoever is in a session stays as long as this node serves them, since media need no store, and End none either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from signaling.modality import admitted
from signaling.state import Room, Who

logger = logging.getLogger("carelobby.blind")

SENT_AWAY_AFTER: Final = 25.0
"""Seconds without the store. A failover takes up to 20, and nobody is to be sent about for one; whoever drops keeps
their place for minutes."""
LOOK_EVERY: Final = 1.0


def is_served(room: Room | None, who: Who, *, serves: Callable[[str, str], bool | None], unsure: bool) -> bool:
    """Tell whether a node that is blind is of use to somebody: they are in a session, and it goes on here.

    `room` is what this node last saw. `serves(visit, participant)`: whether they have company here; None if another
    node forwards the visit's media. `unsure`: they asked for what nobody could tell them.
    """
    visit = admitted(room, who) if room is not None else None
    if visit is None:
        return False
    served = serves(visit.id, who.participant)
    # How it is where another node forwards cannot be seen here; but who asks for more than media is better off there.
    return not unsure if served is None else served


async def watch(*, away_for: Callable[[], float], send_away: Callable[[], int]) -> None:
    """Look for how long this node is blind, until cancelled.

    `away_for`: how many seconds the store has not answered. `send_away` returns how many were sent.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY)
        look(away_for(), send_away)


def look(away: float, send_away: Callable[[], int]) -> None:
    """Send away whom this node can do nothing for, if it has been blind for long."""
    if away >= SENT_AWAY_AFTER and (sent := send_away()):
        logger.warning("the store has not answered for %.0f s: %d connections are sent away", away, sent)
