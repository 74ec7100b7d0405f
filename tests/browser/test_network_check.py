"""The network is tried out beside the devices, by an echo; whatever comes of it, one may go on."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, eventually, join_urls
from tests.stories.service import Service

NO_WAY = """(() => {
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(config) { super({ ...config, iceTransportPolicy: "relay" }); } // and there is no relay
  };
})();"""


async def test_beside_the_devices_a_client_is_told_how_their_connection_is(browser: Browser, demo: Service) -> None:
    client = await Client.at(browser, demo.url, PHONE)
    await client.open(join_urls(demo.told)[0][2])
    assert await demo.figure("media_checks") == 0

    await client.check_devices()
    line = client.page.locator("network-line")
    await line.get_by_text("Your connection: measuring…").wait_for()
    assert await demo.figure("media_checks") == 1
    # On a machine that is busy with other tests it may well be weak.
    await client.page.locator('network-line[data-state="good"], network-line[data-state="weak"]').wait_for()

    async def over() -> bool:
        return await demo.figure("media_checks") == 0

    await eventually(over)
    await client.check_in()
    await client.is_out()
    assert client.wrong == []


async def test_where_nothing_gets_through_a_client_is_told_what_helps_and_goes_on(
    browser: Browser, demo: Service
) -> None:
    client = await Client.at(browser, demo.url, DESKTOP)
    await client.context.add_init_script(NO_WAY)
    await client.open(join_urls(demo.told)[0][2])

    await client.check_devices()
    await client.page.get_by_text("sound and picture do not get through").wait_for()
    await client.page.get_by_text("Try another network").wait_for()
    assert await client.page.locator("network-line .contact li").count() > 0
    await client.click("Measure again")
    await client.page.get_by_text("Your connection: measuring…").wait_for()
    await client.check_in()

    assert client.wrong == []


async def test_a_provider_is_told_too_when_they_look_at_their_devices(browser: Browser, demo: Service) -> None:
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    await clinician.sign_in(**demo.told["providers"][0]["sign_in"])

    await clinician.page.get_by_role("button", name="Camera and microphone").click()
    await clinician.page.locator('network-line[data-state="good"], network-line[data-state="weak"]').wait_for()
    await clinician.click("Close")

    await eventually(lambda: _none(demo))
    assert clinician.wrong == []


async def _none(demo: Service) -> bool:
    return await demo.figure("media_checks") == 0
