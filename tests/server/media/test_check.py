"""The self-test passes here, and fails with a clear word when a name inside aiortc no longer bites."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import aioice.ice
import aiortc
import pytest
from aiortc import RTCDtlsTransport, RTCIceTransport, RTCRtpReceiver, RTCRtpSender

from server.media import seam
from server.media.check import Unsupported, check


async def test_this_aiortc_can_be_used() -> None:
    await check()


def test_this_is_the_version_that_it_was_made_for() -> None:
    assert aiortc.__version__ == seam.SUPPORTED


def renamed(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Hide an attribute from us while aiortc still finds it, as if it had another name there."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        def read(self: Any) -> Any:
            if sys._getframe(1).f_globals["__name__"] == seam.__name__:
                raise AttributeError(name)
            return self.__dict__[name]

        def write(self: Any, value: Any) -> None:
            self.__dict__[name] = value

        monkeypatch.setattr(owner, name, property(read, write), raising=False)

    return apply


def elsewhere(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Have aioice not look at the instance any more when it calls a method."""

    def apply(monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(owner, name)
        frozen = property(original.__get__, lambda self, value: None)
        monkeypatch.setattr(owner, name, frozen)

    return apply


BROKEN = {
    "the connection of a transport": renamed(RTCIceTransport, "_connection"),
    "the sockets": renamed(aioice.ice.Connection, "_protocols"),
    "the pair in use": renamed(aioice.ice.Connection, "_nominated"),
    "the other side's password": renamed(aioice.ice.Connection, "remote_password"),
    "the pairs": renamed(aioice.ice.Connection, "_check_list"),
    "the stream's number": renamed(RTCRtpSender, "_ssrc"),
    "the repairs' number": renamed(RTCRtpSender, "_rtx_ssrc"),
    "the keys of what comes": renamed(RTCDtlsTransport, "_rx_srtp"),
    "the keys of what goes": renamed(RTCDtlsTransport, "_tx_srtp"),
    "the handler of other datagrams": renamed(aioice.ice.Connection, "data_received"),
    "the handler of datagrams": elsewhere(aioice.ice.StunProtocol, "datagram_received"),
    "gathering": elsewhere(aioice.ice.Connection, "get_component_candidates"),
    "decoding": elsewhere(RTCRtpReceiver, "receive"),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
async def test_a_name_that_no_longer_bites_is_found(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    monkeypatch.setattr("server.media.check.PATIENCE", 1.0)
    fault(monkeypatch)

    with pytest.raises(Unsupported, match=r"aiortc 1\.16\.0 .* failed at "):
        await check()
