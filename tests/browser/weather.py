"""A network that loses packets, or breaks: what a page gets from the server, and sends to it, comes by way of this."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from playwright.async_api import Page

DETOUR = """() => {
  const place = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
    const lines = [];
    for (const line of sdp.split("\\r\\n")) {
      const found = /^(a=candidate:\\S+ \\d+ udp \\d+) (\\S+) (\\d+) (.*)$/i.exec(line);
      if (!found) lines.push(line);
      if (!found || found[2].includes(":")) continue;
      const port = await detour(found[2], Number(found[3]));
      lines.push(`${found[1]} ${found[2]} ${port} ${found[4]}`);
    }
    return place.call(this, { type, sdp: lines.join("\\r\\n") });
  };
  // The server must not know a shorter way to this page.
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    const message = JSON.parse(text);
    if (message.type === "media.candidates") message.candidates = [];
    if (message.type === "media.offer") message.sdp = message.sdp.replace(/^a=candidate:.*\\r\\n/gm, "");
    return send.call(this, JSON.stringify(message));
  };
}"""


class Weather:
    """Between one page and the server. Sound and pictures get lost; checks of the connection never do."""

    def __init__(self) -> None:
        self.down = 0.0
        """Which part of what the server sends is lost."""
        self.up = 0.0
        """Which part of what the page sends is."""
        self._chance = random.Random(7)
        self._ways: dict[tuple[str, int], int] = {}
        self._open: list[asyncio.DatagramTransport] = []
        self._broken: set[int] = set()
        """Ports of the server that nothing comes to or from any more."""

    async def over(self, page: Page) -> None:
        """Let this page's media come through here; before it is opened."""
        await page.expose_function("detour", self._detour)
        await page.add_init_script(f"({DETOUR})()")

    async def _detour(self, host: str, port: int) -> int:
        """Return the port at which the server's socket is reached through here."""
        if (host, port) not in self._ways:
            front = await self._socket(_Front(self, host, port), host)
            self._ways[host, port] = front.get_extra_info("sockname")[1]
        return self._ways[host, port]

    async def _socket(self, protocol: asyncio.DatagramProtocol, host: str) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=(host, 0))
        self._open.append(transport)
        return transport

    def break_ways(self) -> None:
        """Let nothing more through, either way, on the ways there are. Those that are made from now on are whole."""
        self._broken |= {port for _, port in self._ways}

    def loses(self, data: bytes, part: float, port: int) -> bool:
        """Say whether a datagram from or to that port of the server gets lost: media (RFC 7983), or anything at all."""
        if port in self._broken:
            return True
        return 127 < data[0] < 192 and self._chance.random() < part

    def close(self) -> None:
        for transport in self._open:
            transport.close()


class _Front(asyncio.DatagramProtocol):
    """Where the page sends to; for each of its addresses there is a socket that the server sees."""

    def __init__(self, weather: Weather, host: str, port: int) -> None:
        self._weather = weather
        self._server = host, port
        self._backs: dict[Any, asyncio.Task[asyncio.DatagramTransport]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self._weather.loses(data, self._weather.up, self._server[1]):
            return
        if address not in self._backs:
            back = _Back(self._weather, self._transport, address)
            self._backs[address] = asyncio.create_task(self._weather._socket(back, self._server[0]))
        self._backs[address].add_done_callback(lambda made: made.result().sendto(data, self._server))


class _Back(asyncio.DatagramProtocol):
    """What the server sends to for one address of the page."""

    def __init__(self, weather: Weather, front: Any, address: Any) -> None:
        self._weather = weather
        self._front = front
        self._address = address

    def datagram_received(self, data: bytes, address: Any) -> None:
        if not self._weather.loses(data, self._weather.down, address[1]):
            self._front.sendto(data, self._address)
