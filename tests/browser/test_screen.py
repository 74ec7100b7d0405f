"""Somebody shares their screen: the others see it large, and it goes as it came."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, end, in_session, join_urls
from tests.browser.screens import can_share, sees_none, sees_screen
from tests.stories.service import Service


async def test_each_of_two_shares_a_screen_and_stops_and_shares_again(browser: Browser, demo: Service) -> None:
    phone, clinician = await in_session(browser, demo)
    await can_share(clinician)

    # Large at the other, with the face beside it; nothing changes at the one who shares.
    await clinician.click("Share screen")
    await sees_screen(phone)
    await phone.sees_and_hears()
    await phone.page.get_by_text("shares their screen").wait_for()
    await sees_none(clinician)

    # With audio only the screen stays: it is no camera.
    await clinician.click("Audio only")
    await phone.page.locator("call-tile .badge").filter(has_text="Audio only").wait_for()
    await sees_screen(phone)
    await clinician.click("Audio only")
    await phone.sees_and_hears()

    # The line is used again; and it ends by the browser's own button as well.
    lines = await clinician.page.evaluate("window.carelobby.peers()[0].getTransceivers().length")
    await clinician.click("Stop sharing")
    await sees_none(phone)
    await clinician.click("Share screen")
    await sees_screen(phone)
    await clinician.page.evaluate("window.screenTrack.dispatchEvent(new Event('ended'))")
    await sees_none(phone)
    await clinician.page.get_by_role("button", name="Share screen").wait_for()
    assert await clinician.page.evaluate("window.carelobby.peers()[0].getTransceivers().length") == lines

    # The end of a session ends it; after a rejoin it can be shared anew.
    await clinician.click("Share screen")
    await sees_screen(phone)
    await end(clinician)
    await phone.screen("ended")
    assert await clinician.page.evaluate("window.screenTrack.readyState") == "ended"
    await phone.click("Rejoin Session")
    await clinician.click("Rejoin Session")
    await phone.sees_and_hears()
    await sees_none(phone)
    await clinician.click("Share screen")
    await sees_screen(phone)
    await phone.sees_and_hears()
    assert (phone.wrong, clinician.wrong) == ([], [])


async def test_in_a_narrow_window_a_screen_is_shared_from_the_settings(browser: Browser, demo: Service) -> None:
    phone, clinician = await in_session(browser, demo)
    await clinician.page.set_viewport_size({"width": 600, "height": 800})
    await can_share(clinician)

    for does, sees in (("Share screen", sees_screen), ("Stop sharing", sees_none)):
        assert not await clinician.page.get_by_role("button", name=does).count()
        await clinician.click("Settings")
        await clinician.click(does)
        await sees(phone)

    assert (phone.wrong, clinician.wrong) == ([], [])


async def test_who_takes_part_by_audio_sees_a_screen_and_shares_one(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, DESKTOP)
    await clinician.sign_in(**doctor["sign_in"])
    await client.open(link)
    await client.check_devices()
    await client.check_in(camera=False)
    await clinician.start(name)
    await client.screen("session")
    for person in (client, clinician):
        await person.sees_and_hears(video=False)
        await can_share(person)

    await clinician.click("Share screen")
    await sees_screen(client)
    await clinician.click("Stop sharing")
    await client.click("Share screen")
    await sees_screen(clinician)
    await client.click("Audio only")
    await clinician.sees_and_hears()
    await sees_screen(clinician)
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_a_group_sees_the_screen_of_one_of_them(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    booked = join_urls(demo.told, group=True)
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    ana, ben, late = [await Client.at(browser, demo.url, size) for size in (DESKTOP, PHONE, PHONE)]
    await clinician.sign_in(**doctor["sign_in"])
    for person, (_, _, link) in zip((ana, ben), booked, strict=False):
        await person.arrive(link)
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Start Session (2 of 3 ready)").click()
    for person in (clinician, ana, ben):
        await person.screen("session")
        await person.sees_and_hears()

    await can_share(ana)
    await ana.click("Share screen")
    for person in (clinician, ben):
        await sees_screen(person)
        await person.sees_and_hears()
    _, name, link = booked[2]
    await late.arrive(link)
    await clinician.page.get_by_role("button", name="Clients", exact=True).click()
    await clinician.page.locator("member-row").filter(has_text=name).get_by_role("button", name="Admit").click()
    await late.screen("session")
    await sees_screen(late)

    await ana.click("Stop sharing")
    await can_share(clinician)
    await clinician.click("Share screen")
    for person in (ana, ben, late):
        await sees_screen(person)
    assert (clinician.wrong, ana.wrong, ben.wrong, late.wrong) == ([], [], [], [])
