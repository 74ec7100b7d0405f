"""A media node with what it tells and asks, on each of the two event loops where that matters."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import settings

from server.media.check import Probe
from server.media.node import Answer, MediaFact, MediaNode, Renegotiate

# Machines that run tests are slow at times, and that is no fault.
settings.register_profile("media", deadline=None)
settings.load_profile("media")


@dataclass
class Stage:
    """A node, what it says, and the peers that were made for it."""

    facts: list[MediaFact] = field(default_factory=list)
    wishes: list[Renegotiate] = field(default_factory=list)
    left: list[tuple[str, str, str]] = field(default_factory=list)
    """(room, participant, peer) of those that are no longer alone with the node."""
    probes: list[Probe] = field(default_factory=list)
    rounds: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.passed = 0.0
        self.node = MediaNode(
            clock=lambda: round(self.now() * 1000),
            monotonic=self.now,
            fact=self.facts.append,
            ask=self.wishes.append,
            left=lambda *key: self.left.append(key),
            interval=0.05,
            loopback=True,
        )

    def now(self) -> float:
        """The time, in seconds."""
        return time.monotonic() + self.passed

    def later(self, seconds: float) -> None:
        """Let so much time pass at once, as far as the node can see."""
        self.passed += seconds

    def probe(self, *kinds: str) -> Probe:
        """Return a peer that will be closed at the end."""
        probe = Probe(kinds or ("audio", "video"))
        self.probes.append(probe)
        return probe

    async def negotiate(
        self,
        who: str,
        probe: Probe,
        *,
        peer: str = "peer",
        audio_only: bool = False,
        others: tuple[str, ...] = (),
        room: str = "",
        warm: bool = False,
        since: int | None = None,
    ) -> Answer:
        """Make an offer in the next round and take its answer."""
        number = self.rounds[who, peer] = self.rounds.get((who, peer), 0) + 1
        answer = await self.node.offer(
            visit="visit",
            participant=who,
            peer=peer,
            round=number,
            sdp=await probe.offer(),
            audio_only=audio_only,
            others=others,
            room=room,
            warm=warm,
            since=since,
        )
        await probe.accept(answer.sdp)
        return answer

    async def enter(self, who: str, *kinds: str, peer: str = "peer", audio_only: bool = False) -> Probe:
        """Return a peer of that participant, negotiated."""
        probe = self.probe(*kinds)
        await self.negotiate(who, probe, peer=peer, audio_only=audio_only)
        return probe


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Everything is closed afterwards."""
    stage = Stage()
    yield stage
    for probe in stage.probes:
        await probe.close()
    await stage.node.close()
