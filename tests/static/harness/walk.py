"""Walks through every screen of both pages in a real browser, takes pictures, fails on any complaint."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


class Walk:
    """One walk: where the pages are, where the pictures go, what the browser complained of."""

    def __init__(self, browser: Browser, url: str, out: Path) -> None:
        self.browser, self.url, self.out = browser, url, out
        self.complaints: list[str] = []

    @contextmanager
    def page(
        self, size: dict[str, int], scheme: str = "light", language: str = "en", devices: bool = True
    ) -> Iterator[Page]:
        """Open a browser of its own."""
        context = self.browser.new_context(viewport=size, color_scheme=scheme, locale=language)
        if devices:
            context.grant_permissions(["camera", "microphone"])
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on("console", lambda m: m.type in ("error", "warning") and self.complain(m.text))
        page.on("pageerror", lambda e: self.complain(f"{e.message} {e.stack}"))
        page.on("request", lambda r: self.check_request(r.url))
        yield page
        context.close()

    def complain(self, text: str) -> None:
        """Note a complaint, except that of the one answer that is expected: not signed in yet."""
        if "401" not in text and "404" not in text:
            self.complaints.append(text)

    def check_request(self, url: str) -> None:
        """Nobody else is called."""
        if urlsplit(url).netloc not in ("", urlsplit(self.url).netloc):
            self.complaints.append(f"foreign request {url}")

    def script(self, **asked: object) -> None:
        """Tell the stand-in what to do."""
        request = urllib.request.Request(
            f"{self.url}/_script", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).read()

    def picture(self, page: Page, name: str) -> None:
        """Take a picture, and check that nothing is wider than the window."""
        page.wait_for_timeout(350)
        page.screenshot(path=self.out / f"{name}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.complaints.append(f"{name} is {wide}px too wide")
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, input, a')]"
            ".filter(e => e.checkVisibility() && !e.closest('p, li, label')"
            " && e.getBoundingClientRect().height < 35).map(e => e.outerHTML.slice(0, 80))"
        )
        if small:
            self.complaints.append(f"{name} has small targets {small}")


def screen(page: Page, name: str) -> None:
    """Wait for a screen."""
    expect(page.locator(f"main[data-screen={name}]")).to_be_visible()


def press(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).first.click()


def check_in(page: Page, name: str | None = None) -> None:
    """Fill in the form."""
    if name:
        page.get_by_label("Your name").fill(name)
    page.locator("[name=state]").select_option("CO")
    page.locator("[name=kind][value=home]").check()
    page.locator("[name=privacy]").check()
    page.locator("[name=consent]").check()
    press(page, "Check in")
    screen(page, "waiting")


def connected(page: Page) -> None:
    """Wait until a peer is connected and the other's picture is there; `wait_for_function` needs eval."""
    for _ in range(80):
        if page.evaluate(
            "() => carelobby.peers().some(p => p.connectionState === 'connected')"
            " && document.querySelector('video[data-remote]')?.videoWidth > 0"
        ):
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.evaluate("() => carelobby.peers().map(p => [p.connectionState, p.signalingState])"))


