"""Datagrams of strangers end no call; stock aiortc is ended by one that is empty, or by a stray ClientHello."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aioice.ice import StunProtocol

from server.media import ice, seam
from server.media.check import ALERT, PATIENCE, Probe, client_hello, until
from server.media.guard import MAGIC, Guard
from tests.server.media.conftest import Stage

FRIEND, STRANGER = ("192.0.2.7", 7), ("192.0.2.66", 66)


STUN = b"\x00\x01\x00\x00" + MAGIC + bytes(12)
CASES: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "one byte": lambda: b"\x80",
    "one byte of DTLS": lambda: b"\x16",
    "random": lambda: random.Random(7).randbytes(300),
    "ClientHello": client_hello,
    "alert": lambda: ALERT,
    "SRTP": lambda: struct.pack("!BBHII", 0x80, 96, 1, 1, 1) + bytes(60),
    "SRTCP": lambda: struct.pack("!BBHII", 0x80, 200, 6, 1, 1) + bytes(60),
    "half STUN": lambda: STUN[:9],
    "STUN of nobody": lambda: STUN,
}


TURNS = pytest.mark.parametrize("_turn", range(int(os.environ.get("TURNS", "1"))))
"""Each time at other moments: `python3 run.py stray` calls a hundred times."""


class Door:
    """A guard before a socket, and what it let through."""

    def __init__(self, fails: bool = False) -> None:
        self.guard = Guard("visit alice peer")
        self.handed_on: list[bytes] = []
        self.media: list[bytes] = []
        self.checked: list[Any] = []
        self.fails = fails
        self.knock = self.guard.before(
            self.hand_on, media=self.media.append, is_live=lambda address: address == FRIEND, stun=self.checked.append
        )

    def hand_on(self, data: bytes, address: Any) -> None:
        self.handed_on.append(data)
        if self.fails:
            raise KeyError("PRIORITY")


def test_dtls_comes_in_only_from_where_ice_is_talking_to() -> None:
    door = Door()

    door.knock(b"\x16hello", STRANGER)
    assert (door.handed_on, door.guard.dropped) == ([], 1)

    door.knock(b"\x16hello", FRIEND)
    door.knock(b"\x16hello", (*FRIEND, 0, 0))  # as IPv6 gives addresses
    assert (door.handed_on, door.guard.dropped) == ([b"\x16hello"] * 2, 1)


def test_what_would_end_a_handshake_comes_in_from_nobody_and_what_is_encrypted_does() -> None:
    door, encrypted = Door(), ALERT[:4] + b"\x01" + ALERT[5:]

    for data in (client_hello(), ALERT, encrypted):
        door.knock(data, FRIEND)

    assert (door.handed_on, door.guard.dropped) == ([encrypted], 2)


def test_stun_comes_in_from_everywhere_and_media_goes_to_the_relay() -> None:
    door = Door()

    door.knock(STUN, STRANGER)
    door.knock(b"\x80media", STRANGER)

    assert (door.handed_on, door.checked, door.media) == ([STUN], [STRANGER], [b"\x80media"])


@pytest.mark.parametrize("data", [b"", b"\x00", STUN[:9], b"\x05x", b"\x13x", b"\x40x", b"\xc0x", b"\xff"])
def test_everything_else_is_dropped_even_of_a_friend(data: bytes) -> None:
    door = Door()

    door.knock(data, FRIEND)

    assert (door.handed_on, door.media, door.guard.dropped) == ([], [], 1)


def test_a_check_that_aioice_cannot_handle_does_not_reach_the_socket() -> None:
    door = Door(fails=True)

    door.knock(STUN, FRIEND)

    assert (door.checked, door.guard.dropped) == ([], 1)


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        yield stranger


def doors(answer: str) -> list[tuple[str, int]]:
    """Return where an answer's peer listens (IPv4)."""
    found = (ice.parse(line) for line in answer.splitlines())
    return sorted({(one.ip, one.port) for one in found if one is not None and "." in one.ip})


