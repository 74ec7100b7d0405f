"""Visits, groups and floors under load: who calls whom, on what, and what it cost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple, Protocol

from loadtests.media.caller import LOOK_EVERY, Caller
from loadtests.media.chatter import Chatter
from loadtests.media.pace import Pacer
from loadtests.media.plain import HOST, PROFILES, Endpoint
from loadtests.media.process import Host
from loadtests.media.tally import Tally
from loadtests.media.traffic import Clip, video, voice

VOICE, VIDEO = voice(), video()
SOUND: Final = (("audio", "sendrecv"),)
BOTH: Final = (("audio", "sendrecv"), ("video", "sendrecv"))
PATIENCE: Final = 30.0
LAST_ONES: Final = 0.2
"""Seconds that the last packets have to arrive in."""


class Counted(Protocol):
    """Whoever counts what it gets."""

    @property
    def tally(self) -> Tally:
        """What arrived."""


class Cost(NamedTuple):
    """What a stretch of traffic cost its forwarder."""

    seconds: float
    cpu: float
    sent: int
    received: int
    late: float
    """By how many seconds the generator was late at worst."""

    @property
    def packet(self) -> float:
        """µs of CPU for each packet that was sent to it."""
        return 1e6 * self.cpu / self.sent

    @property
    def packet_out(self) -> float:
        """µs of CPU for each packet that came from it."""
        return 1e6 * self.cpu / self.received

    def core(self, rate: float) -> float:
        """Share of a core, in per cent, for `rate` packets a second sent to it: also where fewer could be sent."""
        return self.packet * rate / 1e4


async def until(true: Callable[[], bool], what: str) -> None:
    """Return as soon as something is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.002)


class Scene:
    """One forwarder with its peers, ready for traffic."""

    def __init__(self, host: Host, usage: Callable[[], Awaitable[dict[str, float]]] | None = None) -> None:
        """`usage`: who is asked instead of the host, if it is not one of ours."""
        self.host = host
        self.usage = usage or host.usage
        self.pacer = Pacer()
        self.peers: list[Counted] = []
        self.chance = random.Random(1)

    async def measure(self, seconds: float, warm: float) -> Cost:
        """Send for `warm` seconds, then for `seconds` that count."""
        await self.pacer.run(warm)
        await asyncio.sleep(LAST_ONES)
        before, had, began = await self.usage(), self._received(), time.perf_counter()
        self.pacer.latest = 0.0
        sent = await self.pacer.run(seconds)
        spent = time.perf_counter() - began
        await asyncio.sleep(LAST_ONES)
        after = await self.usage()
        return Cost(spent, after["cpu"] - before["cpu"], sent, self._received() - had, self.pacer.latest)

    def _received(self) -> int:
        return sum(peer.tally.packets for peer in self.peers)

    @property
    def lost(self) -> int:
        """Packets that were sent, and never came."""
        return sum(peer.tally.lost for peer in self.peers)

    @property
    def wrong(self) -> int:
        """Packets that came, and were not what was sent."""
        return sum(peer.tally.wrong for peer in self.peers)

    def send(self, caller: Caller, clips: Sequence[Clip]) -> None:
        """Let a caller send on its first lines."""
        self.peers.append(caller)
        streams = [caller.stream(line, clip, self.chance) for line, clip in enumerate(clips)]
        for stream in streams:
            self.pacer.add(stream, caller.send)
        self.pacer.add(Chatter(caller.tally, streams, self.chance), caller.send_rtcp)


class Calling(NamedTuple):
    """A caller, and how long it took from its offer until it was connected (s)."""

    caller: Caller
    begun: float

    @property
    def took(self) -> float:
        """Seconds from the offer until connected."""
        assert self.caller.connected_at is not None
        return self.caller.connected_at - self.begun


async def call(
    host: Host, visit: str, participant: str, lines: Sequence[tuple[str, str]], profile: str | None = None
) -> Calling:
    """Return a peer that is connected."""
    caller = Caller(lines, profile=PROFILES[profile].openssl if profile else None)
    offer = await caller.offer()
    begun = time.perf_counter()
    answer = await host.do("offer", visit=visit, participant=participant, sdp=offer)
    await caller.accept(str(answer["said"]))
    await until(lambda: caller.connected, "connected")
    return Calling(caller, begun)


async def pairs(
    stack: AsyncExitStack, host: Host, count: int, lines: Sequence[tuple[str, str]], clips: Sequence[Clip], profile: str
) -> Scene:
    """Return 1:1 visits on a host that answers offers."""
    scene = Scene(await stack.enter_async_context(host))

    async def visit(number: int) -> list[Calling]:
        return [await call(host, f"v{number}", who, lines, profile) for who in ("client", "provider")]

    await _people(stack, scene, [visit(number) for number in range(count)], clips)
    return scene


async def group(stack: AsyncExitStack, host: Host, size: int, clips: Sequence[Clip], profile: str) -> Scene:
    """Return one group, everybody forwarded to everybody."""
    scene = Scene(await stack.enter_async_context(host))
    more = tuple((kind, "recvonly") for kind, _ in BOTH)
    lines = (*BOTH, *(more * (size - 2)))

    async def one(number: int) -> list[Calling]:
        return [await call(host, "group", f"p{number}", lines, profile)]

    await _people(stack, scene, [one(number) for number in range(size)], clips)
    return scene


async def _people(
    stack: AsyncExitStack, scene: Scene, coming: Sequence[Awaitable[list[Calling]]], clips: Sequence[Clip]
) -> None:
    places = asyncio.Semaphore(4)

    async def in_turn(calls: Awaitable[list[Calling]]) -> None:
        async with places:
            for calling in await calls:
                stack.push_async_callback(calling.caller.close)
                scene.send(calling.caller, clips)

    await asyncio.gather(*(in_turn(calls) for calls in coming))


async def floor(stack: AsyncExitStack, host: Host, count: int, clips: Sequence[Clip], profile: str) -> Scene:
    """Return pairs of sockets on a floor: what 1:1 visits are to a node."""
    scene = Scene(await stack.enter_async_context(host))
    for _ in range(count):
        ends = [Endpoint(PROFILES[profile], LOOK_EVERY) for _ in range(2)]
        said: dict[str, Any] = await host.ask("pair " + " ".join([await end.open() for end in ends]))
        for end, port in zip(ends, said["ports"], strict=True):
            end.address = HOST, port
            stack.callback(end.close)
            scene.peers.append(end)
            for clip in clips:
                scene.pacer.add(end.stream(clip, scene.chance), end.send)
    return scene
