"""Where UDP is blocked, a whole session goes through a TURN server, by TCP or TLS; nobody has to choose anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests import coturn
from tests.browser.conftest import browsing
from tests.browser.people import Person, end, in_session
from tests.coturn import Coturn
from tests.stories.service import Service
from tests.stories.worlds import alive

RELAY_ONLY = """{
  const Whole = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Whole {
    constructor(config) { super({...config, iceTransportPolicy: "relay"}); }
  };
}"""

WAYS = """async () => {
  const ways = [];
  for (const peer of window.carelobby.peers()) {
    const stats = await peer.getStats();
    for (const {type, selectedCandidatePairId} of stats.values()) {
      if (type !== "transport") continue;
      const {candidateType, relayProtocol} = stats.get(stats.get(selectedCandidatePairId).localCandidateId);
      ways.push([candidateType, relayProtocol]);
    }
  }
  return ways;
}"""

UDP_BLOCKED = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
ANY_CERTIFICATE = "--ignore-certificate-errors"


@pytest_asyncio.fixture
async def turn(tmp_path: Path) -> AsyncIterator[Coturn]:
    async with coturn.running(tmp_path) as running:
        yield running


async def whole_session(browser: Browser, service: Service, relay: str, *, script: str = "") -> None:
    """Start, see and hear, End, Rejoin and End, all through a relay that is reached by `relay`."""
    client, clinician = await in_session(browser, service, script=script)
    await check(client, clinician, relay)
    await end(clinician)
    await client.screen("ended")
    await client.click("Rejoin Session")
    await clinician.click("Rejoin Session")
    await check(client, clinician, relay)
    await end(client)
    await clinician.screen("ended")
    assert (client.wrong, clinician.wrong) == ([], [])


async def check(client: Person, clinician: Person, relay: str) -> None:
    for person in (client, clinician):
        await person.screen("session")
        await person.sees_and_hears()
        assert await person.page.evaluate(WAYS) == [["relay", relay]]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_session_through_the_relay_alone(chromium: str, turn: Coturn, tmp_path: Path, transport: str) -> None:
    service = Service(tmp_path / "var", environment=turn.environment(transport))
    async with browsing(chromium, ANY_CERTIFICATE) as browser, alive(service):
        await whole_session(browser, service, transport, script=RELAY_ONLY)


async def test_a_browser_that_may_send_no_udp_finds_the_way_by_itself(
    chromium: str, turn: Coturn, tmp_path: Path
) -> None:
    service = Service(tmp_path / "var", environment=turn.environment("udp", "tcp"))
    async with browsing(chromium, UDP_BLOCKED) as browser, alive(service):
        await whole_session(browser, service, "tcp")
