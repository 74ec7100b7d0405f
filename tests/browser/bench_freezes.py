"""`python3 run.py bench freezes`: sessions of two browsers on networks that lose packets, and their frozen pictures.

`--seconds 30 --loss 0 2 5`, percent each way between one of them and the server. A picture is frozen, as browsers count
it, when the next frame is late by more than two frames' time and by more than 150 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Browser, Playwright, async_playwright

from tests.browser.conftest import open_chromium, open_firefox
from tests.browser.people import Person, in_session
from tests.browser.weather import Weather
from tests.stories.service import Service

PAIRS = (("chromium", "chromium"), ("chromium", "firefox"), ("firefox", "chromium"), ("firefox", "firefox"))

WIDTHS = (8, 8, 8, 9, 9)

WATCH = """async () => {
  const sum = {decoded: 0, freezes: 0, resent: 0, repaired: 0, estimate: 0};
  for (const peer of window.carelobby.peers()) {
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "video") {
        sum.decoded += report.framesDecoded ?? 0;
        sum.freezes += report.freezeCount ?? 0;
      }
      if (report.type === "inbound-rtp" && report.kind === "audio") sum.repaired += report.fecPacketsReceived ?? 0;
      if (report.type === "candidate-pair") sum.estimate = Math.max(sum.estimate, report.availableOutgoingBitrate ?? 0);
      if (report.type === "outbound-rtp") sum.resent += report.retransmittedPacketsSent ?? 0;
    }
  }
  return sum;
}"""


class Watched(NamedTuple):
    """What happened at one side in a while."""

    decoded: int
    """Frames."""
    freezes: int
    resent: int
    """Packets that this side sent once more."""
    repaired: int
    """Packets of sound that came with what repairs the one before."""
    estimate: int
    """Bits a second that this side thinks it may send, at the end; 0: the browser does not say."""


async def open_browser(playwright: Playwright, name: str) -> Browser:
    """Start one of the two browsers."""
    if name == "firefox":
        return await open_firefox(playwright, os.environ.get("FIREFOX", "/usr/bin/firefox-esr"))
    return await open_chromium(playwright, os.environ.get("CHROMIUM", "/usr/bin/chromium"))


async def watch(people: tuple[Person, ...], seconds: float) -> list[Watched]:
    """Let the session go on for so long, and return what happened at each side."""
    before = [await person.page.evaluate(WATCH) for person in people]
    await asyncio.sleep(seconds)
    after = [await person.page.evaluate(WATCH) for person in people]
    for was in before:
        was["estimate"] = 0
    return [Watched(**{name: now[name] - was[name] for name in now}) for was, now in zip(before, after, strict=True)]


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 if a picture froze."""
    parser = argparse.ArgumentParser(prog="run.py bench freezes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--loss", type=float, nargs="+", default=[0.0, 2.0, 5.0], metavar="PERCENT")
    asked = parser.parse_args(arguments)
    frozen = asyncio.run(measure(asked.seconds, asked.loss))
    print(f"{frozen} frozen; goal 0")
    return 1 if frozen else 0


async def measure(seconds: float, losses: Sequence[float]) -> int:
    """Print a line for each side of each pair on each network; return how many freezes there were."""
    frozen = 0
    print("client    provider   loss %   side       decoded freezes  resent repaired   kbit/s")
    async with async_playwright() as playwright:
        for pair in PAIRS:
            running = {name: await open_browser(playwright, name) for name in dict.fromkeys(pair)}
            for loss in losses:
                weather = Weather()
                with tempfile.TemporaryDirectory() as folder:
                    service = Service(Path(folder) / "var")
                    await service.start()
                    people = await in_session(running[pair[1]], service, clients=running[pair[0]], way=weather)
                    weather.up = weather.down = loss / 100
                    for side, seen in zip(("client", "provider"), await watch(people, seconds), strict=True):
                        frozen += seen.freezes
                        numbers = seen.decoded, seen.freezes, seen.resent, seen.repaired, round(seen.estimate / 1000)
                        figures = "".join(f"{number:>{width}}" for number, width in zip(numbers, WIDTHS, strict=True))
                        print(f"{pair[0]:10}{pair[1]:10}{loss:7}   {side:10}{figures}", flush=True)
                    for person in people:
                        await person.context.close()
                    await service.stop()
                weather.close()
            for browser in running.values():
                await browser.close()
    return frozen
