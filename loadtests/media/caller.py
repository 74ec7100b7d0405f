"""A WebRTC peer without a browser: aiortc makes its handshake; packets are neither made nor decoded here.

It is what a media node is loaded with, so it must be cheap: what arrives is counted by its header, which is in the
clear, and one packet in `LOOK_EVERY` is opened, to see that it is right and how long it was on its way.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from loadtests.media.tally import Tally
from loadtests.media.traffic import LEVEL, SEND_TIME, WIDE, WIDE_ID, Clip, Stream

LOOK_EVERY: Final = 50
HOST: Final = "127.0.0.1"
VIDEO_CODECS: Final = RTCRtpSender.getCapabilities("video").codecs


class Caller:
    """One peer. `offer`, `accept`, wait until it is `connected`, then `send`."""

    def __init__(self, lines: Sequence[tuple[str, str]], *, profile: str | None = None, loopback: bool = True) -> None:
        """`lines`: kind and direction of each. `profile`: the SRTP profile to insist on, by OpenSSL's name.

        `loopback`: use 127.0.0.1; otherwise the machine's own address, which is as near.
        """
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.connection = RTCPeerConnection(configuration)
        self.connected_at: float | None = None
        self.tally = Tally(LOOK_EVERY)
        self._loopback = loopback
        self._answer = ""
        self._send: Callable[[bytes], None] | None = None
        for kind, direction in lines:
            transceiver = self.connection.addTransceiver(kind)
            transceiver.receiver.receive = _nothing  # type: ignore[method-assign]
            transceiver.sender.send = _nothing  # type: ignore[method-assign]
            transceiver.direction = direction
            if direction == "recvonly" and kind == "video":  # a group's offer is long enough with what is used alone
                transceiver.setCodecPreferences([c for c in VIDEO_CODECS if c.mimeType in {"video/VP8", "video/rtx"}])
        self._dtls = self.connection.getTransceivers()[0].receiver.transport
        if profile is not None:
            self._dtls._srtp_profiles = [p for p in self._dtls._srtp_profiles if p.openssl_profile == profile.encode()]
        self.connection.on("connectionstatechange", self._changed)

    async def offer(self) -> str:
        """Return an offer with all candidates: one, of this machine alone."""
        ice = self._dtls.transport._connection
        if not ice._protocols:
            gather = ice.get_component_candidates

            async def here(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109 - aioice's
                chosen = [HOST] if self._loopback else [address for address in addresses if "." in address][:1]
                return await gather(component=component, addresses=chosen, timeout=timeout)

            ice.get_component_candidates = here  # type: ignore[method-assign]
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = str(self.connection.localDescription.sdp)
        # As browsers do for pictures; aiortc knows neither, and need not.
        sdp = re.sub(rf"(a=extmap:\d+ {re.escape(SEND_TIME)}\r\n)", rf"\1a=extmap:{WIDE_ID} {WIDE}\r\n", sdp)
        return re.sub(r"(a=rtcp-fb:(\d+) goog-remb\r\n)", r"\1a=rtcp-fb:\2 transport-cc\r\n", sdp)

    async def accept(self, answer: str) -> None:
        """Take the answer."""
        self._answer = answer
        for protocol in self._dtls.transport._connection._protocols:
            protocol.datagram_received = self._before(protocol.datagram_received)  # type: ignore[method-assign, assignment]
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    @property
    def connected(self) -> bool:
        """Whether packets can be sent."""
        return self._send is not None

    def stream(self, line: int, clip: Clip, chance: random.Random) -> Stream:
        """Return what the nth line sends, under the numbers that were negotiated."""
        section = self._answer.split("\r\nm=")[line + 1]
        uri = LEVEL if clip.kind == "audio" else SEND_TIME
        extension = re.search(rf"a=extmap:(\d+) {re.escape(uri)}", section)
        wide = WIDE_ID if f"a=extmap:{WIDE_ID} {WIDE}" in section else 0
        payload_type = section.split("\r\n", 1)[0].split()[3]
        ssrc = self.connection.getTransceivers()[line].sender._ssrc
        return Stream(clip, ssrc, int(payload_type), int(extension[1]) if extension else 15, chance, wide)

    def send(self, packet: bytes) -> None:
        """Send one packet, if there is a way."""
        if self._send is not None:
            self._send(packet)

    def send_rtcp(self, packet: bytes) -> None:
        """Send RTCP."""
        pair = self._dtls.transport._connection._nominated.get(1)
        if self.connected and pair:
            pair.protocol.transport.sendto(self._dtls._tx_srtp.protect_rtcp(packet), pair.remote_addr)

    def _changed(self) -> None:
        if self.connection.connectionState != "connected":
            self._send = None
            return
        self.connected_at = time.perf_counter()
        pair = self._dtls.transport._connection._nominated[1]
        protect, sendto, address = self._dtls._tx_srtp.protect, pair.protocol.transport.sendto, pair.remote_addr
        self._send = lambda packet: sendto(protect(packet), address)
        self.tally.unprotect = self._dtls._rx_srtp.unprotect

    def _before(self, hand_on: Callable[[Any, Any], None]) -> Callable[[bytes, Any], None]:
        count = self.tally.count

        def received(data: bytes, address: Any) -> None:
            if data and 127 < data[0] < 192:
                count(data)
            else:
                hand_on(data, address)

        return received

    def vanish(self) -> None:
        """Neither send nor hear anything from now on, not even a goodbye."""
        self._send = None
        for protocol in self._dtls.transport._connection._protocols:
            protocol.transport.abort()

    async def close(self) -> None:
        """Close the connection."""
        self._send = None
        await self.connection.close()


async def _nothing(parameters: object) -> None:
    """Take the place of `receive` and `send`, so that nothing is decoded or encoded."""
