"""A provider sees how a client's connection is, and the record says how it was."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.people import end, in_session, records
from tests.stories.service import Service


async def test_a_provider_sees_how_a_clients_connection_is_and_the_record_keeps_it(
    browser: Browser, demo: Service
) -> None:
    client, clinician = await in_session(browser, demo)

    # The look that is told is the second: some eleven seconds after the session began.
    await clinician.page.get_by_role("img", name="Connection: ").wait_for()

    assert await client.page.locator(".signal").evaluate_all("all => all.every(one => one.hidden)")
    await end(clinician)
    await clinician.click("Finish Session")
    await clinician.screen("room")
    (record,) = await records(demo)
    (told,), (doctor,) = record["facts"]["clients"], record["facts"]["providers"]
    for connection in (told["connection"], doctor["connection"]):
        assert connection["minutes"] >= 1
        assert 0 <= connection["loss"] < 0.5
    assert (client.wrong, clinician.wrong) == ([], [])
