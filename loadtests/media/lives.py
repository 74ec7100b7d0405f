"""What a peer costs before and after its media: to connect, and what is left of it when it is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from loadtests.media.process import Host
from loadtests.media.result import Row, Size
from loadtests.media.scenes import BOTH, PATIENCE, SOUND, VIDEO, VOICE, Calling, Scene, call
from loadtests.report import percentile

WAYS: Final = ((1, BOTH, "one by one"), (8, BOTH, "8 at once"), (1, SOUND, "one by one, sound alone"))
"""How many at once, what they offer, and how that is called."""


async def negotiation(size: Size, profile: str) -> list[Row]:
    """Peers that connect: one by one, and eight at once."""
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Host.python("loadtests.media.hosts", "node"))
        await _connect(host, 4, 1, BOTH, profile, "first")
        for at_once, lines, what in WAYS:
            await _at_rest(host)
            before = (await host.usage())["cpu"]
            took = await _connect(host, size.peers, at_once, lines, profile, what)
            spent = 1000 * ((await host.usage())["cpu"] - before) / size.peers
            goals = ("negotiation", "connected_p95") if what == "one by one" else ("", "")
            rows += [
                Row(f"a peer, {what}: CPU", spent, "ms", goal=goals[0]),
                Row("  offer → connected, p50", 1000 * percentile(took, 0.5), "ms"),
                Row("  offer → connected, p95", 1000 * percentile(took, 0.95), "ms", goal=goals[1]),
            ]
    return rows


async def _connect(
    host: Host, count: int, at_once: int, lines: Sequence[tuple[str, str]], profile: str, name: str
) -> list[float]:
    """Connect so many peers and close them; return how long each took. Closing is not waited for by anybody."""
    took: list[float] = []
    numbers = iter(range(count))
    callers: list[Calling] = []

    async def some() -> None:
        for number in numbers:
            calling = await call(host, f"{name}{number}", "one", lines, profile)
            callers.append(calling)
            took.append(calling.took)

    await asyncio.gather(*(some() for _ in range(at_once)))
    for calling in callers:
        await calling.caller.close()
    return took


async def leaks(size: Size, profile: str) -> list[Row]:
    """Short visits, one after the other and eight at once, and what is left of them."""
    count = size.short_visits
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Host.python("loadtests.media.hosts", "node"))
        await _short_visits(host, max(8, count // 10), profile, "warm")
        before = await _at_rest(host)
        await _short_visits(host, count // 2, profile, "a")
        between = await _at_rest(host)
        await _short_visits(host, count - count // 2, profile, "b")
        after = await _at_rest(host)
    left = {name: after[name] - before[name] for name in ("threads", "descriptors", "tasks", "peers")}
    grown = (after["memory"] - between["memory"]) / 2**20
    note = ", ".join(f"{name} {number:+.0f}" for name, number in left.items())
    return [
        Row(f"left of {count} short visits", sum(map(abs, left.values())), "", goal="leaks", note=note),
        Row("  memory, second half", grown, "MiB", goal="memory_growth",
            note=f"{(after['memory'] - before['memory']) / 2**20:+.1f} MiB in all, of {before['memory'] / 2**20:.0f}"),
    ]  # fmt: skip


async def _short_visits(host: Host, count: int, profile: str, name: str) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            async with AsyncExitStack() as stack:
                visit = f"{name}{number}"
                scene = Scene(host)
                for who in ("client", "provider"):
                    calling = await call(host, visit, who, BOTH, profile)
                    stack.push_async_callback(calling.caller.close)
                    scene.send(calling.caller, (VOICE, VIDEO))
                await _forwarded(scene)
                await host.do("stop", visit=visit)

    await asyncio.gather(*(some() for _ in range(8)))


async def _forwarded(scene: Scene) -> None:
    """Send until everybody has got something: the node may open its gates a moment after a peer is connected."""
    end = time.monotonic() + PATIENCE
    while not all(peer.tally.packets for peer in scene.peers):
        if time.monotonic() > end:
            raise TimeoutError("forwarded")
        await scene.pacer.run(0.05)


async def _at_rest(host: Host) -> dict[str, float]:
    """Return what is used once nothing goes on."""
    used = await host.usage()
    for _ in range(300):
        before, used = used, await host.usage()
        if not used["peers"] and used["tasks"] == before["tasks"] and used["descriptors"] == before["descriptors"]:
            await asyncio.sleep(0.5)
            return await host.usage()
        await asyncio.sleep(0.1)
    return used
