"""One person, two devices: the session is on the one that was clicked, and the other stays out."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, in_session, join_urls
from tests.stories.service import Service

MOVED = "Your visit is open on another device"
ROOM_MOVED = "Your room is open on another device"


async def test_a_session_moves_to_the_device_that_is_clicked_and_the_other_does_not_fight_for_it(
    browser: Browser, demo: Service
) -> None:
    client, desk = await in_session(browser, demo)
    doctor = demo.told["providers"][0]
    (_, _, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]

    # A client's second device asks first; the first one stays out, after a reload too.
    laptop = await Client.at(browser, demo.url, DESKTOP)
    await laptop.open(link)
    await laptop.click("Check camera and microphone")
    await laptop.page.get_by_text(MOVED).wait_for()
    await laptop.click("Use this device")
    await laptop.screen("session")
    await client.page.get_by_text(MOVED).wait_for()
    await client.is_out()
    await client.page.reload()
    await client.screen("welcome")
    await laptop.sees_and_hears()

    # So does a provider's: it looks on, joins by a click, and the desk's page stays out until one.
    phone = await Clinician.at(browser, demo.url, PHONE)
    await phone.sign_in(**doctor["sign_in"])
    await phone.page.get_by_text("In session now").wait_for()
    await phone.is_out()
    await phone.click("Join the session")
    await phone.screen("session")
    await desk.page.get_by_text(ROOM_MOVED).wait_for()
    await desk.is_out()
    for person in (phone, laptop):
        await person.sees_and_hears()

    await desk.click("Use this device")
    await desk.screen("session")
    await phone.page.get_by_text(ROOM_MOVED).wait_for()
    await phone.is_out()
    for person in (desk, laptop):
        await person.sees_and_hears()
    await phone.page.reload()
    await phone.page.get_by_role("button", name="Join the session").wait_for()
    await desk.screen("session")
    assert (client.wrong, laptop.wrong, desk.wrong, phone.wrong) == ([], [], [], [])
