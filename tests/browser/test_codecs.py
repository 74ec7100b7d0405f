"""What the pictures and voices are made of: H264 as well as VP8, silence that is not sent, how loud each one is."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser

from server.media.alive import PATIENCE
from tests.browser.people import DESKTOP, Client, Clinician, end, join_urls, records
from tests.stories.service import Service

ONLY_H264 = """() => {
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (track, init) {
    const line = add.call(this, track, init);
    const { kind } = line.receiver.track;
    const known = RTCRtpReceiver.getCapabilities(kind).codecs;
    if (kind === "video") line.setCodecPreferences(known.filter(({ mimeType }) => /H264|rtx/i.test(mimeType)));
    return line;
  };
}"""

CODECS = """async () => {
  const found = new Set();
  for (const peer of window.carelobby.peers()) {
    const stats = await peer.getStats();
    for (const report of stats.values())
      if (report.type === "inbound-rtp" && report.packetsReceived) found.add(stats.get(report.codecId)?.mimeType);
  }
  return [...found].sort();
}"""

SILENCE = PATIENCE + 2
"""Seconds; longer than nothing may be heard of somebody who is there."""
VOICE, SILENT = 40, 15
"""Packets a second, at least and at most: a voice makes 50, and silence a few for the sound of the room."""


async def test_h264_goes_through_where_it_is_what_both_have(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, DESKTOP)
    for person in (client, clinician):
        await person.page.add_init_script(f"({ONLY_H264})()")
    await clinician.sign_in(**doctor["sign_in"])
    await client.arrive(link)
    await clinician.start(name)

    for person in (client, clinician):
        await person.sees_and_hears()
        assert await person.page.evaluate(CODECS) == ["audio/opus", "video/H264"]
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_silence_is_not_sent_and_is_no_gap(browser: Browser, demo: Service) -> None:
    doctor = demo.told["providers"][0]
    (_, name, link), *_ = [one for one in join_urls(demo.told) if one[0] == doctor["id"]]
    clinician = await Clinician.at(browser, demo.url, DESKTOP)
    client = await Client.at(browser, demo.url, DESKTOP)
    await clinician.sign_in(**doctor["sign_in"])
    await client.open(link)
    await client.check_devices()
    await client.check_in(camera=False)
    await clinician.start(name)
    for person in (client, clinician):
        await person.sees_and_hears(video=False)
    assert await packets_a_second(client, 2) > VOICE

    await client.click("Microphone")
    await asyncio.sleep(1)
    assert await packets_a_second(client, SILENCE) < SILENT
    await client.click("Microphone")
    await clinician.sees_and_hears(video=False)

    await end(clinician)
    await clinician.click("Finish Session")
    await clinician.screen("room")
    (record,) = await records(demo)
    (told,) = record["facts"]["clients"]
    assert [interval["modality"] for interval in told["intervals"]] == ["audio"]
    assert told["connected_ms"]["audio"] > 1000 * SILENCE
    assert (client.wrong, clinician.wrong) == ([], [])


async def packets_a_second(client: Client, seconds: float) -> float:
    """Return how many packets of sound are sent, counted for so long."""
    before = await client.counted("outbound-rtp", "audio", "packetsSent")
    await asyncio.sleep(seconds)
    return (await client.counted("outbound-rtp", "audio", "packetsSent") - before) / seconds
