"""Peers with the server alone: warm ones, which wait for their visit, and the echoes of device checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from server.media import answering, echo, ice
from server.media.contract import Answer
from server.media.peer import Peer
from server.media.pool import CHECK, WARM, Pool
from signaling.errors import StaleRound, TooMany


class Alone:
    """All peers of this node that belong to no visit."""

    def __init__(
        self,
        *,
        make: Callable[[], Peer],
        drop: Callable[[Peer], None],
        left: Callable[[str, str, str], None],
        wake: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        """`make` returns a new peer and `drop` closes one; `wake`: there is something to look after.

        `left` hears (room, participant, peer) of each that is here no more, whatever became of it. `now`: seconds.
        """
        self._wake = wake
        self._now = now
        self._drop = drop
        self.warm = Pool(WARM, make=make, drop=self._dropped, left=left)
        self.checks = Pool(CHECK, make=make, drop=self._dropped, left=left, changed=self._echo)
        self._held = 0

    def __iter__(self) -> Iterator[Peer]:
        yield from self.warm
        yield from self.checks

    def __bool__(self) -> bool:
        return bool(self.warm or self.checks)

    @property
    def packets_held(self) -> int:
        """How many packets came to peers that wait: nobody heard them."""
        return self._held + sum(peer.heard.packets for peer in self.warm)

    async def offer(
        self, *, purpose: Literal["warm", "check"], room: str, participant: str, peer: str, round: int, sdp: str
    ) -> Answer:
        """Answer an offer. Raise `BadSdp`, `StaleRound` or `TooMany`, and nothing else whatever the offer says.

        `warm`: the peer waits, unheard, for the offer that makes it a visit's. `check`: for a while it hears itself.
        """
        offered = answering.read(sdp)
        pool, key = self.warm if purpose == "warm" else self.checks, (room, participant, peer)
        this = pool.offered(key, self._now())
        this.expect(round)
        self._wake()

        def forget() -> None:
            if not this.lines and pool.get(key) is this:
                pool.close(key)

        hold = purpose == "warm"
        text = await answering.answer(this, round, offered, now=self._now, forget=forget, hold=hold)
        if not hold:
            self._echo(this)
        return Answer(text, ())

    async def candidates(self, *, room: str, participant: str, peer: str, candidates: Sequence[Any]) -> None:
        """Add a browser's candidates to its peer, if there is one. Raise `TooMany`."""
        key = (room, participant, peer)
        this = self.warm.get(key) or self.checks.get(key)
        if this is not None and not all([await this.add(line) for line in ice.read(candidates)]):
            raise TooMany

    def adopted(self, room: str, participant: str, peer: str, round: int) -> Peer | None:
        """Return a peer that waited, for the visit that it is in from now on; None: there is none. `StaleRound`."""
        key = (room, participant, peer)
        this = self.warm.get(key)
        if this is None:
            return None
        if round <= this.round:
            raise StaleRound
        self.warm.take(key)
        self._held += this.heard.packets
        # Connected it was all the while, but to nobody: no minute begins before they are in.
        this.heard.since = None if this.heard.since is None else self._now()
        return this

    def has(self, room: str, participant: str, peer: str) -> bool:
        """Tell whether a peer is here."""
        return any(pool.get((room, participant, peer)) is not None for pool in (self.warm, self.checks))

    def stop(self, room: str, participant: str, peer: str) -> None:
        """Close a peer, if it is here."""
        for pool in (self.warm, self.checks):
            pool.close((room, participant, peer))

    def stop_all(self) -> None:
        """Close them all."""
        for pool in (self.warm, self.checks):
            pool.close_all()

    def look_after(self, now: float, *, connect_within: float) -> None:
        """Close those whose time is over, or that did not connect within so many seconds."""
        for pool in (self.warm, self.checks):
            pool.look_after(now, connect_within=connect_within)
        for peer in self:
            peer.look_after(now)

    def _dropped(self, this: Peer) -> None:
        self._held += this.heard.packets if this.held else 0
        self._drop(this)

    def _echo(self, this: Peer) -> None:
        echo.close_loop(this, self._now())
