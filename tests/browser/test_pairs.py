"""Browsers of different make in one session: each shows and plays what the other one sends."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from tests.browser.people import DESKTOP, Client, Clinician, Person, end, eventually, join_urls, rejoin
from tests.browser.screens import can_share, sees_none, sees_screen
from tests.stories.service import Service

WATCHED = 4.0
"""Seconds in which no picture freezes. A machine whose cores are all taken may freeze one, so a few are tried."""

LEAST_FRAMES = 20
"""That are decoded meanwhile, at least: of a fake camera's 20 to 30 a second."""

ROOM = 250_000
"""Bits a second that a browser may send, as it thinks, at least: 3,000,000 on a machine at rest, 106,000 if it is told
nothing."""

ESTIMATE = """async () => {
  let most = 0;
  for (const peer of window.carelobby.peers())
    for (const report of (await peer.getStats()).values())
      if (report.type === "candidate-pair") most = Math.max(most, report.availableOutgoingBitrate ?? 0);
  return most;
}"""

APART = 1_000
"""ms that voice and picture, as played, may lie apart by the sender's clock. Without its reports it would be hours."""

STEP = """async () => {
  const played = {};
  for (const peer of window.carelobby.peers())
    for (const report of (await peer.getStats()).values())
      if (report.type === "inbound-rtp") played[report.kind] = report.estimatedPlayoutTimestamp;
  return played.audio && played.video ? Math.abs(played.audio - played.video) : null;
}"""


@pytest.mark.parametrize(
    "browsers",
    [("chromium", "chromium"), ("firefox", "firefox"), ("chromium", "firefox"), ("firefox", "chromium")],
    ids=lambda pair: f"client-{pair[0]}-provider-{pair[1]}",
    indirect=True,
)
async def test_two_browsers_meet_go_audio_only_share_screens_and_rejoin(browsers: list[Browser], demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    client = await Client.at(browsers[0], demo.url, DESKTOP)
    clinician = await Clinician.at(browsers[1], demo.url, DESKTOP)
    await clinician.sign_in(**doctor["sign_in"])
    await client.arrive(link)
    await clinician.start(name)
    await client.screen("session")
    await asyncio.gather(client.sees_and_hears(), clinician.sees_and_hears())
    await asyncio.gather(flows(client), flows(clinician))

    # The receiver's own word about the network reaches the sender: without it a browser sends next to nothing.
    for person, browser in zip((client, clinician), browsers, strict=True):
        if browser.browser_type.name == "chromium":  # Firefox does not say
            await estimates(person, ROOM)
            await in_step(person)

    # Another track on the same line needs no words.
    await client.click("Settings")
    await client.click("Restart my camera and microphone")
    await client.click("Close")
    await clinician.sees_and_hears()

    # How loud somebody is reaches the other, who marks it; a muted microphone is no voice.
    for speaker, other in ((client, clinician), (clinician, client)):
        await other.page.locator("call-tile.speaking").wait_for()
        await speaker.click("Microphone")
        await other.page.locator("call-tile:not(.speaking)").wait_for()
        await speaker.click("Microphone")

    # Who chooses audio only neither sends pictures nor gets any; the voice goes on, and the picture comes back.
    await client.click("Audio only")
    await asyncio.gather(still(client), still(clinician))
    await asyncio.gather(client.sees_and_hears(video=False), clinician.sees_and_hears(video=False))
    await client.click("Audio only")
    await asyncio.gather(client.sees_and_hears(), clinician.sees_and_hears())

    # A screen is one more line, each way.
    for sharer, other in ((client, clinician), (clinician, client)):
        await can_share(sharer)
        await sharer.click("Share screen")
        await sees_screen(other)
        await sharer.click("Stop sharing")
        await sees_none(other)

    await end(client)
    await clinician.screen("ended")
    await rejoin(clinician, client)
    assert (client.wrong, clinician.wrong) == ([], [])


async def flows(person: Person) -> None:
    """Wait until the picture goes on for a while without a halt."""

    async def smooth() -> bool:
        frames, freezes = await pictures(person)
        await asyncio.sleep(WATCHED)
        now = await pictures(person)
        return now[0] - frames >= LEAST_FRAMES and now[1] == freezes

    await eventually(smooth, 5 * WATCHED)


async def estimates(person: Person, least: int) -> None:
    """Wait until the browser thinks that it may send so many bits a second."""

    async def risen() -> bool:
        return bool(await person.page.evaluate(ESTIMATE) >= least)

    await eventually(risen)


async def in_step(person: Person) -> None:
    """Wait until the browser knows how to play voice and picture in step."""

    async def close() -> bool:
        apart = await person.page.evaluate(STEP)
        return apart is not None and apart < APART

    await eventually(close)


async def pictures(person: Person) -> tuple[int, int]:
    """Return how many frames were decoded here, and how often they froze."""
    return (await person.decoded())["video"], await person.counted("inbound-rtp", "video", "freezeCount")


async def still(person: Person) -> None:
    """Wait until no more pictures come."""
    before = -1

    async def stopped() -> bool:
        nonlocal before
        now = (await person.decoded())["video"]
        before, same = now, now == before
        await asyncio.sleep(0.5)
        return same

    await eventually(stopped)
