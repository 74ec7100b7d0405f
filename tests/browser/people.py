"""A client and a provider at their browsers: what they click, and what their browsers decode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.browser.weather import Weather
from tests.stories.service import Service

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}

DECODED = """async () => {
  const sum = {video: 0, audio: 0, sent: 0};
  for (const peer of window.carelobby.peers()) {
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "video") sum.video += report.framesDecoded ?? 0;
      if (report.type === "inbound-rtp" && report.kind === "audio") sum.audio += report.totalSamplesReceived ?? 0;
      if (report.type === "outbound-rtp") sum.sent += report.packetsSent ?? 0;
    }
  }
  return sum;
}"""

COUNTED = """async ([type, kind, figure]) => {
  let sum = 0;
  for (const peer of window.carelobby.peers())
    for (const report of (await peer.getStats()).values())
      if (report.type === type && report.kind === kind) sum += report[figure];
  return sum;
}"""

KEEP = """() => { window.before = {
    peers: window.carelobby.peers(), screen: document.querySelector("main[data-screen] > *")}; }"""
MOVED = """() => window.carelobby.peers().length > 0
    && window.carelobby.peers().every((peer) => !window.before.peers.includes(peer))"""

SMALLEST = """() => Math.min(...[...document.querySelectorAll("call-tile")]
    .map((tile) => Math.min(tile.clientWidth, tile.clientHeight)))"""
LEAST = 80
"""px that each of the others is shown in, at least."""


@dataclass
class Person:
    """Somebody at a browser of their own. Whatever their console says that is wrong is kept."""

    context: BrowserContext
    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Browser, url: str, size: dict[str, int]) -> Self:
        context = await browser.new_context(viewport=size, permissions=["camera", "microphone"])  # type: ignore[arg-type]
        person = cls(context, await context.new_page(), url)
        person.page.set_default_timeout(20_000)
        person.page.on("console", person._console)
        person.page.on("pageerror", lambda error: person.wrong.append(f"error: {error}"))
        person.page.on("request", person._request)
        return person

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, self.url.replace("http", "ws", 1), "blob:", "data:")):
            self.wrong.append(f"foreign request: {request.url.partition('?')[0]}")

    async def click(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def screen(self, name: str) -> None:
        """Wait until a screen is shown."""
        await self.page.locator(f'main[data-screen="{name}"]').wait_for()

    async def decoded(self) -> dict[str, int]:
        """Return what this browser's present peers decoded so far: video frames, audio samples; and packets sent."""
        return dict(await self.page.evaluate(DECODED))

    async def counted(self, type: str, kind: str, figure: str) -> int:
        """Return what this browser's present peers counted so far, over all their lines of a kind."""
        return int(await self.page.evaluate(COUNTED, [type, kind, figure]))

    async def sees_and_hears(self, *, video: bool = True) -> dict[str, int]:
        """Wait until decoded sound, and picture, rise, in a place one can see; return the figures."""
        before = await self.decoded()

        async def risen() -> bool:
            nonlocal before
            now = await self.decoded()
            if any(now[figure] < before[figure] for figure in now):
                before = now  # new peers have taken the place of others, and count from nothing
            return now["audio"] > before["audio"] + 48_000 // 2 and (not video or now["video"] > before["video"] + 5)

        await eventually(risen)
        assert await self.page.evaluate(SMALLEST) >= LEAST
        return await self.decoded()

    async def note_media(self) -> None:
        """Note the peers and the screen as they are."""
        await self.page.evaluate(KEEP)

    async def has_other_media(self) -> None:
        """Wait until no peer that was noted is left, and new ones are there; on the very same screen."""

        async def moved() -> bool:
            return bool(await self.page.evaluate(MOVED))

        await eventually(moved, 30)
        assert await self.page.evaluate("window.before.screen.isConnected"), "the screen was left meanwhile"

    async def is_out(self) -> None:
        """Make sure that nothing of a session is open here."""
        assert await self.page.evaluate("window.carelobby.peers().length") == 0

    async def open_chat(self) -> None:
        await self.page.get_by_role("button", name="Chat").click()

    async def chat(self, text: str) -> None:
        """Write a line to the others; the chat is opened if it is not."""
        field = self.page.get_by_label("Your message")
        if not await field.is_visible():
            await self.open_chat()
        await field.fill(text)
        await field.press("Enter")
        await self.page.locator(".chat-lines .mine").filter(has_text=text).wait_for()


