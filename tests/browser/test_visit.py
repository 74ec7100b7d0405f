"""Two people have a session: join, wait, ready, Start, picture and sound, End, both Rejoin, and it is over."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, end, in_session, join_urls
from tests.stories.service import Service


async def test_two_people_have_a_session_end_it_and_rejoin(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), (_, other, other_link) = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, PHONE)
    bystander = await Client.at(browser, demo.url, PHONE)
    await clinician.sign_in(**doctor["sign_in"])

    await client.arrive(link)
    await clinician.start(name)
    await client.screen("session")
    for person in (client, clinician):
        await person.sees_and_hears()

    # A second client becomes ready during the session: shown, not swallowed, and not let in.
    await bystander.arrive(other_link)
    await clinician.page.get_by_text(f"{other} is ready").filter(visible=True).first.wait_for()
    assert await bystander.page.evaluate("window.carelobby.peers().length") == 0

    await end(client)
    await clinician.screen("ended")
    for person in (client, clinician):
        assert await person.page.evaluate("window.carelobby.peers().length") == 0
        await person.page.get_by_text("Your telehealth session has ended").wait_for()

    await client.click("Rejoin Session")
    await clinician.page.wait_for_timeout(500)
    assert await clinician.page.locator('[data-screen="session"]').count() == 0
    await clinician.click("Rejoin Session")
    for person in (client, clinician):
        await person.screen("session")
        await person.sees_and_hears()

    await end(clinician)
    await client.screen("ended")
    await clinician.click("Finish Session")
    await client.screen("closed")
    await clinician.screen("room")
    await bystander.screen("waiting")
    assert (client.wrong, clinician.wrong, bystander.wrong) == ([], [], [])


async def test_media_stops_at_the_server_within_a_second_of_end(browser: Browser, demo: Service) -> None:
    client, clinician = await in_session(browser, demo)
    # The page would close its peers by itself: keep hold of one, so that what stops it is the server.
    await client.page.evaluate("() => { window.held = window.carelobby.peers()[0]; window.held.close = () => {}; }")
    count = """async () => { let n = 0;
      for (const r of (await window.held.getStats()).values())
        if (r.type === "inbound-rtp") n += r.packetsReceived;
      return n; }"""

    await end(clinician)
    await asyncio.sleep(1)
    before = await client.page.evaluate(count)
    await asyncio.sleep(1)

    assert await client.page.evaluate(count) == before


async def test_an_audio_only_visit(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, PHONE)
    await clinician.sign_in(**doctor["sign_in"])
    await client.open(link)
    await client.check_devices()
    await client.check_in(camera=False)

    await clinician.start(name)
    await client.screen("session")
    for person in (client, clinician):
        figures = await person.sees_and_hears(video=False)
        if person is clinician:
            assert figures["video"] == 0
    await clinician.page.get_by_text("Audio only").first.wait_for()
    await end(client)
    await clinician.screen("ended")


async def test_a_reload_in_the_middle_goes_on_without_a_question(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, PHONE)
    await clinician.sign_in(**doctor["sign_in"])
    await client.arrive(link)
    await client.page.reload()
    await client.screen("waiting")
    await clinician.start(name)
    await client.sees_and_hears()

    await client.page.reload()
    await client.screen("session")
    await client.sees_and_hears()
    await clinician.page.reload()
    await clinician.screen("session")
    for person in (client, clinician):
        await person.sees_and_hears()


async def test_the_service_is_killed_and_both_see_each_other_again(browser: Browser, demo: Service) -> None:
    client, clinician = await in_session(browser, demo)
    for person in (client, clinician):
        await person.note_media()

    await demo.kill()
    await demo.start()

    for person in (client, clinician):
        await person.has_other_media()
        await person.sees_and_hears()
    await end(client)
    await clinician.screen("ended")
