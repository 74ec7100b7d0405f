"""`python3 run.py pictures`: takes the README's pictures anew, from a real session of two browsers.

The cameras show a drawn sitter, since Chromium's own test picture looks like a fault.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.people import DESKTOP, PHONE, Client, Clinician, join_urls
from tests.stories.service import ROOT, Service

PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 640, 480


def sitter(path: Path, wall: tuple[int, int, int], coat: tuple[int, int, int]) -> None:
    """Write a still film of somebody in front of a wall, as YUV4MPEG2 (4:2:0); colours are Y, Cb, Cr."""
    skin, hair = (165, 112, 148), (48, 124, 132)

    def at(x: int, y: int) -> tuple[int, int, int]:
        if (x - 320) ** 2 / 88**2 + (y - 205) ** 2 / 112**2 <= 1 and y > 165 - abs(x - 320) // 6:
            return skin
        if (x - 320) ** 2 / 104**2 + (y - 188) ** 2 / 128**2 <= 1 and y < 260:
            return hair
        if 285 < x < 355 and 290 < y < 360:
            return skin
        if (x - 320) ** 2 / 215**2 + (y - 500) ** 2 / 175**2 <= 1:
            return coat
        return wall[0] + (x - 320) // 24 - (y - 240) // 20, wall[1], wall[2]

    pixels = [[at(x, y) for x in range(WIDTH)] for y in range(HEIGHT)]
    planes = bytes(p[0] for row in pixels for p in row)
    for part in (1, 2):
        planes += bytes(p[part] for row in pixels[::2] for p in row[::2])
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F15:1 Ip A1:1 C420jpeg\n".encode() + (b"FRAME\n" + planes) * 2)


async def main() -> None:
    """Play a session and take the pictures."""
    folder = Path(tempfile.mkdtemp())
    service = Service(folder / "var")
    await service.start()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    sitter(folder / "client.y4m", (176, 118, 134), (96, 140, 116))
    sitter(folder / "provider.y4m", (150, 132, 118), (118, 118, 120))
    try:
        async with async_playwright() as playwright:
            browsers = [
                await playwright.chromium.launch(
                    executable_path=chromium,
                    args=[*ARGUMENTS, f"--use-file-for-fake-video-capture={folder / film}"],
                )
                for film in ("client.y4m", "provider.y4m")
            ]
            await session(service, await Client.at(browsers[0], service.url, PHONE), browsers[1])
            for browser in browsers:
                await browser.close()
    finally:
        await service.stop()
        shutil.rmtree(folder)


async def session(service: Service, client: Client, browser: object) -> None:
    """Walk both through it."""
    doctor = service.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(service.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, service.url, DESKTOP | {"height": 810})  # type: ignore[arg-type]
    await clinician.sign_in(**doctor["sign_in"])
    await client.arrive(link)
    await client.page.wait_for_timeout(1500)
    await client.page.screenshot(path=PICTURES / "client-waiting.png")
    await clinician.page.screenshot(path=PICTURES / "provider-ready.png")
    await clinician.start(name)
    await clinician.sees_and_hears()
    await clinician.page.wait_for_timeout(4000)
    await client.page.screenshot(path=PICTURES / "client-session.png")
    await clinician.page.screenshot(path=PICTURES / "provider-session.png")


if __name__ == "__main__":
    asyncio.run(main())
