"""A peer that is gone is gone: nothing is left that holds itself and waits for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc.rate import RateBucket

from server.media.check import until
from server.media.peer import Line, Peer
from tests.server.media.conftest import Stage
from tests.server.media.packets import rtp


@pytest.fixture
def _no_collector() -> AsyncIterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def watched(stage: Stage) -> list[weakref.ref[Any]]:
    """References to what is heavy in the one peer of the one participant."""
    (peer,) = peers(stage)
    receivers = [t.receiver for t in peer._connection.getTransceivers()]
    dtls = receivers[0].transport
    ice = dtls.transport._connection
    return [weakref.ref(it) for it in (peer, peer._connection, *receivers, dtls, dtls.transport, ice, *ice._protocols)]


def peers(stage: Stage) -> list[Peer]:
    """All peers."""
    people = stage.node._visits["visit"].people.values()
    return [attached.peer for person in people for attached in person.peers.values()]


def lines(stage: Stage) -> list[Line]:
    """All lines of all peers."""
    return [line for peer in peers(stage) for line in peer.lines.values()]


async def gone(stage: Stage, references: list[weakref.ref[Any]]) -> None:
    """Wait until the peer is closed, and nothing of it is there."""
    await until(lambda: not stage.node._closings and stage.node.counts().peers == 0)
    await until(lambda: not any(reference() for reference in references))


@pytest.mark.usefixtures("_no_collector")
async def test_of_a_peer_that_was_connected(stage: Stage) -> None:
    probe = await stage.enter("ana")
    await until(lambda: probe.connected and stage.node.counts().connected == 1)
    references = watched(stage)

    stage.node.stop("visit")

    await gone(stage, references)


@pytest.mark.usefixtures("_no_collector")
async def test_of_a_peer_that_never_connected(stage: Stage) -> None:
    await stage.negotiate("ana", stage.probe())
    references = watched(stage)

    stage.node.stop("visit")

    await gone(stage, references)


@pytest.mark.usefixtures("_no_collector")
async def test_of_a_peer_that_its_browser_closed(stage: Stage) -> None:
    probe = await stage.enter("ana")
    await until(lambda: probe.connected and stage.node.counts().connected == 1)
    references = watched(stage)

    await probe.close()

    await gone(stage, references)


@pytest.mark.usefixtures("_no_collector")
async def test_of_two_who_talked_nothing_is_left_at_all(stage: Stage) -> None:
    for number in range(2):
        probes = [await stage.enter(who, peer=f"peer {number}") for who in ("ana", "ben")]
        await until(lambda: stage.node.counts().connected == 2)
        await until(lambda probes=probes: all(probe.connected for probe in probes))  # type: ignore[misc]
        looks = [line.source.meter for line in lines(stage)]
        for probe in probes:
            probe.send(rtp(number, ssrc=probe.ssrc(1), kind=97))
        await until(lambda looks=looks: all(look._mark for look in looks))  # type: ignore[misc]
        del looks
        stage.node.stop("visit")
        for probe in probes:
            await probe.close()
        await until(lambda: not stage.node._closings)
        if number == 0:
            gc.collect()  # what the first ones made once and for all

    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = [type(it).__name__ for it in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()

    heavy = {"_VerifyHelper", "CandidatePair", "Connection", "StunProtocol", "Peer", "Path", "Source", "Session"}
    assert not heavy & set(found)


async def test_of_a_peer_that_is_closed_in_the_middle_of_its_handshake_no_task_complains(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.negotiate("ana", stage.probe())
    dtls = peers(stage)[0]._connection.getTransceivers()[0].receiver.transport
    while dtls.state == "new":
        await asyncio.sleep(0)
    assert dtls.state == "connecting"

    stage.node.stop("visit")
    await until(lambda: not stage.node._closings)
    gc.collect()

    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_a_peer_that_lives_has_nothing_to_estimate_bandwidths_with(stage: Stage) -> None:
    await stage.enter("ana")

    assert not [it for it in gc.get_objects() if isinstance(it, RateBucket)]