def whole_visit(walk: Walk, size: dict[str, int], tag: str, scheme: str = "light") -> None:
    """Join, wait, start, talk, end, rejoin, finish."""
    walk.script(reset=True)
    shot = lambda page, name: walk.picture(page, f"{tag}-{name}")  # noqa: E731 - short, and used twenty times
    with (
        walk.page(size, scheme) as provider,
        walk.page(size, scheme) as client,
        walk.page(size, scheme) as second,
    ):
        client.goto(f"{walk.url}/join#ana-token")
        expect(client.get_by_role("button", name="Check camera and microphone")).to_be_visible()
        assert "ana-token" not in client.url
        shot(client, "01-welcome")
        press(client, "Having trouble?")
        shot(client, "02-help")
        press(client, "Close")
        press(client, "Check camera and microphone")
        screen(client, "devices")
        client.wait_for_timeout(1500)
        shot(client, "03-devices")
        press(client, "Continue")
        screen(client, "check-in")
        shot(client, "04-check-in")
        press(client, "Check in")
        shot(client, "05-check-in-missing")

        provider.goto(f"{walk.url}/provider")
        screen(provider, "sign-in")
        shot(provider, "20-sign-in")
        provider.get_by_label("Username").fill("maya")
        provider.get_by_label("Password").fill("wrong")
        press(provider, "Sign in")
        expect(provider.get_by_role("alert")).not_to_be_empty()
        provider.get_by_label("Password").fill("right")
        press(provider, "Sign in")
        screen(provider, "room")
        shot(provider, "21-room-empty")

        check_in(client)
        shot(client, "06-waiting")
        expect(provider.get_by_role("heading", name="Ana Lopez is ready")).to_be_visible()
        shot(provider, "22-ready")
        press(provider, "Not now")
        provider.locator("[name=status]").select_option("late")
        expect(client.get_by_text("running about 10 minutes late")).to_be_visible()
        press(provider, "Message")
        provider.get_by_role("textbox").fill("I will be with you in a moment.")
        shot(provider, "23-message")
        press(provider, "Send")
        press(client, "Step away for a moment")
        expect(client.get_by_text("You have stepped away")).to_be_visible()
        second.goto(f"{walk.url}/p/demo/telehealth")
        shot(second, "07-lobby")
        press(second, "Check camera and microphone")
        press(second, "Continue")
        check_in(second, "Jo Park")
        expect(provider.get_by_role("heading", name="Jo Park is ready")).to_be_visible()
        press(provider, "Not now")
        shot(provider, "24-room")
        shot(client, "08-waiting-message")
        press(client, "I am back")
        walk.script(drop="ana", code=4001)
        client.wait_for_timeout(1200)
        client.reload()
        screen(client, "waiting")
        shot(client, "09-waiting-reloaded")
        with client.expect_popup() as opened:
            client.evaluate("() => void window.open(location.href)")
        copy = opened.value  # with a copy of the tab's memory
        expect(copy.get_by_role("button", name="Check camera and microphone")).to_be_visible()
        press(copy, "Check camera and microphone")
        screen(copy, "trouble")
        copy.close()
        screen(client, "waiting")

        provider.get_by_role("button", name="Start Session").first.click()
        screen(client, "session")
        screen(provider, "session")
        connected(client)
        connected(provider)
        client.wait_for_timeout(500)
        shot(client, "10-session")
        shot(provider, "25-session")
        press(client, "Settings")
        shot(client, "11-session-settings")
        press(client, "Close")
        press(client, "Microphone")
        press(provider, "Camera")
        expect(provider.get_by_text("Muted")).to_be_visible()
        shot(client, "12-session-camera-off")
        press(provider, "Camera")
        walk.script(participant="prv", change={"presence": "gone"})
        shot(client, "13-session-other-gone")
        walk.script(participant="prv", change={"presence": "connected"})
        with walk.page(size, scheme) as third:
            third.goto(f"{walk.url}/join#ben-token")
            press(third, "Check camera and microphone")
            screen(third, "devices")
            press(third, "Continue without camera")
            check_in(third)
            shot(third, "14-waiting-audio")
            expect(provider.get_by_text("Benjamin Okafor-Whitfield is ready")).to_be_visible()
            shot(provider, "26-session-banner")
        client.get_by_role("button", name="Settings").click()
        client.locator("[name=audio_only]").check()
        press(client, "Close")
        expect(provider.locator(".badge", has_text="Audio only")).to_be_visible()
        client.wait_for_timeout(2000)
        shot(client, "19-session-audio-only")
        client.get_by_role("button", name="Settings").click()
        client.locator("[name=audio_only]").uncheck()
        press(client, "Close")
        expect(provider.locator(".badge", has_text="Audio only")).to_have_count(0)
        connected(client)
        walk.script(drop="ana", code=1011)
        client.wait_for_timeout(1500)
        press(client, "End Session")
        shot(client, "15-end-confirm")
        press(client, "End for everyone")
        screen(client, "ended")
        screen(provider, "ended")
        shot(client, "16-ended")
        shot(provider, "27-ended")
        press(client, "Rejoin Session")
        expect(provider.get_by_text("would like to rejoin")).to_be_visible()
        shot(client, "17-ended-waiting")
        shot(provider, "28-ended-invited")
        press(provider, "Rejoin Session")
        screen(client, "session")
        connected(client)
        connected(provider)
        client.reload()
        screen(client, "session")
        connected(client)
        press(provider, "End Session")
        press(provider, "End for everyone")
        screen(provider, "ended")
        press(provider, "Finish Session")
        screen(client, "closed")
        screen(provider, "room")
        shot(client, "18-closed")
        shot(provider, "29-room-after")


def tab_to(page: Page, name: str) -> None:
    """Go to what has that name with the Tab key alone."""
    label = "(e => (e.labels?.[0] ?? e).innerText ?? e.ariaLabel ?? '')(document.activeElement)"
    for _ in range(40):
        page.keyboard.press("Tab")
        if name in page.evaluate(label):
            return
    raise AssertionError(f"no way to {name} by keyboard")


def at_heading(page: Page, name: str) -> None:
    """Wait for a screen; it begins at its heading."""
    screen(page, name)
    assert page.evaluate("document.activeElement.tagName") == "H1", name


