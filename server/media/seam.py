"""Every name that is taken from inside aiortc and aioice; `check.py` tells whether each still bites.

aiortc does descriptions, ICE and DTLS untouched. What it would do with media — decode, queue, encode — never starts:
receivers and senders are silenced, and datagrams are looked at before aiortc gets them. Nothing is patched but
instances that belong to one peer, and one attribute that a socket of aioice lacks for a moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from aioice import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpTransceiver,
)

from server.media import srtp

# aioice tells addresses at level INFO, and logs are for strangers.
logging.getLogger("aioice").setLevel(logging.WARNING)

SUPPORTED: Final = "1.16.0"
"""The version of aiortc that all this was written for and tested with."""

Address = tuple[str, int]
Received = Callable[[Any, tuple[Any, ...]], None]

# A datagram may come in the moment between a socket's opening and aioice's giving it a candidate, which is looked at
# even to drop it: a stranger's must not be an error of ours.
StunProtocol.local_candidate = Candidate("", 1, "udp", 0, "0.0.0.0", 0, "host")

_LIVE: Final = frozenset({CandidatePair.State.IN_PROGRESS, CandidatePair.State.SUCCEEDED})


def connection(ice_servers: Sequence[RTCIceServer]) -> RTCPeerConnection:
    """Return a new connection with a certificate of its own. Never aiortc's default: a stranger's STUN server."""
    return RTCPeerConnection(RTCConfiguration(iceServers=list(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def transport(peer: RTCPeerConnection) -> RTCDtlsTransport:
    """Return the one transport of a peer whose lines are bundled; after the remote description was set."""
    return peer.getTransceivers()[0].receiver.transport


def silence(transceiver: RTCRtpTransceiver) -> None:
    """Keep aiortc from decoding and encoding; before the local description is set."""

    async def nothing(parameters: object) -> None:
        """Take the place of `receive` and `send`."""

    transceiver.receiver.receive = nothing  # type: ignore[method-assign]
    transceiver.sender.send = nothing  # type: ignore[method-assign]
    transceiver.direction = "sendrecv"
    # What would estimate a bandwidth, but is never asked, is a thousand objects.
    vars(transceiver.receiver).pop("_RTCRtpReceiver__remote_bitrate_estimator", None)


def streams(transceiver: RTCRtpTransceiver) -> tuple[int, int]:
    """Return the SSRCs that the answer announces: of the stream and of its retransmissions."""
    return transceiver.sender._ssrc, transceiver.sender._rtx_ssrc


def name_stream(transceiver: RTCRtpTransceiver, stream: str) -> None:
    """Say which tracks belong together; before the answer is made."""
    transceiver.sender._stream_id = stream


def _ice(dtls: RTCDtlsTransport) -> Connection:
    return dtls.transport._connection


def stand_guard(
    dtls: RTCDtlsTransport,
    choose: Callable[[list[str]], list[str]],
    received: Callable[[StunProtocol, Received], Received],
) -> None:
    """Let `received` make the handler of each of the peer's sockets; before candidates are gathered.

    It gets the socket and aioice's own handler. `choose` is given the machine's addresses and returns those to use.
    """
    ice = _ice(dtls)
    gather = ice.get_component_candidates

    async def guarded(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109 - aioice's own
        found = await gather(component=component, addresses=choose(addresses), timeout=timeout)
        for protocol in ice._protocols:
            protocol.datagram_received = received(protocol, protocol.datagram_received)  # type: ignore[method-assign, assignment]
        del ice.data_received, ice.get_component_candidates  # the class's own are there again
        return found

    ice.get_component_candidates = guarded  # type: ignore[method-assign]
    # Sockets are open a moment before the guard stands; nobody honest knows them yet.
    ice.data_received = lambda data, component: None  # type: ignore[method-assign]


def is_live(dtls: RTCDtlsTransport, protocol: StunProtocol, address: Address) -> bool:
    """Tell whether `address` belongs to a candidate pair of that socket that is being checked, or works."""
    return any(
        pair.protocol is protocol and pair.remote_addr == address and (pair.state in _LIVE or pair.nominated)
        for pair in _ice(dtls)._check_list
    )


class Way(NamedTuple):
    """A candidate pair in use."""

    protocol: StunProtocol
    address: Address
    """Where to."""

    @property
    def is_direct(self) -> bool:
        """Whether datagrams leave by this machine's own socket, and not by a TURN server."""
        return self.protocol.local_candidate.type == "host"

    @property
    def socket(self) -> asyncio.DatagramTransport:
        """What sends datagrams, and receives them."""
        return self.protocol.transport

    def received(self, data: bytes, whence: tuple[Any, ...] | None = None) -> None:
        """Take a datagram as if the socket had: from the other side, or from `whence`."""
        self.protocol.datagram_received(data, self.address if whence is None else whence)


