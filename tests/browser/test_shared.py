"""Two providers share a group: each sees its clients beside their own, and nobody of the other's room."""

from __future__ import annotations

import time

import httpx
from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, join_urls
from tests.browser.test_group import sees
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


async def shared_group(demo: Service, host: str, guest: str) -> tuple[str, str]:
    """Have the EHR book a group of two providers and two clients for now; return the clients' links."""
    async with httpx.AsyncClient(base_url=demo.url, headers={"Authorization": f"Bearer {demo.told['api_key']}"}) as ehr:
        answer = await ehr.put(
            "/v1/appointments/shared-group",
            json={
                "providers": [host, guest],
                "clients": [{"id": f"g-{name}", "name": name} for name in ("Ana", "Ben")],
                "start": int(time.time() * 1000) + MINUTE,
                "duration_minutes": 50,
                "group": True,
            },
        )
    assert answer.status_code in (200, 201), answer.text
    first, second = [client["join_url"] for client in answer.json()["clients"]]
    return first, second
