"""How a process begins and ends, as far as it can be seen from within; `tests/stories/test_running.py` runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from server.running import STOPPED_BY, CannotStart, bind, hold, listen, running, stopped_by_signals


def test_a_port_that_is_held_is_shared_by_those_who_know_of_it_and_refused_to_all_others() -> None:
    with hold("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with bind("127.0.0.1", port, shared=True) as one, bind("127.0.0.1", port, shared=True) as other:
            one.listen()
            other.listen()
            for way in (listen, hold):
                with pytest.raises(CannotStart, match=f"Port {port} is in use"):
                    way("127.0.0.1", port)


def test_a_free_port_is_taken_and_a_taken_one_refused() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} is in use"):
            listen("127.0.0.1", port)
        assert not first.getblocking()
    assert port > 0


def test_an_ipv6_address_is_listened_on() -> None:
    with listen("::1", 0) as listening:
        assert listening.family == socket.AF_INET6


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(CannotStart, match="--host"):
        listen("192.0.2.1", 0)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPPED_BY}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPED_BY)
async def test_a_signal_ends_what_is_begun_and_a_second_one_does_not_cut_its_end_short(
    number: signal.Signals, handlers: None
) -> None:
    begun, ended = asyncio.Event(), []

    async def start() -> None:
        with stopped_by_signals():
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.02)
                ended.append("in order")

    task = asyncio.create_task(start())
    await begun.wait()
    os.kill(os.getpid(), number)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == ["in order"]
    for each in STOPPED_BY:
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_work_beside_the_rest_ends_with_it() -> None:
    seen = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    async with running(work(), "work"):
        await asyncio.sleep(0)
        assert seen == []

    assert seen == ["ended"]
