"""The self-test at start: two small peers exchange a packet through a node, and a stray datagram harms nobody.

`seam.py` leans on names inside aiortc that another version may lack or no longer use. Better not to start than to find
out in a visit.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import aiortc
from aiortc import RTCPeerConnection, RTCSessionDescription
from OpenSSL import SSL

from server.media import ice, seam
from server.media.node import MediaNode
from server.media.rtp import is_rtcp

PATIENCE: Final = 5.0
"""Seconds for each step; together they take a tenth of one."""


ALERT: Final = bytes([21, 254, 253]) + bytes(8) + b"\x00\x02\x02\x28"
"""A DTLS record that says that the handshake has failed (RFC 6347 section 4.1)."""
ANSWER: Final = b"\x01\x01"
"""How the answer to a check begins (RFC 8489 section 5)."""


class Unsupported(Exception):
    """The installed aiortc does not do what forwarding relies on. The message says which version, and at what."""


class Probe:
    """A peer without a browser: it sends what it is told to, and keeps what it gets."""

    def __init__(self, kinds: tuple[str, ...] = ("audio", "video")) -> None:
        self.connection: RTCPeerConnection = seam.connection([])
        self.received: list[bytes] = []
        """RTP and RTCP, decrypted, in the order of arrival."""
        self.sent: list[tuple[bytes, Any]] = []
        """What went out: datagrams and their destinations."""
        self.answers = 0
        """How many checks of ours were answered."""
        for kind in kinds:
            self.add(kind)
        self._dtls = seam.transport(self.connection)

    def add(self, kind: str, direction: str = "sendrecv") -> None:
        """Add a line, for the next offer."""
        transceiver = self.connection.addTransceiver(kind)
        seam.silence(transceiver)
        transceiver.direction = direction

    def direct(self, line: int, direction: str) -> None:
        """Change what the nth line is for, for the next offer."""
        self.connection.getTransceivers()[line].direction = direction

    async def offer(self) -> str:
        """Return an offer."""
        if self.connection.signalingState == "stable" and self.connection.localDescription is None:
            seam.stand_guard(self._dtls, lambda found: ice.hosts(found, loopback=True), self._before)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Take the answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    @property
    def connected(self) -> bool:
        """Whether packets can be sent."""
        return bool(self.connection.connectionState == "connected")

    def ssrc(self, line: int) -> int:
        """Return the SSRC that this peer announced for its nth line."""
        return seam.streams(self.connection.getTransceivers()[line])[0]

    def send(self, packet: bytes) -> None:
        """Send RTP, or RTCP."""
        way = seam.nominated(self._dtls)
        protect, protect_rtcp = seam.closers(self._dtls)
        if way is not None:
            data = (protect_rtcp if is_rtcp(packet) else protect)(packet)
            self.sent.append((data, way.address))
            way.socket.sendto(data, way.address)

    def knock(self) -> None:
        """Send a check."""
        seam.knock(self._dtls)

    def _before(self, protocol: object, hand_on: seam.Received) -> seam.Received:
        def received(data: bytes, address: tuple[Any, ...]) -> None:
            if data and 127 < data[0] < 192:
                unprotect, unprotect_rtcp = seam.openers(self._dtls)
                self.received.append((unprotect_rtcp if is_rtcp(data) else unprotect)(data))
            else:
                self.answers += data[:2] == ANSWER
                hand_on(data, address)

        return received

    async def close(self) -> None:
        """Close the connection."""
        await seam.close(self.connection)


async def until(true: Callable[[], bool], patience: float | None = None) -> None:
    """Return as soon as something is true. Raise `TimeoutError`."""
    async with asyncio.timeout(PATIENCE if patience is None else patience):
        while not true():  # noqa: ASYNC110 - nothing inside aiortc tells when
            await asyncio.sleep(0.005)


async def check() -> None:
    """Return if this machine's aiortc can be used. Raise `Unsupported`. To be awaited once, at start."""
    node = MediaNode(
        clock=lambda: time.time_ns() // 1_000_000, fact=lambda fact: None, ask=lambda wish: None, loopback=True
    )
    probes: list[Probe] = []
    step = "negotiation"
    try:
        probes += [Probe(("audio",)), Probe(("audio",))]
        for number, probe in enumerate(probes):
            answer = await node.offer(
                visit="check", participant=str(number), peer="probe", round=1, sdp=await probe.offer(), audio_only=True
            )
            await probe.accept(answer.sdp)
        step = "the handshake"
        await until(lambda: all(probe.connected for probe in probes) and node.counts().connected == len(probes))
        step = "the guard"
        strays = (b"", b"\x80", b"\x16", bytes(range(40, 240)), ALERT, client_hello())
        _stray(_door(answer.sdp), *strays)
        await until(lambda: node.counts().datagrams_dropped >= len(strays))
        step = "forwarding"
        packet = struct.pack("!BBHII", 0x80, 96, 1, 1, probes[0].ssrc(0)) + b"check"
        probes[0].send(packet)
        await until(lambda: any(got.endswith(b"check") for got in probes[1].received))
        step = "dropping what comes again"
        dropped = node.counts().datagrams_dropped
        data, door = probes[0].sent[-1]
        _stray(door, data)
        await until(lambda: node.counts().datagrams_dropped > dropped)
        step = "asking for a sign of life"
        answered = probes[0].answers
        probes[0].knock()
        await until(lambda: probes[0].answers > answered)
        step = "keeping decoders from starting"
        await until(lambda: not any(t.name.endswith("-decoder") for t in threading.enumerate()))
    except Exception as error:
        raise Unsupported(f"aiortc {aiortc.__version__} (made for {seam.SUPPORTED}) failed at {step}") from error
    finally:
        closings = [probe.close() for probe in probes]
        await asyncio.gather(*closings, node.close(), return_exceptions=True)


def client_hello() -> bytes:
    """Return the first flight of a DTLS handshake."""
    connection = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    connection.set_connect_state()
    with suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(1500)


def _door(answer: str) -> tuple[str, int]:
    """Return where the peer listens that an answer belongs to."""
    found = [one for one in map(ice.parse, answer.splitlines()) if one is not None]
    return found[0].ip, found[0].port


def _stray(door: tuple[str, int], *datagrams: bytes) -> None:
    """Send datagrams to a peer, as anybody could."""
    with socket.socket(socket.AF_INET6 if ":" in door[0] else socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in datagrams:
            stranger.sendto(data, door[:2])
