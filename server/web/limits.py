"""How much a connection may ask of us, and how long we wait for it."""

from __future__ import annotations

from msgspec import Struct

from signaling.fields import FRAME_LIMIT, SDP_LIMIT
from signaling.requests import AnyRequest, MediaCandidates, MediaFlow, MediaOffer, MediaStats, Ping

SECOND = 1000


class Limits(Struct, frozen=True, kw_only=True):
    """Spans are milliseconds, sizes bytes."""

    connections: int = 12_000
    """Of this node; further upgrades are refused. Descriptors are limited, too."""
    frame: int = FRAME_LIMIT
    heartbeat: int = 10 * SECOND
    ping_every: int = 9 * SECOND
    """A little less: the clockwork goes by whole seconds, and what was promised is at the latest."""
    silence: int = 20 * SECOND
    hello_within: int = 5 * SECOND
    close_within: int = 5 * SECOND
    """For the closing handshake, and for a slow reader to take what was meant to come before it."""
    patience: float = 10.0
    """Seconds that one request may take before it is answered with `unavailable`."""
    resume_for: int = 60 * SECOND
    """After a drop."""
    refresh: int = 20 * SECOND
    """How often the claim to resume is renewed while connected, so that it survives the death of this node."""
    idle: int = 15 * 60 * SECOND
    """How long a provider's sign-in lives after their page was last connected."""
    burst: float = 50
    rate: float = 20
    """Messages a second in the long run."""
    refusals: int = 50
    """For `rate` within `strike_window`; then the connection is closed."""
    bad_messages: int = 3
    """Within `strike_window`; then the connection is closed."""
    strike_window: int = 10 * SECOND
    stats_every: int = 5 * SECOND
    inbox: int = 32
    """Requests waiting for an earlier one; beyond, the socket is not read."""
    mailbox_bytes: int = 256 * 1024
    mailbox_count: int = 512
    """Messages that a slow reader may owe us, on top of the transport's buffer."""
    write_buffer: int = 64 * 1024
    """Of the transport; above it, messages wait in the mailbox."""

    @property
    def claim(self) -> int:
        """How long a claim to resume lives if nobody renews it: `resume_for` even just before a renewal."""
        return self.resume_for + self.refresh + 5 * SECOND

    def told(self) -> dict[str, int]:
        """Return what `welcome` says of them."""
        return {
            "frame": self.frame,
            "sdp": SDP_LIMIT,
            "burst": int(self.burst),
            "rate": int(self.rate),
            "stats_every": self.stats_every // SECOND,
        }


def cost(request: AnyRequest) -> float:
    """Return what a message takes from the bucket: what comes in showers by itself costs little, an offer much."""
    if isinstance(request, MediaOffer):
        return 4.0
    return 0.2 if isinstance(request, MediaCandidates | MediaFlow | MediaStats | Ping) else 1.0


class Bucket:
    """Tokens that come back with time; the usual token bucket."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: float, rate: float, now: int) -> None:
        """`rate` is tokens a second; `now` is milliseconds of any steady clock."""
        self._burst = self._tokens = burst
        self._rate = rate
        self._at = now

    def take(self, cost: float, now: int) -> float:
        """Take `cost` tokens and return 0, or take nothing and return the seconds until they are there."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate / SECOND)
        self._at = now
        if self._tokens >= cost:
            self._tokens -= cost
            return 0.0
        return (cost - self._tokens) / self._rate


class Strikes:
    """Counts what may happen a few times, but not too often."""

    __slots__ = ("_limit", "_times", "_window")

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        self._window = window
        self._times: tuple[int, ...] = ()

    def add(self, now: int) -> bool:
        """Count one more at `now` (ms); return whether that makes `limit` of them within `window` ms."""
        self._times = (*(at for at in self._times if now - at < self._window), now)[-self._limit :]
        return len(self._times) >= self._limit
