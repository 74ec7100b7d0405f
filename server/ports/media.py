"""The media plane, as the shell speaks to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from signaling.events import MediaKind


class Track(Protocol):
    """Which line of an answer carries whom."""

    @property
    def mid(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def source(self) -> str: ...


class Answer(Protocol):
    """The server's session description."""

    @property
    def sdp(self) -> str: ...
    @property
    def tracks(self) -> Sequence[Track]: ...


class MediaFact(Protocol):
    """A participant's transport or video came or went, or is in doubt, or pictures are withheld: at `at` ms."""

    @property
    def visit(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def kind(self) -> MediaKind: ...
    @property
    def at(self) -> int: ...


class Renegotiate(Protocol):
    """A peer must offer again, to have lines to receive on."""

    @property
    def visit(self) -> str: ...
    @property
    def participant(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def receive_audio(self) -> int: ...
    @property
    def receive_video(self) -> int: ...
    @property
    def reason(self) -> str: ...


class MediaAlone(Protocol):
    """Peers of this node that belong to no visit: nothing that they send is heard by anybody else."""

    async def offer(
        self, *, purpose: Literal["warm", "check"], room: str, participant: str, peer: str, round: int, sdp: str
    ) -> Answer:
        """Answer an offer; `warm` waits for its visit, `check` is an echo. Raise as `Media.offer` does."""
        ...

    async def candidates(
        self, *, room: str, participant: str, peer: str, candidates: Sequence[dict[str, Any]]
    ) -> None: ...

    def has(self, room: str, participant: str, peer: str) -> bool:
        """Tell whether a peer is here, and still alone."""
        ...

    def stop(self, room: str, participant: str, peer: str) -> None:
        """Close a peer, if it is here."""
        ...


class Media(Protocol):
    """The media plane of this node: the browser offers, it answers, packets are forwarded."""

    @property
    def alone(self) -> MediaAlone: ...

    async def offer(
        self,
        *,
        visit: str,
        participant: str,
        peer: str,
        round: int,
        sdp: str,
        audio_only: bool,
        others: Sequence[str] = (),
        leads: Sequence[str] = (),
        room: str = "",
        warm: bool = False,
        since: int | None = None,
    ) -> Answer:
        """Answer an offer. Raise `BadSdp`, `StaleRound` or `TooMany`, and nothing else.

        `others`: who else is expected; if it is one, the answer's tracks name them before they have come.
        `leads`: the visit's providers, whose pictures come before those of the others.
        `warm`: the browser connected this peer beforehand, in `room`; raise `NotFound` if it is not here.
        `since`: when its participant was let in (ms); what a warm peer sent since then counts.
        """
        ...

    async def candidates(
        self, *, visit: str, participant: str, peer: str, round: int, candidates: Sequence[dict[str, Any]]
    ) -> None: ...

    def set_mode(self, *, visit: str, participant: str, audio_only: bool) -> None: ...

    def has_company(self, visit: str, participant: str) -> bool:
        """Tell whether anybody else's media of the visit are here now."""
        ...

    def stop(self, visit: str, participant: str | None = None) -> None:
        """Stop at once: when this returns, not one packet more is forwarded from or to them."""
        ...
