"""What stands before two nodes: one address, from which each connection is led to a node that lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.stories.service import Service

CHUNK = 65_536
"""Bytes passed on at a time."""


class Balancer:
    """Leads TCP connections of loopback to the first of its nodes that runs. Whoever is connected stays there."""

    def __init__(self, server: asyncio.Server) -> None:
        self.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        self.nodes: list[Service] = []
        """In the order in which they are asked."""

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on, both ways, until one of the sides has closed."""
        with suppress(OSError):
            node = next((node for node in self.nodes if node.process is not None), None)
            if node is not None:
                from_node, to_node = await asyncio.open_connection("127.0.0.1", node.port)
                ways = [asyncio.create_task(_pass(reader, to_node)), asyncio.create_task(_pass(from_node, writer))]
                _, other = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in other:
                    way.cancel()
                to_node.close()
        writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Listen at a free port; the nodes may be told later, as they need to know the address."""

    async def led(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await balancer.lead(reader, writer)

    server = await asyncio.start_server(led, "127.0.0.1", 0)
    balancer = Balancer(server)
    try:
        yield balancer
    finally:
        server.close()
        await server.wait_closed()
