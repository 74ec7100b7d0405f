"""Two people without the server between them, where their practice wants it so; and back to it without a hole."""

from __future__ import annotations

import time

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import Person, ehr, end, eventually, in_session, records, rejoin
from tests.browser.screens import can_share, sees_screen
from tests.stories.service import Service

PAIRS = """async () => {
  const found = [];
  for (const peer of window.carelobby.peers()) {
    const stats = await peer.getStats();
    for (const {type, selectedCandidatePairId} of stats.values()) {
      if (type !== "transport" || !selectedCandidatePairId) continue;
      const pair = stats.get(selectedCandidatePairId);
      found.push([stats.get(pair.localCandidateId).port, stats.get(pair.remoteCandidateId).port]);
    }
  }
  return found;
}"""
"""The ports of each connection here: own and other."""

WATCH = """() => {
  const video = document.querySelector("call-tile video");
  window.gap = 0;
  let last = performance.now();
  const seen = () => { window.gap = Math.max(window.gap, performance.now() - last); last = performance.now();
                       video.requestVideoFrameCallback(seen); };
  video.requestVideoFrameCallback(seen);
}"""

NO_WAY = """{
  const Whole = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Whole {
    addIceCandidate() { return Promise.reject(new Error("blocked")); }
    setRemoteDescription({type, sdp}) {
      const browsers = sdp.includes("IN IP4 127.0.0.1"); // as they all begin; the server's do not
      return super.setRemoteDescription({type, sdp: browsers ? sdp.replaceAll(/a=candidate:.*\\r\\n/g, "") : sdp});
    }
    set onicecandidate(heard) { super.onicecandidate = heard && (() => heard({candidate: null})); }
  };
}"""
"""What one browser says of where it is, the other does not get to know; the server finds them all the same."""


@pytest_asyncio.fixture
async def direct(demo: Service) -> Service:
    """The demo practice wants media to go from browser to browser."""
    key = {"Authorization": f"Bearer {demo.told['operator_key']}"}
    body = {"name": "Cedar Hill Counseling (demo)", "consent": {"version": "1"}, "policies": {"media": "direct"}}
    async with httpx.AsyncClient(base_url=demo.url, headers=key) as operator:
        answer = await operator.put(f"/v1/practices/{demo.told['practice']}", json=body)
    assert answer.status_code == 200, answer.text
    # It holds for appointments that are made from now on.
    doctor, now = demo.told["providers"][0]["id"], round(time.time() * 1000)
    plan = {"providers": [doctor], "clients": [{"id": "riley", "name": "Riley"}], "start": now, "duration_minutes": 50}
    made = await ehr(demo, "PUT", "/v1/appointments/without-the-server", plan)
    demo.told["appointments"] = [{"id": "without-the-server", "provider": doctor, "group": False, **made}]
    return demo


async def are_alone(client: Person, clinician: Person) -> None:
    """Make sure that the one connection of each leads to the other."""
    ((mine, theirs),) = await client.page.evaluate(PAIRS)
    assert await clinician.page.evaluate(PAIRS) == [[theirs, mine]]


async def audio_only_and_back(one: Person, other: Person) -> None:
    """Who chooses audio only sends no picture; the voice goes on, and the picture comes back."""
    await one.click("Audio only")
    await other.page.get_by_text("Audio only").filter(visible=True).first.wait_for()
    await other.sees_and_hears(video=False)
    await one.click("Audio only")
    for person in (other, one):
        await person.sees_and_hears()


