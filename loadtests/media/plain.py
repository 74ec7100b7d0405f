"""SRTP without WebRTC: a socket and two keys that both sides were told. It is what the floors are loaded with."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, Final, NamedTuple, cast

from pylibsrtp import Policy, Session

from loadtests.media.tally import Tally
from loadtests.media.traffic import Clip, Stream

HOST: Final = "127.0.0.1"


class Profile(NamedTuple):
    """An SRTP profile: libsrtp's number, OpenSSL's name, bytes of key and salt."""

    number: int
    openssl: str
    bytes: int


PROFILES: Final = {
    "sha1": Profile(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, "SRTP_AES128_CM_SHA1_80", 30),
    "gcm": Profile(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM", 44),
}
"""Chromium and Firefox choose the first; two peers of aiortc the second."""


def session(profile: int, key: str, kind: int) -> Session:
    """Return a session with a key (hex), as aiortc makes them. `kind`: inbound or outbound."""
    policy = Policy(key=bytes.fromhex(key), ssrc_type=kind, srtp_profile=profile)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return Session(policy)


class Endpoint(asyncio.DatagramProtocol):
    """One peer of a floor."""

    def __init__(self, profile: Profile, look_every: int) -> None:
        """Open one packet in `look_every`."""
        self.there, self.back = (os.urandom(profile.bytes).hex() for _ in range(2))
        self._protect = session(profile.number, self.there, Policy.SSRC_ANY_OUTBOUND).protect
        self.tally = Tally(look_every)
        self.tally.unprotect = session(profile.number, self.back, Policy.SSRC_ANY_INBOUND).unprotect
        self.address: tuple[str, int] | None = None

    async def open(self) -> str:
        """Open the socket; return what the other side is to be told: port and keys."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        return f"{self._transport.get_extra_info('sockname')[1]} {self.there} {self.back}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self._sendto = cast(asyncio.DatagramTransport, transport).sendto

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        """Count it."""
        self.tally.count(data)

    def stream(self, clip: Clip, chance: random.Random) -> Stream:
        """Return what is sent on one line."""
        kind = clip.kind == "audio"
        return Stream(clip, chance.randrange(1 << 32), 96 if kind else 97, 2, chance)

    def send(self, packet: bytes) -> None:
        """Send one packet."""
        self._sendto(self._protect(packet), self.address)

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()
