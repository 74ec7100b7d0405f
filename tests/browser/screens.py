"""Screens that are shared: a drawn one, and whether the others see it."""

from __future__ import annotations

from tests.browser.people import Person, eventually

# A browser without a display has no screens: this one answers with a drawn picture in blue, which no fake camera has.
DRAWN = """() => {
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
    const context = canvas.getContext("2d");
    let turn = 0;
    setInterval(() => {
      context.fillStyle = "rgb(0, 0, 200)";
      context.fillRect(0, 0, 1280, 720);
      context.fillStyle = "white";
      context.font = "90px sans-serif";
      context.fillText(`Lab results ${(turn += 1)}`, 120, 380);
    }, 100);
    const stream = canvas.captureStream(10);
    window.screenTrack = stream.getVideoTracks()[0];
    return stream;
  };
}"""

SHOWN = """() => {
  const video = document.querySelector("shared-screen:not([hidden]) video");
  if (!video?.videoWidth) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 8, 8, 0, 0, 1, 1);
  const tiles = [...document.querySelectorAll("call-tile")].map((tile) => tile.clientWidth * tile.clientHeight);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  const size = video.clientWidth * video.clientHeight;
  return { drawn: blue > 120 && red < 70 && green < 70, larger: size > 3 * Math.max(...tiles) };
}"""


async def can_share(person: Person) -> None:
    await person.page.evaluate(DRAWN)


async def sees_screen(person: Person) -> None:
    """Wait until somebody's screen is shown, larger than any face."""

    async def shown() -> bool:
        return bool(await person.page.evaluate(SHOWN) == {"drawn": True, "larger": True})

    await eventually(shown)


async def sees_none(person: Person) -> None:
    await person.page.locator("shared-screen").wait_for(state="hidden")