async def hear(sender: Probe, receiver: Probe, word: bytes, number: int) -> None:
    """Return when a packet has come through."""
    sender.send(struct.pack("!BBHII", 0x80, 96, number, 960 * number, sender.ssrc(0)) + word)
    await until(lambda: any(packet.endswith(word) for packet in receiver.received))


@TURNS
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_call_survives_it_before_during_and_after_the_handshake(
    stage: Stage, stranger: socket.socket, case: Callable[[], bytes], _turn: int
) -> None:
    bob = await stage.enter("bob", "audio")
    alice = stage.probe("audio")
    answer = await stage.node.offer(
        visit="visit", participant="alice", peer="p", round=1, sdp=await alice.offer(), audio_only=True
    )
    data = case()

    def attack() -> None:
        for address in doors(answer.sdp):
            for _ in range(3):
                stranger.sendto(data, address)

    attack()
    await asyncio.sleep(0.01)
    accepting = asyncio.create_task(alice.accept(answer.sdp))
    while not (alice.connected and bob.connected and stage.node.counts().connected == 2):
        attack()
        await asyncio.sleep(0.003)
    await accepting
    await hear(alice, bob, b"connected", 1)
    attack()
    await asyncio.sleep(0.02)

    await hear(alice, bob, b"still here", 2)
    await hear(bob, alice, b"me too", 1)
    if data != STUN:
        assert stage.node.counts().datagrams_dropped > 0


@TURNS
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_call_survives_it_with_the_forged_address_of_its_friend(
    stage: Stage, case: Callable[[], bytes], _turn: int
) -> None:
    bob = await stage.enter("bob", "audio")
    alice = stage.probe("audio")
    answer = await stage.node.offer(
        visit="visit", participant="alice", peer="p", round=1, sdp=await alice.offer(), audio_only=True
    )
    ice_of_alice = seam._ice(stage.node._visits["visit"].people["alice"].peers["p"].peer._dtls)  # type: ignore[arg-type]
    data, attacks = case(), 0

    def attack() -> None:
        nonlocal attacks
        for pair in tuple(ice_of_alice._check_list):
            attacks += 1
            pair.protocol.datagram_received(data, pair.remote_addr)

    accepting = asyncio.create_task(alice.accept(answer.sdp))
    async with asyncio.timeout(PATIENCE):
        while not (alice.connected and bob.connected and stage.node.counts().connected == 2):
            attack()
            await asyncio.sleep(0.002)
    assert attacks
    await accepting
    await hear(alice, bob, b"connected", 1)
    attack()
    await asyncio.sleep(0.02)

    await hear(alice, bob, b"still here", 2)
    await hear(bob, alice, b"me too", 1)


class Nowhere(asyncio.DatagramTransport):
    """A socket that sends nothing."""

    def sendto(self, data: object, addr: object = None) -> None:
        """Lose it."""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_it_may_come_before_a_socket_has_its_candidate(stage: Stage, case: Callable[[], bytes]) -> None:
    """aioice opens a socket first; in an hour of visits two strays came just then, from peers that were gone."""
    await stage.negotiate("alice", stage.probe("audio"))
    ice_of_alice = seam._ice(stage.node._visits["visit"].people["alice"].peers["peer"].peer._dtls)  # type: ignore[arg-type]
    ice_of_alice.data_received = lambda data, component: None  # type: ignore[method-assign]  # as until the guard stands

    opened = StunProtocol(ice_of_alice)
    opened.connection_made(Nowhere())

    opened.datagram_received(case(), STRANGER)


async def test_a_replayed_packet_is_not_forwarded_twice(stage: Stage) -> None:
    bob, alice = await stage.enter("bob", "audio"), await stage.enter("alice", "audio")
    await until(lambda: stage.node.counts().connected == 2 and alice.connected)
    await hear(alice, bob, b"once", 1)

    ((data, (host, port)),) = alice.sent
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(data, (host, port))
    await hear(alice, bob, b"later", 2)

    assert sum(packet.endswith(b"once") for packet in bob.received) == 1
