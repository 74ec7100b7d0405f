"""An offer is read and answered, or refused: whatever a description holds, nothing else is raised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from server.media import offer
from server.media.peer import Peer
from signaling.errors import BadSdp, SignalingError, StaleRound

logger = logging.getLogger(__name__)


def read(sdp: str) -> offer.Offer:
    """Read an offer. Raise `BadSdp`."""
    try:
        return offer.read(sdp)
    except SignalingError:
        raise
    except Exception as error:  # noqa: BLE001 - nothing in a description may raise anything else
        raise BadSdp(type(error).__name__) from None


async def answer(
    this: Peer,
    round: int,
    offered: offer.Offer,
    *,
    now: Callable[[], float],
    forget: Callable[[], None],
    early: Callable[[], Iterable[str]] = tuple,
    hold: bool = False,
) -> str:
    """Return the answer's text to a round that `this` expects. Raise `BadSdp` or `StaleRound`, having called `forget`.

    `early`: the candidates that came before, asked for once they can be used. `hold`: as `Peer.answer` has it.
    """
    async with this.lock:
        this.insist(round)
        this.since = now()
        try:
            text = await this.answer(offered, hold=hold)
        except SignalingError:
            forget()
            raise
        except Exception as error:  # noqa: BLE001 - nothing in a description may raise anything else
            stale = this.gone or round != this.round
            forget()
            logger.info("%s could not be answered: %s", this.name, type(error).__name__)
            raise (StaleRound() if stale else BadSdp(type(error).__name__)) from None
        for candidate in early():
            await this.add(candidate)
    this.insist(round)
    return text
