"""Two providers share a group: each sees its clients beside their own, comes in by a click, and sees nobody else."""

from __future__ import annotations

import time

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, ehr, join_urls
from tests.browser.test_group import sees, tiles
from tests.stories.service import Service

MINUTE = 60_000


async def test_a_co_provider_gets_the_notice_starts_and_ends_and_sees_nobody_else(
    browser: Browser, demo: Service
) -> None:
    host, guest = demo.told["providers"]
    ana_link, ben_link = await shared_group(demo, host["id"], guest["id"])
    (_, stranger, stranger_link), *_ = [one for one in join_urls(demo.told) if one[0] == host["id"]]
    (_, own, own_link), *_ = [one for one in join_urls(demo.told) if one[0] == guest["id"]]
    co_provider = await Clinician.at(browser, demo.url, DESKTOP)
    await co_provider.sign_in(**guest["sign_in"])
    row = co_provider.page.locator(".appointments").get_by_text(f"With {host['name']}")
    await row.wait_for()

    # Somebody of the host's own room stays unknown; somebody of the shared group is told of, and of one's own.
    bystander, mine, ana, ben = [await Client.at(browser, demo.url, PHONE) for _ in range(4)]
    await bystander.arrive(stranger_link)
    await ana.arrive(ana_link)
    await ben.arrive(ben_link)
    notice = co_provider.page.get_by_role("dialog").filter(has_text="Ana is ready")
    await notice.get_by_role("button", name="Start Session (2 of 2 ready)").click()
    for person in (co_provider, ana, ben):
        await person.screen("session")
        await sees(person, 2)
    await mine.arrive(own_link)
    await co_provider.page.get_by_text(f"{own} is ready").filter(visible=True).first.wait_for()
    assert await co_provider.page.get_by_text(stranger).count() == 0

    await co_provider.click("End Session")
    await co_provider.click("End for everyone")
    for person in (co_provider, ana, ben):
        await person.screen("ended")
    await co_provider.click("Back to my room")
    await co_provider.screen("room")
    await co_provider.page.locator("entry-row").filter(has_text=own).wait_for()
    assert (co_provider.wrong, ana.wrong, ben.wrong) == ([], [], [])


async def test_who_did_not_start_it_comes_in_by_a_click_is_in_again_after_a_reload_and_may_leave_alone(
    browser: Browser, demo: Service
) -> None:
    host, guest = demo.told["providers"]
    ana_link, ben_link = await shared_group(demo, host["id"], guest["id"])
    owner, co_provider = [await Clinician.at(browser, demo.url, size) for size in (DESKTOP, PHONE)]
    await owner.sign_in(**host["sign_in"])
    await co_provider.sign_in(**guest["sign_in"])
    ana, ben = [await Client.at(browser, demo.url, PHONE) for _ in range(2)]
    await ana.arrive(ana_link)
    await co_provider.page.get_by_role("dialog").get_by_role("button", name="Start Session (1 of 2 ready)").click()
    await co_provider.screen("session")
    await sees(ana, 1)

    # The host is not pulled in, and nobody sees an empty place for them. Who comes late may be admitted from outside.
    await owner.page.get_by_text("In session now").wait_for()
    await owner.is_out()
    await tiles(ana.page, 1)
    await ben.arrive(ben_link)
    await owner.page.get_by_role("dialog").get_by_role("button", name="Admit").click()
    await ben.screen("session")
    await owner.screen("room")
    await owner.click("Join the session")
    await owner.screen("session")
    await sees(owner, 3)
    await sees(ana, 3)

    await owner.page.reload()
    await owner.screen("session")
    await sees(owner, 3)

    await owner.click("End Session")
    await owner.click("Leave, the others go on")
    await owner.screen("room")
    await owner.is_out()
    for person in (co_provider, ana, ben):
        await tiles(person.page, 2)
        await person.screen("session")
    await owner.page.reload()
    await owner.page.get_by_role("button", name="Join the session").wait_for()
    await owner.is_out()
    assert (owner.wrong, co_provider.wrong, ana.wrong, ben.wrong) == ([], [], [], [])


async def shared_group(demo: Service, host: str, guest: str) -> tuple[str, str]:
    """Have the EHR book a group of two providers and two clients for now; return the clients' links."""
    body = {
        "providers": [host, guest],
        "clients": [{"id": f"g-{name}", "name": name} for name in ("Ana", "Ben")],
        "start": int(time.time() * 1000) + MINUTE,
        "duration_minutes": 50,
        "group": True,
    }
    first, second = (await ehr(demo, "PUT", "/v1/appointments/shared-group", body))["clients"]
    return first["join_url"], second["join_url"]