class Client(Person):
    """Somebody who was sent a link."""

    async def open(self, link: str) -> None:
        await self.page.goto(link)
        await self.screen("welcome")

    async def check_devices(self) -> None:
        await self.click("Check camera and microphone")
        await self.screen("devices")

    async def check_in(self, *, state: str = "CO", name: str | None = None, camera: bool = True) -> None:
        await self.click("Continue" if camera else "Continue without camera")
        await self.screen("check-in")
        if name is not None:
            await self.page.locator("[name=display_name]").fill(name)
        await self.page.locator("[name=state]").select_option(state)
        await self.page.locator("[name=kind][value=home]").check()
        await self.page.locator("[name=privacy]").check()
        await self.page.locator("[name=consent]").check()
        await self.click("Check in")
        await self.screen("waiting")

    async def knock(self, provider: str, name: str) -> None:
        """Come without a link, by the practice's own page, into the waiting room."""
        await self.page.goto(f"{self.url}/p/demo/telehealth")
        await self.screen("welcome")
        await self.page.get_by_label("Who are you seeing?").select_option(provider)
        await self.check_devices()
        await self.check_in(name=name)

    async def arrive(self, link: str) -> None:
        """Do everything from the link to the waiting room."""
        await self.open(link)
        await self.check_devices()
        await self.check_in()


class Clinician(Person):
    """A provider."""

    async def sign_in(self, username: str, password: str) -> None:
        await self.page.goto(f"{self.url}/provider")
        await self.screen("sign-in")
        await self.page.locator("[name=username]").fill(username)
        await self.page.locator("[name=password]").fill(password)
        await self.click("Sign in")
        await self.screen("room")

    async def start(self, client: str) -> None:
        """Click Start Session in the notice that this client is ready."""
        notice = self.page.get_by_role("dialog").filter(has_text=f"{client} is ready")
        await notice.wait_for()
        await notice.get_by_role("button", name="Start Session", exact=True).click()
        await self.screen("session")


async def in_session(
    browser: Browser, service: Service, *, script: str = "", clients: Browser | None = None, way: Weather | None = None
) -> tuple[Client, Clinician]:
    """Bring a client at a phone and a provider at a desk into a session, seeing and hearing each other.

    `script` is run in their pages before all else. The client may have a browser of their own, `clients`, and
    their media a way of their own.
    """
    doctor = service.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(service.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, service.url, DESKTOP)
    client = await Client.at(clients or browser, service.url, PHONE)
    for person in (clinician, client):
        await person.context.add_init_script(script)
    if way is not None:
        await way.over(client.page)
    await clinician.sign_in(**doctor["sign_in"])
    await client.arrive(link)
    await clinician.start(name)
    for person in (client, clinician):
        await person.sees_and_hears()
    return client, clinician


async def rejoin(*people: Person) -> None:
    """Let all of them choose it, one after the other; return when they are in the session again."""
    for person in people:
        await person.click("Rejoin Session")
    for person in people:
        await person.screen("session")
        await person.sees_and_hears()


async def ehr(service: Service, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask something of the API as the demo practice's own program."""
    key = {"Authorization": f"Bearer {service.told['api_key']}"}
    async with httpx.AsyncClient(base_url=service.url, headers=key) as client:
        answer = await client.request(method, path, json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def book(service: Service, provider: str, number: int) -> tuple[str, str]:
    """Have a client come to a provider now; return their name and their link."""
    name = f"Client Number {number}"
    answer = await ehr(
        service,
        "PUT",
        f"/v1/appointments/number-{number}",
        {
            "providers": [provider],
            "clients": [{"id": f"client-{number}", "name": name}],
            "start": int(time.time() * 1000),
            "duration_minutes": 50,
        },
    )
    return name, answer["clients"][0]["join_url"]


async def book_group(service: Service, provider: str, clients: int) -> list[str]:
    """Have a group come to a provider now; return the links of its clients."""
    members = [{"id": f"member-{number}", "name": f"Member Number {number}"} for number in range(1, clients + 1)]
    answer = await ehr(
        service,
        "PUT",
        "/v1/appointments/group",
        {
            "providers": [provider],
            "clients": members,
            "start": int(time.time() * 1000),
            "duration_minutes": 90,
            "group": True,
        },
    )
    return [client["join_url"] for client in answer["clients"]]


async def records(service: Service) -> list[dict[str, Any]]:
    """Return the records of closed visits, as soon as there is one: the ledger writes behind."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        found[:] = (await ehr(service, "GET", "/v1/records?after=0"))["records"]
        return bool(found)

    await eventually(there)
    return found


async def end(person: Person) -> None:
    """End the session, and mean it."""
    await person.click("End Session")
    await person.click("End for everyone")
    await person.screen("ended")


async def leave(person: Person) -> None:
    """Go out of a group's session, and mean it."""
    await person.click("Leave")
    await person.click("Leave the session")
    await person.screen("ended")


async def eventually(true: Callable[[], Awaitable[bool]], patience: float = 20.0) -> None:
    """Return as soon as something is true."""
    last = time.monotonic() + patience
    while not await true():
        assert time.monotonic() < last, "it did not become true in time"
        await asyncio.sleep(0.1)


def join_urls(told: dict[str, Any], *, group: bool = False) -> list[tuple[str, str, str]]:
    """Return (provider, client's name, join link) of the demo's appointments."""
    return [
        (appointment["provider"], client["name"], client["join_url"])
        for appointment in told["appointments"]
        if appointment["group"] == group
        for client in appointment["clients"]
    ]
