"""How long it takes from the click on Start until each sees the other, in two browsers, and what went before it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser

from tests.browser.far import Far
from tests.browser.people import DESKTOP, Client, Clinician, Person, book, end, eventually
from tests.stories.service import Service

WATCH = """(() => {
  const seen = new WeakSet();
  const canvas = new OffscreenCanvas(16, 16);
  const pixels = canvas.getContext("2d", { willReadFrequently: true });
  const now = () => performance.timeOrigin + performance.now();
  const watch = (video) => {
    if (seen.has(video)) return;
    seen.add(video);
    const look = () => {
      if (!video.isConnected) return;
      pixels.drawImage(video, 0, 0, 16, 16);
      const { data } = pixels.getImageData(0, 0, 16, 16);
      // Of each pixel red, green and blue: a decoder that has nothing yet shows black.
      if (data.some((value, at) => at % 4 < 3 && value > 40)) window.measured.picture ??= now();
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  };
  window.measured = {};
  addEventListener("click", ({ target }) => {
    if (/^Start Session/.test(target.closest?.("button")?.textContent ?? "")) window.measured = { click: now() };
  }, { capture: true });
  new MutationObserver(() => document.querySelectorAll("video[data-remote]").forEach(watch))
    .observe(document, { childList: true, subtree: true });
})();"""
"""In every page: when Start was clicked, and when another's picture was first seen. ms since 1970, by one clock."""

COLD = """(() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (!String(data).includes('"purpose":"warm"')) send.call(this, data);
  };
})();"""
"""A page that never hears what it would need to connect beforehand."""

WARM = "() => window.carelobby.warm().some((peer) => peer.connectionState === 'connected')"
SENT = """async () => {
  let sent = 0;
  for (const peer of [...window.carelobby.warm(), ...window.carelobby.peers()])
    for (const report of (await peer.getStats()).values())
      if (report.type === "outbound-rtp") sent += report.packetsSent;
  return sent;
}"""
KEEP = "() => { window.waited = window.carelobby.warm(); }"
USED = """() => window.waited.length > 0
    && window.carelobby.peers().length > 0 && window.carelobby.peers().every((peer) => window.waited.includes(peer))"""


@dataclass(frozen=True)
class Started:
    """One Start."""

    client: float
    """ms from the click until the client saw the provider."""
    provider: float
    """ms from the click until the provider saw the client."""
    before: int
    """RTP packets before the click, as counted by both browsers and at the server."""
    used: bool
    """Whether the peers that waited are those of the session."""


@dataclass
class Starting:
    """A provider who sees one client after the other."""

    browser: Browser
    service: Service
    url: str
    far: Far | None = None
    clinicians: dict[bool, Clinician] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def person(self, kind: type[Any], *, warm: bool) -> Any:
        person = await kind.at(self.browser, self.url, DESKTOP)
        await person.context.add_init_script(WATCH if warm else WATCH + COLD)
        if self.far is not None:
            await self.far.lead(person.context)
        return person

    async def start(self, *, warm: bool) -> Started:
        """Let a client wait, warm or not, and start their session; it is over when this returns."""
        held = await self.service.figure("media_packets_held_total")
        doctor = self.service.told["providers"][warm]
        clinician = self.clinicians.get(warm)
        if clinician is None:
            clinician = self.clinicians[warm] = await self.person(Clinician, warm=warm)
            await clinician.sign_in(**doctor["sign_in"])
        client: Client = await self.person(Client, warm=warm)
        name, link = await book(self.service, doctor["id"], next(self.numbers))
        await client.arrive(link)
        if warm:
            await both(clinician, client, WARM)
        await asyncio.sleep(0.5)  # what is sent without a Start has had time to be
        before = sum([await one.page.evaluate(SENT) for one in (client, clinician)])
        before += await self.service.figure("media_packets_held_total") - held
        for one in (client, clinician):
            await one.page.evaluate(KEEP)

        await clinician.start(name)
        await both(clinician, client, "() => window.measured.picture !== undefined")
        click = await clinician.page.evaluate("window.measured.click")
        pictures = [await one.page.evaluate("window.measured.picture") for one in (client, clinician)]
        used = all([await one.page.evaluate(USED) for one in (client, clinician)])
        await end(clinician)
        await client.screen("ended")
        await clinician.click("Finish Session")
        await clinician.screen("room")
        assert (client.wrong, clinician.wrong) == ([], [])
        await client.context.close()
        return Started(pictures[0] - click, pictures[1] - click, int(before), used)


async def both(clinician: Person, client: Person, script: str) -> None:
    async def true() -> bool:
        return all([await one.page.evaluate(script) for one in (clinician, client)])

    await eventually(true)
