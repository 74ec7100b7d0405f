"""A wire hears whom it is connected to, and the first socket everybody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.media import seam, wire
from server.media.check import Probe, until
from server.media.peer import Peer
from server.media.wire import Wire
from tests.server.media.conftest import Stage
from tests.server.media.test_node import connected, heard, speak

HERE = "127.0.0.1"


class First(asyncio.DatagramProtocol):
    """The socket that ICE uses."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self.heard.append(data)


def bound() -> socket.socket:
    """A socket of somebody else's."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((HERE, 0))
    made.settimeout(5)
    return made


@pytest.fixture
async def first() -> AsyncIterator[tuple[First, asyncio.DatagramTransport]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(First, local_addr=(HERE, 0))
    yield protocol, transport
    transport.close()


async def test_a_wire_hears_the_other_side_and_strangers_go_on_to_the_first_socket(
    first: tuple[First, asyncio.DatagramTransport],
) -> None:
    (ice, transport), heard_here = first, list[bytes]()
    door = transport.get_extra_info("sockname")
    with bound() as other, bound() as stranger:
        made = wire.lay(transport, other.getsockname())
        assert made is not None
        laid = Wire(made, lambda: heard_here.append(made.recv(100)), lambda data, address: heard_here.append(data))

        stranger.sendto(b"hello", door)
        other.sendto(b"media", door)
        laid.send(b"answer")
        await until(lambda: bool(heard_here and ice.heard))

        assert (heard_here, ice.heard) == ([b"media"], [b"hello"])
        data, whence = other.recvfrom(100)
        assert (data, whence) == (b"answer", door)

        laid.close()
        other.sendto(b"more", door)
        await until(lambda: len(ice.heard) == 2)
        assert (heard_here, ice.heard) == ([b"media"], [b"hello", b"more"])


async def test_what_came_while_a_wire_was_laid_is_not_lost(first: tuple[First, asyncio.DatagramTransport]) -> None:
    _, transport = first
    early: list[tuple[bytes, tuple[Any, ...]]] = []
    with bound() as other:
        made = wire.lay(transport, other.getsockname())
        assert made is not None
        other.sendto(b"early", transport.get_extra_info("sockname"))

        laid = Wire(made, lambda: None, lambda data, address: early.append((data, address)))

        assert early == [(b"early", other.getsockname())]
        laid.close()


async def test_where_a_port_cannot_be_shared_there_is_no_wire(
    first: tuple[First, asyncio.DatagramTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, transport = first
    monkeypatch.delattr(socket, "SO_REUSEPORT")

    with bound() as other:
        assert wire.lay(transport, other.getsockname()) is None


async def test_a_way_that_the_system_refuses_gets_no_wire(first: tuple[First, asyncio.DatagramTransport]) -> None:
    _, transport = first

    assert wire.lay(transport, ("::1", 9)) is None


# --- Of peers


def peer(stage: Stage, name: str) -> Peer:
    return stage.node._visits["visit"].people[name].peers["peer"].peer


async def both(stage: Stage) -> tuple[Probe, Probe]:
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await connected(stage, alice, bob)
    return alice, bob


async def test_who_is_connected_has_a_wire_until_they_go(stage: Stage) -> None:
    alice, bob = await both(stage)
    laid = peer(stage, "alice")._wire
    assert laid is not None

    speak(alice, 0, b"hello")
    await until(lambda: heard(bob) == [b"hello"])
    stage.node.stop(visit="visit")

    assert laid._socket.fileno() == -1


async def test_where_there_is_no_wire_a_visit_goes_on_by_the_first_sockets(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "lay", lambda transport, address: None)
    alice, bob = await both(stage)
    assert peer(stage, "alice")._wire is None

    speak(alice, 0, b"hello", b"again")
    await until(lambda: heard(bob) == [b"hello", b"again"])


async def test_another_way_gets_another_wire(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await both(stage)
    alice = peer(stage, "alice")
    before, way = alice._wire, alice._way
    assert before is not None and way is not None
    with bound() as elsewhere:
        # Her network has changed, and ICE has found where she is now.
        there = (way.address[0], elsewhere.getsockname()[1])
        monkeypatch.setattr(seam, "nominated", lambda dtls: way._replace(address=there))
        alice.find_way()

        assert before._socket.fileno() == -1
        assert alice._wire is not None
        assert alice._wire._socket.getpeername()[:2] == there


async def test_by_a_turn_server_there_is_no_wire(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam.Way, "is_direct", False)

    alice, bob = await both(stage)

    assert peer(stage, "alice")._wire is None
    speak(alice, 0, b"hello")
    await until(lambda: heard(bob) == [b"hello"])