def by_keyboard(walk: Walk) -> None:
    """A whole visit without a mouse, on both sides."""
    walk.script(reset=True)
    with walk.page(DESK) as client, walk.page(DESK) as provider:
        client.goto(f"{walk.url}/join#ana-token")
        expect(client.get_by_role("button", name="Check camera and microphone")).to_be_visible()
        for button, next_screen in (("Check camera and microphone", "devices"), ("Continue", "check-in")):
            tab_to(client, button)
            client.keyboard.press("Enter")
            at_heading(client, next_screen)
            client.wait_for_timeout(1200)
        tab_to(client, "State or territory")
        client.keyboard.type("Colorado")
        tab_to(client, "At home")
        client.keyboard.press("Space")
        tab_to(client, "I have read this")
        client.keyboard.press("Space")
        client.keyboard.press("Enter")
        at_heading(client, "waiting")
        provider.goto(f"{walk.url}/provider")
        screen(provider, "sign-in")
        tab_to(provider, "Username")
        provider.keyboard.type("maya")
        tab_to(provider, "Password")
        provider.keyboard.type("right")
        provider.keyboard.press("Enter")
        expect(provider.get_by_role("heading", name="Ana Lopez is ready")).to_be_focused()
        tab_to(provider, "Start Session")
        provider.keyboard.press("Enter")
        at_heading(provider, "session")
        at_heading(client, "session")
        tab_to(client, "End Session")
        client.keyboard.press("Enter")
        expect(client.get_by_role("button", name="Keep talking")).to_be_focused()
        client.keyboard.press("Escape")
        screen(client, "session")
        client.keyboard.press("Enter")
        tab_to(client, "End for everyone")
        client.keyboard.press("Enter")
        at_heading(client, "ended")
        at_heading(provider, "ended")


def media_that_fail(walk: Walk, size: dict[str, int], tag: str) -> None:
    """Media do not connect: the practice's other way is shown, and the session can still be ended."""
    walk.script(reset=True, refuse_media=True)
    with walk.page(size) as client, walk.page(size) as provider:
        client.goto(f"{walk.url}/join#ana-token")
        press(client, "Check camera and microphone")
        press(client, "Continue")
        check_in(client)
        provider.goto(f"{walk.url}/provider")
        provider.get_by_label("Username").fill("maya")
        provider.get_by_label("Password").fill("right")
        press(provider, "Sign in")
        press(provider, "Start Session")
        expect(client.get_by_text("You can also continue here")).to_be_visible()
        walk.picture(client, f"{tag}-48-no-media")
        provider.reload()
        screen(provider, "session")
        press(provider, "End Session")
        press(provider, "End for everyone")
        screen(client, "ended")
    walk.script(refuse_media=False)


def odd_screens(walk: Walk, size: dict[str, int], tag: str) -> None:
    """What is seen when things go wrong."""
    walk.script(reset=True)
    with walk.page(size) as page:
        page.goto(walk.url)
        walk.picture(page, f"{tag}-40-index")
        page.goto(f"{walk.url}/join#nobody")
        screen(page, "trouble")
        walk.picture(page, f"{tag}-41-bad-link")
    with walk.page(size) as page:
        refusing = "async () => { throw new DOMException('', 'NotAllowedError') }"
        page.add_init_script(f"navigator.mediaDevices.getUserMedia = {refusing}")
        page.goto(f"{walk.url}/join#ana-token")
        press(page, "Check camera and microphone")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        walk.picture(page, f"{tag}-42-blocked")
    with walk.page(size) as page, walk.page(size) as other:
        page.goto(f"{walk.url}/join#ana-token")
        press(page, "Check camera and microphone")
        page.wait_for_timeout(500)
        other.goto(f"{walk.url}/join#ana-token")
        press(other, "Check camera and microphone")
        screen(other, "trouble")
        walk.picture(other, f"{tag}-43-displaced")
        press(other, "Use this device")
        screen(other, "check-in")
        screen(page, "trouble")
    media_that_fail(walk, size, tag)
    for language in ("ar", "es"):
        walk.script(reset=True)
        with walk.page(size, language=language) as page:
            page.goto(f"{walk.url}/join#ana-token")
            page.locator(".primary.large").wait_for()
            walk.picture(page, f"{tag}-44-welcome-{language}")
            page.locator(".primary.large").click()
            screen(page, "devices")
            page.wait_for_timeout(1200)
            walk.picture(page, f"{tag}-45-devices-{language}")
            page.locator(".card > .actions .primary").click()
            screen(page, "check-in")
            walk.picture(page, f"{tag}-46-check-in-{language}")
            page.locator("[name=state]").select_option("CO")
            page.locator("[name=kind][value=home]").check()
            page.locator("[name=consent]").check()
            page.locator("[type=submit]").click()
            screen(page, "waiting")
            walk.picture(page, f"{tag}-47-waiting-{language}")


def main() -> int:
    """Walk, and say what the browser complained of."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", default="http://127.0.0.1:8765")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--chromium", default="/usr/bin/chromium")
    options.add_argument("--only", default="", help="a part of a walk's name")
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=ARGS)
        walk = Walk(browser, given.url, given.out)
        walks = {
            "visit-desk": lambda: whole_visit(walk, DESK, "desk"),
            "visit-phone": lambda: whole_visit(walk, PHONE, "phone"),
            "visit-dark": lambda: whole_visit(walk, PHONE, "dark", "dark"),
            "keyboard": lambda: by_keyboard(walk),
            "odd-phone": lambda: odd_screens(walk, PHONE, "phone"),
            "odd-desk": lambda: odd_screens(walk, DESK, "desk"),
        }
        for name, steps in walks.items():
            if given.only in name:
                steps()
                print(name, "ok")
        browser.close()
    for complaint in walk.complaints:
        print("complaint:", complaint)
    return 1 if walk.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