async def test_two_people_are_connected_without_the_server_end_and_rejoin(browser: Browser, direct: Service) -> None:
    client, clinician = await in_session(browser, direct)
    await clinician.sees_and_hears()
    await are_alone(client, clinician)
    echoed = await direct.figure("media_packets_forwarded_total")  # by the device check
    await clinician.page.locator(".way").get_by_text("Direct").wait_for()

    await audio_only_and_back(clinician, client)

    await end(client)
    await clinician.screen("ended")
    for person in (client, clinician):
        await person.is_out()
    await rejoin(clinician, client)
    await are_alone(client, clinician)

    await end(clinician)
    await clinician.click("Finish Session")
    await clinician.screen("room")
    assert await direct.figure("media_packets_forwarded_total") == echoed
    (record,) = await records(direct)
    (told,) = record["facts"]["clients"]
    assert told["connected_ms"]["video"] > 1000
    assert told["connected_ms"]["audio"] > 0
    assert {interval["source"] for interval in told["intervals"]} == {"browser"}
    assert (client.wrong, clinician.wrong) == ([], [])


@pytest.mark.parametrize(
    "browsers",
    [("chromium", "firefox"), ("firefox", "chromium"), ("firefox", "firefox")],
    ids=lambda pair: f"client-{pair[0]}-provider-{pair[1]}",
    indirect=True,
)
async def test_browsers_of_different_make_meet_without_the_server(browsers: list[Browser], direct: Service) -> None:
    theirs, ours = browsers
    client, clinician = await in_session(ours, direct, clients=theirs)
    await clinician.sees_and_hears()
    echoed = await direct.figure("media_packets_forwarded_total")
    await clinician.page.locator(".way").get_by_text("Direct").wait_for()

    await audio_only_and_back(clinician, client)

    await end(client)
    await clinician.screen("ended")
    await rejoin(clinician, client)

    assert await direct.figure("media_packets_forwarded_total") == echoed
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_a_reload_finds_the_other_again(browser: Browser, direct: Service) -> None:
    client, clinician = await in_session(browser, direct)

    for person in (client, clinician):
        await person.page.reload()
        await person.screen("session")
        for one in (client, clinician):
            await one.sees_and_hears()


async def test_the_server_takes_over_while_the_picture_goes_on(browser: Browser, direct: Service) -> None:
    client, clinician = await in_session(browser, direct)
    await clinician.sees_and_hears()
    echoed = await direct.figure("media_packets_forwarded_total")
    for person in (client, clinician):
        await person.note_media()
        await person.page.evaluate(WATCH)

    # As a browser does that sees its way to the other one fail.
    await clinician.page.evaluate("""() => {
      const [peer] = window.carelobby.peers();
      Object.defineProperty(peer, "connectionState", {get: () => "failed"});
      peer.onconnectionstatechange();
    }""")

    for person in (client, clinician):
        await person.has_other_media()
        await person.sees_and_hears()
        gap = await person.page.evaluate("window.gap")
        print(f"largest gap between two pictures: {gap:.0f} ms")
        assert gap < 2_000
    assert await direct.figure("media_packets_forwarded_total") > echoed + 100
    await end(client)
    await clinician.screen("ended")
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_a_shared_screen_brings_the_server_in(browser: Browser, direct: Service) -> None:
    client, clinician = await in_session(browser, direct)
    await clinician.sees_and_hears()
    echoed = await direct.figure("media_packets_forwarded_total")
    await can_share(clinician)

    await clinician.click("Share screen")

    await sees_screen(client)
    for person in (client, clinician):
        await person.sees_and_hears()
    assert await direct.figure("media_packets_forwarded_total") > echoed + 100
    assert (client.wrong, clinician.wrong) == ([], [])


async def test_browsers_that_find_no_way_to_each_other_go_through_the_server(browser: Browser, direct: Service) -> None:
    client, clinician = await in_session(browser, direct, script=NO_WAY)

    await clinician.sees_and_hears()
    passed = await direct.figure("media_packets_forwarded_total")
    await client.sees_and_hears()
    assert await direct.figure("media_packets_forwarded_total") > passed + 20

    async def told() -> bool:
        return bool(await clinician.page.locator(".way").evaluate("way => way.hidden"))

    await eventually(told)
    assert (client.wrong, clinician.wrong) == ([], [])
