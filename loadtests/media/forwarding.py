"""What a forwarded packet costs: in visits of two, with sound alone, in a group, against floors and others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from loadtests.media import janus
from loadtests.media.camera import camera, microphone
from loadtests.media.process import Host, Missing
from loadtests.media.result import Row, Size
from loadtests.media.scenes import BOTH, SOUND, VIDEO, VOICE, Cost, Scene, floor, group, pairs
from loadtests.report import percentile

LATE: Final = 0.1
"""Seconds by which the generator may be late; packets that were held up come in bursts, which are cheaper."""
THREAD: Final = Path(__file__).parent / "floor.c"


async def one_to_one(size: Size, profile: str) -> list[Row]:
    """Visits of two, against the floors and Janus, which take turns."""
    clips = (VOICE, VIDEO)
    async with AsyncExitStack() as stack:
        systems: dict[str, Scene] = {"node": await pairs(stack, _node(), size.visits, BOTH, clips, profile)}
        missing: dict[str, str] = {}
        for name in ("plain", "direct"):
            host = Host.python("loadtests.media.floor", profile, name)
            systems[name] = await floor(stack, host, size.visits, clips, profile)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="floor")))
        try:
            thread = Host.c(THREAD, "srtp2", directory, profile)
            systems["thread"] = await floor(stack, thread, size.visits, clips, profile)
        except Missing as missed:
            missing["thread"] = str(missed)
        try:
            systems["janus"] = await janus.scene(stack, size.visits, BOTH, clips, profile)
        except Missing as missed:
            missing["janus"] = str(missed)
        costs = await _in_turn(systems, size)
        node = systems["node"]
        wrong = node.wrong
        delays = [delay for peer in node.peers for delay in peer.tally.delays]
    ours = _packets(costs["node"])
    others = {name: _packets(found) for name, found in costs.items()}
    core = [cost.core(2 * (VOICE.rate + VIDEO.rate)) for cost in costs["node"]]
    late = max(cost.late for cost in costs["node"])

    def against(name: str, what: str, goal: str = "") -> Row:
        if name not in others:
            return Row(what, None, "", goal=goal, note=f"not measured: {missing[name]}")
        ratios = tuple(mine / theirs for mine, theirs in zip(ours, others[name], strict=True))
        return Row(what, median(ours), "µs", median(others[name]), median(ratios), goal, "", ratios)

    return [
        against("plain", "packet, against the least loop in Python", "minimal_loop"),
        against("direct", "packet, against that loop in one buffer"),
        against("thread", "packet, against a thread in C", "c_thread"),
        against("janus", "packet, against Janus (echo)"),
        Row(
            f"a visit of {size.visits}, sound and picture",
            median(core),
            "% core",
            goal="visit_core",
            rounds=tuple(core),
        ),
        Row("  packets lost on the way", float(_lost(costs["node"])), "", note=f"{wrong} wrong"),
        Row("  the generator was late by, at worst", 1000 * late, "ms", note="far above 20 the machine is too busy"),
        Row("  on its way, p50", 1000 * percentile(delays, 0.5), "ms", note="with the generator's own waiting"),
        Row("  on its way, p99", 1000 * percentile(delays, 0.99), "ms"),
    ]


async def sound(size: Size, profile: str) -> list[Row]:
    """Visits with sound alone."""
    async with AsyncExitStack() as stack:
        scene = await pairs(stack, _node(), size.audio_visits, SOUND, (VOICE,), profile)
        costs = (await _in_turn({"node": scene}, size))["node"]
    core = tuple(cost.core(2 * VOICE.rate) for cost in costs)
    return [
        Row(f"a visit of {size.audio_visits}, sound alone", median(core), "% core", goal="audio_core", rounds=core),
        Row("  a packet of it", median(_packets(costs)), "µs", note=f"{_lost(costs)} lost"),
    ]


async def twelve(size: Size, profile: str) -> list[Row]:
    """One group, everybody to everybody."""
    async with AsyncExitStack() as stack:
        scene = await group(stack, _node(), size.group, (VOICE, VIDEO), profile)
        costs = (await _in_turn({"node": scene}, size))["node"]
    outs = tuple(cost.packet_out for cost in costs)
    rate = median(cost.received / cost.seconds for cost in costs)
    note = f"{rate / 1000:.1f} thousand packets/s out, {_lost(costs, size.group - 1)} lost"
    return [
        Row(f"group of {size.group}, a packet out", median(outs), "µs", goal="group_packet", note=note, rounds=outs)
    ]


async def relay(size: Size, profile: str) -> list[Row]:
    """One visit, decoded and encoded, against one of many that are forwarded; they take turns."""
    clips = (microphone(), camera())
    long = replace(size, seconds=size.relay_seconds, warm=min(3.0, size.relay_seconds))
    async with AsyncExitStack() as stack:
        decoding = await pairs(stack, Host.python("loadtests.media.hosts", "relay"), 1, BOTH, clips, profile)
        forwarding = await pairs(stack, _node(), size.visits, BOTH, (VOICE, VIDEO), profile)
        turns = [(await _undisturbed(decoding, long), await _undisturbed(forwarding, size)) for _ in range(size.rounds)]
        received = decoding.peers[0].tally.packets
    theirs = [dear.core(2 * (clips[0].rate + clips[1].rate)) for dear, _ in turns]
    mine = [cheap.core(2 * (VOICE.rate + VIDEO.rate)) for _, cheap in turns]
    ratios = tuple(dear / cheap for dear, cheap in zip(theirs, mine, strict=True))
    note = f"MediaRelay at {clips[1].bits / 1e6:.2f} Mbit/s of 720 lines in; {received} packets came back"
    name = "a visit, against MediaRelay"
    return [Row(name, median(mine), "% core", median(theirs), median(ratios), "media_relay", note, ratios)]


def _node() -> Host:
    return Host.python("loadtests.media.hosts", "node")


async def _undisturbed(scene: Scene, size: Size) -> Cost:
    """Measure, and again while something else kept the generator from its pace; return the best of them."""
    tried: list[Cost] = []
    while not tried or (tried[-1].late > LATE and len(tried) < size.tries):
        tried.append(await scene.measure(size.seconds, size.warm))
    return min(tried, key=lambda cost: cost.late)


async def _in_turn(systems: dict[str, Scene], size: Size) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in systems}
    for _ in range(size.rounds):
        for name, scene in systems.items():
            costs[name].append(await _undisturbed(scene, size))
    return costs


def _lost(costs: Sequence[Cost], copies: int = 1) -> int:
    """Return how many packets did not come, each sent to so many."""
    return sum(copies * cost.sent - cost.received for cost in costs)


def _packets(costs: Sequence[Cost]) -> list[float]:
    return [cost.packet for cost in costs]
