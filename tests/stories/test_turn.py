"""A TURN server takes the credentials that the service makes, while they last, and leads to the nodes alone."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aioice import stun
from aioice.turn import TurnTransport, create_turn_endpoint

from server.media.ice_servers import LIFETIME, IceServers
from tests import coturn
from tests.coturn import HOST, Coturn

STRANGER = "127.0.0.2"
"""An address of this machine that is none of a node's."""


@pytest_asyncio.fixture
async def turn(tmp_path: Path) -> AsyncIterator[Coturn]:
    async with coturn.running(tmp_path) as running:
        yield running


class Relayed(asyncio.DatagramProtocol):
    """What came back through the relay, and what was refused."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got.put_nowait(data)

    def error_received(self, error: Exception) -> None:
        self.got.put_nowait(error)


def credentials(secret: str, *, ago: int = 0) -> dict[str, Any]:
    """Return those that the service made so many seconds ago."""
    (server,) = IceServers([(["turn:here"], secret)], clock=lambda: round((time.time() - ago) * 1000))()
    return server


async def allocate(turn: Coturn, server: dict[str, Any], transport: str = "tcp") -> tuple[TurnTransport, Relayed]:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return await create_turn_endpoint(
        Relayed,
        (HOST, turn.tls if transport == "tls" else turn.plain),
        server["username"],
        server["credential"],
        transport="udp" if transport == "udp" else "tcp",
        ssl=trusting if transport == "tls" else None,
    )


async def echo(way: TurnTransport, relayed: Relayed, *, at: str | None = None) -> bytes | Exception:
    """Send a word through the relay to a node, or to that address, and have it sent back."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.setblocking(False)
        node.bind((at or coturn.own_addresses()[0], 0))

        async def answer() -> None:
            data, address = await loop.sock_recvfrom(node, 100)
            assert address == way.get_extra_info("sockname"), "a node sees the relay's address, and no client's"
            await loop.sock_sendto(node, data, address)

        answering = asyncio.create_task(answer())
        way.sendto(b"there and back", node.getsockname())
        try:
            async with asyncio.timeout(10):
                return await relayed.got.get()
        finally:
            answering.cancel()


def code(refused: BaseException | bytes) -> int:
    """Return the error code of a refusal."""
    assert isinstance(refused, stun.TransactionFailed)
    return int(refused.response.attributes["ERROR-CODE"][0])


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_credentials_of_the_service_lead_to_a_node_and_back(turn: Coturn, transport: str) -> None:
    way, relayed = await allocate(turn, credentials(turn.secret), transport)

    assert await echo(way, relayed) == b"there and back"

    way.close()


async def test_forged_and_expired_credentials_are_refused(turn: Coturn) -> None:
    for bad in (credentials("somebody-elses-secret"), credentials(turn.secret, ago=LIFETIME + 5)):
        with pytest.raises(stun.TransactionFailed) as refused:
            await allocate(turn, bad)

        assert code(refused.value) == 401


async def test_an_allocation_outlives_the_credentials_it_was_made_with(turn: Coturn) -> None:
    dying = credentials(turn.secret, ago=LIFETIME - 3)
    way, relayed = await allocate(turn, dying)
    with pytest.raises(stun.TransactionFailed):
        while True:  # until they are good for nothing new
            other, _ = await allocate(turn, dying)
            other.close()
            await asyncio.sleep(0.5)

    assert await echo(way, relayed) == b"there and back"

    way.close()


async def test_it_leads_to_the_nodes_and_nowhere_else(turn: Coturn) -> None:
    way, relayed = await allocate(turn, credentials(turn.secret))

    refused = await echo(way, relayed, at=STRANGER)

    assert code(refused) == 403
    way.close()
