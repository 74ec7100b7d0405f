"""`python3 run.py bench group`: a group in real browsers, and who of them sees and hears whom.

`--clients 7` and their provider, each at a page of their own with a fake camera, in one Chromium. All but two clients
have muted their microphones before they were let in, as people in groups do. One leaves and comes back: nobody else's
pictures may stop for it. `--fps 5` of each camera: one computer encodes, decodes and mixes for everybody. When that
is too much for it, the service takes what it sees for weak networks and withholds pictures, and they are missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser

from tests.browser.conftest import browsing
from tests.browser.people import DESKTOP, PHONE, Client, Clinician, Person, book_group, end, leave
from tests.stories.service import Service

LINES: Final = """async () => {
  const lines = {};
  for (const peer of window.carelobby.peers())
    for (const report of (await peer.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      lines[`${report.kind} ${report.ssrc}`] = report.kind === "video" ? report.framesDecoded : report.packetsReceived;
    }
  return lines;
}"""
"""What came in so far on each line of this page: frames that were decoded, or packets of sound."""

SHOWN: Final = "() => document.querySelectorAll('call-tile:not(.no-picture)').length"

SPEAK: Final = 2
"""Clients who leave their microphones on."""
PATIENCE: Final = 60.0
"""Seconds until everybody must be shown everybody: one computer is at work for all of them."""
WINDOW: Final = 8.0
"""Seconds in which something comes on each line that is alive: a muted microphone sends a packet every 0.4 s."""


def main(arguments: list[str]) -> int:
    """Let the group meet, and print who sees and hears whom; return 1 if anybody misses anybody."""
    parser = argparse.ArgumentParser(prog="run.py bench group", description=__doc__)
    parser.add_argument("--clients", type=int, default=7)
    parser.add_argument("--fps", type=int, default=5)
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each page")
    asked = parser.parse_args(arguments)
    missed = asyncio.run(measure(asked.clients, asked.fps, asked.pictures))
    print(f"{missed} missed; goal 0")
    return 1 if missed else 0


async def measure(clients: int, fps: int, pictures: Path | None) -> int:
    """Return how much was missed: lines of sound or pictures, tiles, and pages without a complaint."""
    camera = f"--use-fake-device-for-media-stream=fps={fps}"
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "var")
        await service.start()
        try:
            async with browsing(os.environ["CHROMIUM"], camera) as browser:
                return await Meeting(browser, service, clients, pictures).hold()
        finally:
            await service.stop()


class Meeting:
    """A group that meets once."""

    def __init__(self, browser: Browser, service: Service, clients: int, pictures: Path | None) -> None:
        self.browser, self.service, self.pictures = browser, service, pictures
        self.size = clients
        self.missed = 0

    async def hold(self) -> int:
        """Come, see one another, let one go and come back, and end; return what was missed."""
        clinician, clients = await self._gather()
        people = [clinician, *clients]
        began = time.monotonic()
        start = f"Start Session ({self.size} of {self.size} ready)"
        await clinician.page.get_by_role("dialog").get_by_role("button", name=start).click()
        for person in people:
            await person.screen("session")
        await self._meet("Start", began, people)

        *_, goes = clients
        await leave(goes)
        await self._count("one has left", people[:-1], self.size - 1)
        began = time.monotonic()
        await goes.click("Rejoin Session")
        await goes.screen("session")
        await self._meet("Rejoin", began, people)

        await end(clinician)
        for client in clients:
            await client.screen("ended")
        wrong = Counter(complaint for person in people for complaint in person.wrong)
        for complaint, times in wrong.items():
            print(f"{times} pages said: {complaint}")
        return self.missed + wrong.total()

    async def _gather(self) -> tuple[Clinician, list[Client]]:
        doctor = self.service.told["providers"][0]
        clinician = await Clinician.at(self.browser, self.service.url, DESKTOP)
        await clinician.sign_in(**doctor["sign_in"])
        clients = []
        for number, link in enumerate(await book_group(self.service, doctor["id"], self.size)):
            client = await Client.at(self.browser, self.service.url, PHONE)
            await client.arrive(link)
            if number >= SPEAK:
                await client.click("Microphone")
            clients.append(client)
        for person in (clinician, *clients):
            person.page.set_default_timeout(PATIENCE * 1000)
        return clinician, clients

    async def _meet(self, since: str, began: float, people: Sequence[Person]) -> None:
        """Wait until everybody is shown everybody, then count what comes in; whom somebody is not shown is missed."""
        while True:
            shown = [int(await person.page.evaluate(SHOWN)) for person in people]
            took = time.monotonic() - began
            if min(shown) == self.size or took > PATIENCE:
                break
            await asyncio.sleep(0.1)
        self.missed += sum(self.size - count for count in shown)
        print(f"{took:.1f} s after {since} the pages show, of {self.size} others: {_row(shown)}", flush=True)
        await self._count(f"after {since}", people, self.size)
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            for number, person in enumerate(people):
                await person.page.screenshot(path=self.pictures / f"{since.lower()}-{number:02}.png")

    async def _count(self, when: str, people: Sequence[Person], others: int) -> None:
        """Print on how many lines pictures and sound come in at each page, and add up those that are missed."""
        before = [await person.page.evaluate(LINES) for person in people]
        await asyncio.sleep(WINDOW)
        after = [await person.page.evaluate(LINES) for person in people]
        alive = [_alive(was, now) for was, now in zip(before, after, strict=True)]
        for kind in ("video", "audio"):
            lines = [count[kind] for count in alive]
            self.missed += sum(max(0, others - count) for count in lines)
            print(f"  {when}: {kind} of {others} others: {_row(lines)}", flush=True)


def _alive(before: dict[str, Any], after: dict[str, Any]) -> Counter[str]:
    """Return on how many lines of each kind something came in between."""
    return Counter(line.partition(" ")[0] for line, sum in after.items() if sum > before.get(line, 0))


def _row(counts: Sequence[int]) -> str:
    return " ".join(map(str, counts))
