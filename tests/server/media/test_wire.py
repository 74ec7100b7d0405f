"""A wire hears whom it is connected to, and the first socket everybody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from server.media import seam
from server.media.check import Probe, until
from server.media.peer import Peer
from server.media.wire import Wire, Wires
from tests.server.media.conftest import Stage
from tests.server.media.test_node import connected, heard, speak

HERE = "127.0.0.1"


class First(asyncio.DatagramProtocol):
    """The socket that ICE uses."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self.heard.append(data)


def bound(at: tuple[str, int] = (HERE, 0)) -> socket.socket:
    """A socket of somebody else's."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(at)
    made.settimeout(5)
    return made


def taken(wire: Wire) -> bytes:
    """What a wire has to be read; nothing, if it is an error."""
    room = bytearray(100)
    try:
        return bytes(room[: wire.receive_into(memoryview(room))])
    except OSError:
        return b""


@pytest.fixture
async def first() -> AsyncIterator[tuple[First, asyncio.DatagramTransport]]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(First, local_addr=(HERE, 0))
    yield protocol, transport
    transport.close()


async def test_a_wire_hears_the_other_side_and_strangers_go_on_to_the_first_socket(
    first: tuple[First, asyncio.DatagramTransport],
) -> None:
    (ice, transport), came = first, list[bytes]()
    door = transport.get_extra_info("sockname")
    with bound() as other, bound() as stranger:
        laid = Wires().lay(transport, other.getsockname())
        assert laid is not None
        laid.begin(lambda: came.append(taken(laid)), lambda data, address: came.append(data))

        stranger.sendto(b"hello", door)
        other.sendto(b"media", door)
        laid.send(b"answer")
        await until(lambda: bool(came and ice.heard))

        assert (came, ice.heard) == ([b"media"], [b"hello"])
        data, whence = other.recvfrom(100)
        assert (data, whence) == (b"answer", door)

        laid.cut()
        other.sendto(b"more", door)
        await until(lambda: len(ice.heard) == 2)
        assert (came, ice.heard) == ([b"media"], [b"hello", b"more"])


async def test_what_came_while_a_wire_was_laid_is_not_lost(first: tuple[First, asyncio.DatagramTransport]) -> None:
    _, transport = first
    early: list[tuple[bytes, tuple[Any, ...]]] = []
    with bound() as other:
        laid = Wires().lay(transport, other.getsockname())
        assert laid is not None
        other.sendto(b"early", transport.get_extra_info("sockname"))

        laid.begin(lambda: None, lambda data, address: early.append((data, address)))

        assert early == [(b"early", other.getsockname())]
        laid.cut()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_word_that_nobody_listens_makes_no_wire_deaf(run: Any) -> None:
    async def story() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(First, local_addr=(HERE, 0))
        door, came = transport.get_extra_info("sockname"), list[bytes]()
        other = bound()
        there = other.getsockname()
        laid = Wires().lay(transport, there)
        assert laid is not None
        laid.begin(lambda: came.append(taken(laid)), lambda data, address: None)
        try:
            other.close()
            laid.send(b"is anybody there?")
            await until(lambda: came == [b""])
            with bound(there) as again:
                again.sendto(b"yes", door)
                await until(lambda: came == [b"", b"yes"])
                laid.send(b"good")
                assert again.recv(100) == b"good"
        finally:
            laid.cut()
            transport.close()

    run(story())


async def test_the_last_wire_that_is_cut_leaves_nothing(first: tuple[First, asyncio.DatagramTransport]) -> None:
    _, transport = first
    wires, came = Wires(), list[bytes]()
    with bound() as one, bound() as two:
        pair = [wires.lay(transport, other.getsockname()) for other in (one, two)]
        for laid in pair:
            assert laid is not None
            laid.begin(lambda laid=laid: came.append(taken(laid)), lambda data, address: None)  # type: ignore[misc]
        for laid in pair:
            assert laid is not None
            laid.cut()
            laid.cut()
        assert (wires._epoll, wires._readers) == (None, {})

        laid = wires.lay(transport, one.getsockname())
        assert laid is not None
        laid.begin(lambda: came.append(taken(laid)), lambda data, address: None)
        one.sendto(b"anew", transport.get_extra_info("sockname"))
        await until(lambda: came == [b"anew"])
        laid.cut()


async def test_one_that_is_cut_by_another_is_not_read_any_more(
    first: tuple[First, asyncio.DatagramTransport],
) -> None:
    _, transport = first
    wires, read, door = Wires(), list[int](), transport.get_extra_info("sockname")
    with bound() as one, bound() as two:
        pair = [laid for other in (one, two) if (laid := wires.lay(transport, other.getsockname())) is not None]

        def reader(number: int) -> None:
            read.append(number)
            for laid in pair:
                laid.cut()

        for number, laid in enumerate(pair):
            laid.begin(lambda number=number: reader(number), lambda data, address: None)  # type: ignore[misc]
        one.sendto(b"one", door)
        two.sendto(b"two", door)
        await until(lambda: bool(read))
        await asyncio.sleep(0)

        assert len(read) == 1


async def test_where_a_port_cannot_be_shared_there_is_no_wire(
    first: tuple[First, asyncio.DatagramTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, transport = first
    monkeypatch.delattr(socket, "SO_REUSEPORT")

    with bound() as other:
        assert Wires().lay(transport, other.getsockname()) is None


async def test_a_way_that_the_system_refuses_gets_no_wire(first: tuple[First, asyncio.DatagramTransport]) -> None:
    _, transport = first

    assert Wires().lay(transport, ("::1", 9)) is None


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
    monkeypatch.setattr(Wires, "lay", lambda wires, transport, address: None)
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
