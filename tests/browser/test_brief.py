"""In the largest group a browser's offer is one that the server takes."""

from __future__ import annotations

from playwright.async_api import Browser

from server.media import offer
from tests.browser.people import DESKTOP, Client
from tests.stories.service import Service

OTHERS = 13
"""Twelve clients and two providers are in; one of them looks on."""

OFFERED = """async (others) => {
  const { brief } = await import("/static/lib/brief.js");
  const own = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const track of own.getTracks()) pc.addTransceiver(track, { direction: "sendrecv" });
  for (let n = 1; n < others; n++) {
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
  }
  pc.addTransceiver("video", { direction: "recvonly" }); // a screen
  await pc.setLocalDescription();
  const { sdp } = pc.localDescription;
  pc.close();
  return [sdp, brief(sdp)];
}"""


async def test_an_offer_for_the_largest_group_is_short_enough_and_says_all_that_is_read(
    browser: Browser, demo: Service
) -> None:
    client = await Client.at(browser, demo.url, DESKTOP)
    await client.page.goto(f"{demo.url}/p/demo/telehealth")

    whole, sent = await client.page.evaluate(OFFERED, OTHERS)

    assert len(whole) > offer.LARGEST, "then nothing has to be left out any more"
    assert len(sent) < 0.95 * offer.LARGEST
    read = offer.read(sent)
    assert [line.usable for line in read.lines] == [True] * (2 * OTHERS + 1)
    assert {codec.name for codec in read.lines[1].formats.codecs} == {"vp8", "h264", "rtx"}
    first, second = read.lines[:2]
    assert first.ssrc and second.ssrc and second.rtx_ssrc and first.cname == second.cname
