"""Who waits, as a provider's pages show it: walk-ins apart, notices on every device; and the chat of a session."""

from __future__ import annotations

from playwright.async_api import Browser

from tests.browser.people import DESKTOP, PHONE, Client, Clinician, ehr, end, eventually, in_session, join_urls
from tests.stories.service import Service

IN_THE_BACKGROUND = """() => {
  window.notices = [];
  window.Notification = class {
    static permission = "granted";
    constructor(title, how) { notices.push([title, how.renotify, how.requireInteraction]); }
    close() { notices.push("closed"); }
  };
  Object.defineProperty(document, "hidden", { get: () => true });
}"""
"""A page that nobody looks at, with leave to call."""


async def test_somebody_without_a_link_is_shown_apart_and_started_by_their_entry(
    browser: Browser, demo: Service
) -> None:
    doctor = demo.told["providers"][0]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    walk_in = await Client.at(browser, demo.url, PHONE)
    await clinician.sign_in(**doctor["sign_in"])

    await walk_in.knock(doctor["id"], "Noor Haddad")
    notice = clinician.page.get_by_role("dialog").filter(has_text="Noor Haddad is ready")
    await notice.get_by_text("Without a link: make sure who they are before you begin.").wait_for()
    await notice.get_by_role("button", name="Not now").click()
    lane = clinician.page.locator("section").filter(has_text="Without a link")
    row = lane.get_by_role("listitem").filter(has_text="Noor Haddad")
    await row.get_by_role("button", name="Match to appointment…").click()
    matches = clinician.page.get_by_role("dialog").filter(has_text="Who is Noor Haddad?")
    assert await matches.get_by_role("radio").count() == 5, "two of their own and three of a group"
    await matches.get_by_role("button", name="Cancel").click()

    await walk_in.click("Step away for a moment")
    await row.get_by_text("Stepped away").wait_for()
    await walk_in.click("I am back")
    await row.get_by_text("Stepped away").wait_for(state="detached")

    await row.get_by_role("button", name="Start Session", exact=True).click()
    for person in (walk_in, clinician):
        await person.screen("session")
        await person.sees_and_hears()
    assert (clinician.wrong, walk_in.wrong) == ([], [])


async def test_somebody_without_a_link_takes_the_seat_they_are_matched_to(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, _), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    walk_in = await Client.at(browser, demo.url, PHONE)
    await clinician.sign_in(**doctor["sign_in"])
    await walk_in.knock(doctor["id"], "R. M.")

    await clinician.page.get_by_role("dialog").get_by_role("button", name="Match to appointment…").click()
    dialog = clinician.page.get_by_role("dialog").filter(has_text="Who is R. M.?")
    await dialog.get_by_role("radio", name=name).check()
    await dialog.get_by_role("button", name="Start Session").click()

    for person in (walk_in, clinician):
        await person.screen("session")
        await person.sees_and_hears()
    await clinician.page.get_by_role("heading", name=f"Session with {name}").wait_for()
    await end(clinician)
    await clinician.click("Finish Session")
    await walk_in.screen("closed")
    assert (clinician.wrong, walk_in.wrong) == ([], [])


