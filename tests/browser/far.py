"""A service that is far away: what browsers and it say to one another, and their media, takes its time each way."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from playwright.async_api import BrowserContext, WebSocketRoute

CANDIDATE = re.compile(r"a=candidate:(\S+) 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host[^\r\n]*\r\n", re.IGNORECASE)
ANY_CANDIDATE = re.compile(r"a=(?:candidate:[^\r\n]*|end-of-candidates)\r\n", re.IGNORECASE)


class Far:
    """Leads browsers' WebSockets and media there and back, `delay` seconds late."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._ways: dict[tuple[str, int], tuple[str, int]] = {}
        """Where media for an address of the service are to be sent instead."""
        self._sockets: list[asyncio.DatagramTransport] = []

    async def lead(self, context: BrowserContext) -> None:
        """Let every page of a context find the service far away."""
        await context.route_web_socket(re.compile("/v1/ws$"), self._socket)

    def close(self) -> None:
        """Lead nothing more."""
        for socket in self._sockets:
            socket.close()

    def later(self, do: Callable[[], Any]) -> None:
        """Do something when it would have come there."""
        asyncio.get_running_loop().call_later(self._delay, do)

    def _socket(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def from_page(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "media.candidates":
                return  # the service is to know no other way to the browser than this
            if message["type"] == "media.offer":
                message["sdp"] = ANY_CANDIDATE.sub("", message["sdp"])
            self.later(lambda: server.send(json.dumps(message)))

        def from_server(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] != "media.answer":
                self.later(lambda: page.send(text))
            else:
                task = asyncio.ensure_future(self._answer(page, message))
                task.add_done_callback(lambda done: done.result())

        page.on_message(from_page)
        server.on_message(from_server)

    async def _answer(self, page: WebSocketRoute, message: dict[str, Any]) -> None:
        found = CANDIDATE.search(message["sdp"])
        assert found is not None, "the service has an IPv4 address"
        there = (found[2], int(found[3]))
        host, port = self._ways.get(there) or await self._way(there)
        led = f"a=candidate:{found[1]} 1 udp 2130706431 {host} {port} typ host\r\n"
        head, *rest = re.split(r"(?=m=)", ANY_CANDIDATE.sub("", message["sdp"]))
        message["sdp"] = head + "".join(section + led for section in rest)
        self.later(lambda: page.send(json.dumps(message)))

    async def _way(self, there: tuple[str, int]) -> tuple[str, int]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Near(self, there), local_addr=(there[0], 0)
        )
        self._sockets.append(transport)
        way = self._ways[there] = transport.get_extra_info("sockname")[:2]
        return way

    async def open(self, near: asyncio.DatagramTransport, browser: Any, there: tuple[str, int]) -> Any:
        """Return the socket that sends to the service what a browser sends here, and sends back what comes."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Beyond(self, near, browser), remote_addr=there, local_addr=(there[0], 0)
        )
        self._sockets.append(transport)
        return transport


class _Near(asyncio.DatagramProtocol):
    """Where browsers send what is for one address of the service."""

    def __init__(self, far: Far, there: tuple[str, int]) -> None:
        self._far = far
        self._there = there
        self._beyond: dict[Any, asyncio.Task[Any]] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, browser: Any) -> None:
        opening = self._beyond.get(browser)
        if opening is None:
            opening = self._beyond[browser] = asyncio.ensure_future(
                self._far.open(self._transport, browser, self._there)
            )
        self._far.later(lambda: opening.done() and opening.result().sendto(data))


class _Beyond(asyncio.DatagramProtocol):
    """What comes back from the service for one browser."""

    def __init__(self, far: Far, near: asyncio.DatagramTransport, browser: Any) -> None:
        self._far = far
        self._near = near
        self._browser = browser

    def datagram_received(self, data: bytes, _: Any) -> None:
        self._far.later(lambda: self._near.is_closing() or self._near.sendto(data, self._browser))
