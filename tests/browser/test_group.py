"""A group has a session: one provider, two of three clients, who come and go each by themselves."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, Person, end, eventually, join_urls, leave
from tests.stories.service import Service

PLAYING = """(least) => [...document.querySelectorAll("call-tile:not(.no-picture) video")]
    .filter((video) => video.clientHeight >= 80 && video.getVideoPlaybackQuality().totalVideoFrames > 0)
    .length >= least"""


async def test_a_group_meets_one_leaves_and_comes_back_and_after_end_each_rejoins_alone(
    browser: Browser, demo: Service
) -> None:
    doctor = demo.told["providers"][0]
    (_, _, ana_link), (_, ben_name, ben_link), *_ = join_urls(demo.told, group=True)
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    ana, ben = [await Client.at(browser, demo.url, size) for size in (PHONE, DESKTOP)]
    await clinician.sign_in(**doctor["sign_in"])
    await ana.arrive(ana_link)
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Start Session (1 of 3 ready)").wait_for()
    await ben.arrive(ben_link)
    assert await ana.page.get_by_text(ben_name).count() == 0, "nobody in a waiting room sees anybody"

    # One click lets in those who are ready; all three see two others.
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Start Session (2 of 3 ready)").click()
    for person in (clinician, ana, ben):
        await person.screen("session")
        await sees(person, 2)
        await person.sees_and_hears()
    assert await ana.page.get_by_text(ben_name).count() == 0, "the practice keeps names back"
    assert await clinician.page.get_by_text(ben_name).count() > 0

    # A client leaves, and nobody else does.
    await leave(ben)
    await ben.page.get_by_text("You have left the session").wait_for()
    assert await ben.page.evaluate("window.carelobby.peers().length") == 0
    for person in (clinician, ana):
        await tiles(person.page, 1)
        await person.sees_and_hears()

    # And comes back by a click of their own.
    await ben.click("Rejoin Session")
    for person in (ben, clinician, ana):
        await person.screen("session")
        await sees(person, 2)

    # The provider's End is for everybody. Then the provider and one are live again; the other stays out.
    await end(clinician)
    for person in (ana, ben):
        await person.screen("ended")
    await clinician.click("Rejoin Session")
    await ana.click("Rejoin Session")
    for person in (clinician, ana):
        await person.screen("session")
        await sees(person, 1)
        await person.sees_and_hears()
    await ben.screen("ended")
    assert await ben.page.evaluate("window.carelobby.peers().length") == 0
    await ben.click("Rejoin Session")
    for person in (ben, clinician, ana):
        await person.screen("session")
        await sees(person, 2)

    # Finish says who was there.
    await end(clinician)
    await clinician.click("Finish Session")
    dialog = clinician.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="All attended").click()
    await dialog.get_by_label("Chloe Dubois").select_option("no_show")
    await dialog.get_by_role("button", name="Finish Session").click()
    for person in (ana, ben):
        await person.screen("closed")
    await clinician.screen("room")
    assert (clinician.wrong, ana.wrong, ben.wrong) == ([], [], [])


async def test_the_provider_lets_a_late_client_in_sends_one_back_and_removes_one(
    browser: Browser, demo: Service
) -> None:
    doctor = demo.told["providers"][0]
    (_, _, ana_link), (_, ben_name, ben_link), *_ = join_urls(demo.told, group=True)
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    ana, ben = [await Client.at(browser, demo.url, PHONE) for _ in range(2)]
    await clinician.sign_in(**doctor["sign_in"])
    await ana.arrive(ana_link)
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Start Session (1 of 3 ready)").click()
    await sees(clinician, 1)

    # Who comes late waits until they are let in.
    await ben.open(ben_link)
    await ben.check_devices()
    await ben.check_in(name="Benny")
    await clinician.page.get_by_text(f"{ben_name} is ready").filter(visible=True).first.wait_for()
    await clinician.page.get_by_role("button", name="Clients", exact=True).click()
    await member(clinician.page, ben_name).get_by_text("In the waiting room").wait_for()
    await member(clinician.page, ben_name).get_by_role("button", name="Admit").click()
    await ben.screen("session")
    await sees(clinician, 2)
    await sees(ana, 2)
    await ana.page.locator("call-tile").filter(has_text="Benny").wait_for()

    # Back to the waiting room, in again, and out for good.
    await member(clinician.page, ben_name).get_by_role("button", name="Back to waiting room").click()
    await ben.screen("waiting")
    await ben.page.get_by_text("asked you to wait for a little while").wait_for()
    await tiles(ana.page, 1)
    await member(clinician.page, ben_name).get_by_role("button", name="Admit").click()
    await ben.screen("session")
    await member(clinician.page, ben_name).get_by_role("button", name="Remove").click()
    await clinician.page.get_by_role("dialog").get_by_label("Reason").fill("Please call us first.")
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    await ben.screen("closed")
    await ben.page.get_by_text("Your place was closed").wait_for()
    await ben.page.get_by_text("“Please call us first.”").wait_for()
    await ana.sees_and_hears()
    await tiles(clinician.page, 1)
    await ben.open(ben_link)
    await ben.click("Check camera and microphone")
    await ben.page.get_by_text("Your place was closed").wait_for()

    # Somebody of the group whose link does not work comes by the practice's page, and is let into their seat.
    chloe = await Client.at(browser, demo.url, PHONE)
    await chloe.knock(doctor["id"], "Chloé D.")
    await clinician.page.locator("group-panel").get_by_role("button", name="Match to appointment…").click()
    dialog = clinician.page.get_by_role("dialog").filter(has_text="Who is Chloé D.?")
    await dialog.get_by_role("radio", name="Chloe Dubois").check()
    await dialog.get_by_role("button", name="Admit").click()
    await chloe.screen("session")
    for person in (chloe, clinician, ana):
        await sees(person, 2)
    assert (clinician.wrong, ana.wrong, ben.wrong, chloe.wrong) == ([], [], [], [])


def member(page: Page, name: str) -> Any:
    """Return the row of one of the group's clients."""
    return page.locator("member-row").filter(has_text=name)


async def sees(person: Person, least: int) -> None:
    """Wait until so many others are seen moving."""

    async def playing() -> bool:
        return bool(await person.page.evaluate(PLAYING, least))

    await eventually(playing, 30)


async def tiles(page: Page, count: int) -> None:
    """Wait until just so many others are shown."""

    async def shown() -> bool:
        return await page.locator("call-tile").count() == count

    await eventually(shown)