async def test_clients_who_wait_are_told_of_everywhere_until_answered_and_read_what_they_are_told(
    browser: Browser, demo: Service
) -> None:
    doctor = demo.told["providers"][0]
    (_, first, first_link), (_, second, second_link) = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    desk, phone = [await Clinician.at(browser, demo.url, size) for size in (DESKTOP, PHONE)]
    await phone.page.add_init_script(f"({IN_THE_BACKGROUND})()")
    for device in (desk, phone):
        await device.sign_in(**doctor["sign_in"])
    clients = [await Client.at(browser, demo.url, PHONE) for _ in range(2)]
    for client, link in zip(clients, (first_link, second_link), strict=True):
        await client.arrive(link)
    for device in (desk, phone):
        notice = device.page.get_by_role("dialog").filter(has_text=f"{first} is ready")
        await notice.get_by_text(f"Also ready: {second}.").wait_for()

    async def titled() -> bool:
        return (await desk.page.title()).startswith("(2) ")

    await eventually(titled)
    called = ["Somebody is ready in your waiting room.", True, True]
    assert await phone.page.evaluate("window.notices") == [called, called]

    await desk.page.get_by_role("dialog").get_by_role("button", name="Not now").click()

    for device in (desk, phone):
        await device.page.get_by_role("dialog").filter(has_text=f"{second} is ready").wait_for()
    await phone.page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    for device in (desk, phone):
        await device.page.locator("dialog.ready:not([open])").wait_for(state="attached")
        assert await device.page.locator("entry-row").count() == 2, "the list stays"
    assert await phone.page.evaluate("window.notices.at(-1)") == "closed"

    # Of a delay all are told, of a word one alone, and of a cancellation at once.
    await desk.page.get_by_label("My status").select_option("late")
    await desk.page.get_by_label("Minutes late").fill("15")
    await desk.page.get_by_label("Minutes late").press("Tab")
    for client in clients:
        await client.page.get_by_text("is running about 15 minutes late.").wait_for()
    row = desk.page.locator("entry-row").filter(has_text=second)
    await row.get_by_role("button", name="Message").click()
    await desk.page.get_by_role("dialog").get_by_role("button", name="I will be with you in a moment.").click()
    await desk.page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await row.get_by_text("Message sent at").wait_for()
    await clients[1].page.get_by_text("I will be with you in a moment.").wait_for()
    assert await clients[0].page.get_by_text("I will be with you in a moment.").count() == 0
    booked = next(one for one in demo.told["appointments"] if one["clients"][0]["name"] == first)
    await ehr(demo, "POST", f"/v1/appointments/{booked['id']}/cancel", {})
    await clients[0].page.get_by_text("Your appointment was cancelled").wait_for()
    for device in (desk, phone):
        await device.page.locator(".appointments").get_by_text("Cancelled").wait_for()
        assert await device.page.locator("entry-row").count() == 1
    assert (desk.wrong, phone.wrong, *[client.wrong for client in clients]) == ([], [], [], [])


async def test_the_two_of_a_session_write_to_each_other_and_nothing_is_kept(browser: Browser, demo: Service) -> None:
    client, clinician = await in_session(browser, demo)

    await clinician.chat("The number is 555-0142 <b>")
    await client.page.locator(".unread").filter(has_text="1").wait_for()
    await client.open_chat()
    await client.page.locator(".chat-lines .theirs").filter(has_text="The number is 555-0142 <b>").wait_for()
    assert await client.page.locator(".unread").is_hidden()
    await client.chat("Thank you")
    await clinician.page.locator(".chat-lines .theirs").filter(has_text="Thank you").wait_for()

    await client.page.reload()
    await client.screen("session")
    await client.open_chat()
    await client.page.get_by_text("No messages yet.").wait_for()
    assert "555-0142" not in demo.log()
    assert (clinician.wrong, client.wrong) == ([], [])


async def test_whose_seat_was_given_away_while_they_were_gone_comes_in_by_starting_again(
    browser: Browser, demo: Service
) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client, walk_in = [await Client.at(browser, demo.url, PHONE) for _ in range(2)]
    await clinician.sign_in(**doctor["sign_in"])
    await client.open(link)
    await client.check_devices()

    async def welcomed() -> bool:
        kept = "Object.values(sessionStorage).some((text) => text.includes('con_'))"
        return bool(await client.page.evaluate(kept))

    await eventually(welcomed)
    await client.page.goto("about:blank")

    await walk_in.knock(doctor["id"], "R. M.")
    await clinician.page.get_by_role("dialog").get_by_role("button", name="Match to appointment…").click()
    dialog = clinician.page.get_by_role("dialog").filter(has_text="Who is R. M.?")
    await dialog.get_by_role("radio", name=name).check()
    await dialog.get_by_role("button", name="Start Session").click()
    await walk_in.screen("session")

    await client.page.goto(link)
    await client.page.get_by_text("start again, or contact the practice").wait_for()
    await client.page.get_by_role("heading", name="Contact").wait_for()
    await client.click("Start again")
    await client.click("Check camera and microphone")
    await client.click("Use this device")
    await client.screen("session")
    await client.sees_and_hears()
    await walk_in.page.get_by_text("Your visit is open on another device").wait_for()
