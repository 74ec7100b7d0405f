"""On a network that loses packets pictures go on: what is missing is asked for, and comes again."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.freezes import meet, watch
from tests.browser.people import eventually
from tests.browser.weather import Weather
from tests.stories.service import Service

WATCHED = 8.0
"""Seconds in which no picture freezes. A machine whose cores are all taken may freeze one, so a few are tried."""
LEAST_FRAMES = 80
SPARE = """async () => {
  let spare = 0;
  for (const peer of window.carelobby.peers())
    for (const report of (await peer.getStats()).values())
      if (report.type === "inbound-rtp" && report.kind === "audio") spare += report.fecPacketsReceived;
  return spare;
}"""
"""How many packets of sound came that hold the one before, too (Opus' own forward error correction)."""


async def test_no_picture_freezes_though_every_twentieth_packet_is_lost(browser: Browser, demo: Service) -> None:
    weather = Weather()
    people = await meet((browser, browser), demo, weather)
    weather.up = weather.down = 0.05

    async def smooth() -> bool:
        seen = await watch(people, WATCHED)
        assert all(one.resent > 0 for one in seen), "nothing was lost, or nothing was asked for"
        return all(one.freezes == 0 and one.decoded >= LEAST_FRAMES for one in seen)

    await eventually(smooth, 4 * WATCHED)
    weather.close()
    assert [person.wrong for person in people] == [[], []]


async def test_where_many_are_lost_each_packet_of_the_voice_holds_the_one_before(
    browser: Browser, demo: Service
) -> None:
    """The sender hears of the loss, and adds what was said before; a browser looks for a while until it does."""
    weather = Weather()
    people = await meet((browser, browser), demo, weather)
    assert [await person.page.evaluate(SPARE) for person in people] == [0, 0]
    weather.up = weather.down = 0.12

    async def spare() -> bool:
        return all([await person.page.evaluate(SPARE) > 0 for person in people])

    await eventually(spare, 90.0)
    weather.close()
    assert [person.wrong for person in people] == [[], []]