def nominated(dtls: RTCDtlsTransport) -> Way | None:
    """Return the pair in use; None while there is none."""
    pair = _ice(dtls)._nominated.get(1)
    return Way(pair.protocol, pair.remote_addr) if pair else None


def knock(dtls: RTCDtlsTransport) -> None:
    """Send a check on the pair in use; its answer is a sign of life, and no transaction waits for it."""
    ice = _ice(dtls)
    pair = ice._nominated.get(1)
    if pair is not None and ice.remote_password is not None:
        request = ice.build_request(pair, nominate=False)
        request.add_message_integrity(ice.remote_password.encode())
        pair.protocol.send_stun(request, pair.remote_addr)


async def close(peer: RTCPeerConnection) -> None:
    """Close a connection for good, so that nothing is left that only the garbage collector would find.

    aioice, closed in the moment in which its checks succeed, would go on asking for consent for ever; and aiortc,
    closed in the middle of a handshake, would start the same transport once more for the next line, and complain.
    """

    async def nothing(*_: object) -> None:
        """Take the place of `query_consent`, if it does not run already, and of a transport's `start`."""

    transports = {transceiver.receiver.transport for transceiver in peer.getTransceivers()}
    sockets = [protocol for dtls in transports for protocol in getattr(_ice(dtls), "_protocols", ())]
    for dtls in transports:
        _ice(dtls).query_consent = nothing  # type: ignore[method-assign]
        dtls.start = dtls.transport.start = nothing  # type: ignore[method-assign, assignment]
    await peer.close()
    # The collector looks through what is old once in hours, and a peer weighs 300 kB: its parts are not to hold one
    # another. Should another version lack a name, then that much waits.
    for dtls in transports:
        getattr(_ice(dtls), "_check_list", []).clear()
        helper = getattr(dtls._ssl, "_verify_helper", None)
        if helper is not None:
            helper.callback = None
        for emitter in (dtls, dtls.transport, dtls.transport.iceGatherer):
            emitter.remove_all_listeners()
    for protocol in sockets:
        vars(protocol).pop("datagram_received", None)


def openers(dtls: RTCDtlsTransport) -> tuple[srtp.Work, srtp.Work]:
    """Return (unprotect RTP, unprotect RTCP), for this thread; after the handshake."""
    found = srtp.ways(dtls._rx_srtp)
    return found.unprotect, found.unprotect_rtcp


def in_place(dtls: RTCDtlsTransport) -> tuple[srtp.InPlace | None, srtp.InPlace | None]:
    """Return (unprotect, protect) RTP where it lies, for this thread; after the handshake."""
    return srtp.in_place(dtls._rx_srtp, "unprotect"), srtp.in_place(dtls._tx_srtp, "protect")


def closers(dtls: RTCDtlsTransport) -> tuple[srtp.Work, srtp.Work]:
    """Return (protect RTP, protect RTCP), for this thread; after the handshake."""
    found = srtp.ways(dtls._tx_srtp)
    return found.protect, found.protect_rtcp
