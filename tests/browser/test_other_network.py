"""The way of a client's media breaks, as it does when a phone leaves the house: they come back by another one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import Person, eventually, in_session
from tests.browser.weather import Weather
from tests.stories.service import Service

WATCH = """() => {
  const video = document.querySelector("call-tile video");
  globalThis.frames_seen = [];
  const seen = (now) => { globalThis.frames_seen.push(now); video.requestVideoFrameCallback(seen); };
  video.requestVideoFrameCallback(seen);
  globalThis.states_at_move = null;
  const look = () => {
    const peers = carelobby.peers();
    if (peers.length === 2) globalThis.states_at_move ??= peers.map((peer) => peer.connectionState);
    else setTimeout(look, 5);
  };
  look();
}"""
LONGEST_GAP = """() => Math.max(0, ...frames_seen.slice(1).map((at, index) => at - frames_seen[index]))"""


@pytest_asyncio.fixture
async def way() -> AsyncIterator[Weather]:
    way = Weather()
    yield way
    way.close()


async def watched(*people: Person) -> None:
    """Note when each picture of the other comes, and how the peers are when there are two."""
    for person in people:
        await person.note_media()
        await person.page.evaluate(WATCH)


async def longest_gap(person: Person) -> float:
    """Return the seconds for which nothing moved."""
    return float(await person.page.evaluate(LONGEST_GAP)) / 1000


async def test_a_client_who_changes_networks_has_a_new_way_before_the_old_one_is_known_to_be_broken(
    browser: Browser, demo: Service, way: Weather
) -> None:
    client, clinician = await in_session(browser, demo, way=way)
    await clinician.sees_and_hears()
    await watched(client, clinician)

    way.break_ways()
    await client.page.evaluate("dispatchEvent(new Event('online'))")  # as the browser tells when it has a network again

    await client.has_other_media()
    for person in (client, clinician):
        await person.sees_and_hears()
    assert (await client.page.evaluate("states_at_move"))[0] == "connected", "nothing was known to be broken"
    assert await clinician.page.evaluate("states_at_move") is None, "who stays has the peer they had"
    gaps = [await longest_gap(person) for person in (client, clinician)]
    print("gaps in s:", gaps)
    assert max(gaps) < 2.5, "a tenth of it on a machine that is not busy"
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_a_way_that_breaks_unnoticed_is_replaced_because_the_server_hears_nothing(
    browser: Browser, demo: Service, way: Weather
) -> None:
    client, clinician = await in_session(browser, demo, way=way)
    await clinician.sees_and_hears()
    await watched(client, clinician)

    way.break_ways()

    await client.has_other_media()
    for person in (client, clinician):
        await person.sees_and_hears()
    gaps = [await longest_gap(person) for person in (client, clinician)]
    print("gaps in s:", gaps)
    assert max(gaps) < 7.0, "three seconds of silence, and another way"
    badge = clinician.page.locator("call-tile .badge").filter(has_text="Reconnecting")

    async def as_before() -> bool:
        return await badge.count() == 0

    await eventually(as_before)
    assert (client.wrong, clinician.wrong) == ([], [])
