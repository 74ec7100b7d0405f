"""The fast lane, which nearly every packet takes: it has one receiver, and its header keeps its length.

Such a packet is unprotected, rewritten and protected where it lies, in one function: what `Peer`, `Source` and `Sink`
would do with it, and nothing else. Whatever is unusual is left to them; a test sends the same packets both ways. It is
there because it is measured to be cheaper: `python3 run.py bench media`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from server.media.alive import PATIENCE
from server.media.rtp import HEAD, ONE_WORD, TWO_WORDS
from server.media.srtp import LARGEST

if TYPE_CHECKING:
    from server.media.peer import Peer
    from server.media.relay import Source

PLAIN: Final = 0x90
"""The first byte of an RTP header with extensions, and with nothing else that is optional."""
SHORTEST: Final = 24
_WORD: Final = struct.Struct("!BBHII4sB")
"""The fixed header, that of one word of extensions or two, and the head of the first element in it."""
_WIDE: Final = struct.Struct("!BH")
"""The second element of two words: the transport-wide number."""


def forward(peer: Peer, source: Source, data: bytes) -> bool:
    """Forward an SRTP packet that names a stream of `source`, if it can be done here; False: nothing has been done."""
    live, opener, size, budget = source.live, peer.opener, len(data), peer.budget
    if (
        len(live) != 1
        or opener is None
        or data[0] != PLAIN
        or not SHORTEST <= size <= LARGEST
        or source.watch is not None
        or source.loudness is not None
        or source.beginning is not None
        or peer.packets >= budget.packets
        or peer.octets >= budget.octets
    ):
        return False
    sink = live[0]
    path = sink.path
    closer, kind = path.closer, sink.types[data[1]]
    if closer is None or not kind or sink.fresh:
        return False
    profile, wide, moved = data[12:16], 0, 0
    if profile == TWO_WORDS:
        found = sink.extensions.pictures.get(data[16] << 8 | data[20])
        if found is None or data[23] or path.shift is None:
            return False
        element, wide = found
        if not wide >> 4:
            return False
        moved = (data[21] << 8 | data[22]) + path.shift & 0xFFFF
    elif profile == ONE_WORD:
        start = sink.extensions.words.get(data[16])
        if start is None or not (data[16] & 0x0F or data[18:20] == b"\0\0"):
            return False
        element = start[4]
    else:
        return False

    unprotect, handle, chars, buffer, length, _ = opener
    buffer[0:size] = data
    length[0] = size
    if unprotect(handle, chars, length):  # not from this peer, or replayed
        peer.guard.dropped += 1
        return True
    now = peer.now()
    if now - peer.heard_at >= PATIENCE:
        peer.heard_since = now
    peer.heard_at = now
    peer.packets += 1
    peer.octets += size

    first, _, number, timestamp = HEAD.unpack_from(data)
    if source.last_at is None or now - source.last_at >= PATIENCE:
        source.first_at = now
    source.last_at = now
    source.number = number
    source.received += 1
    source.octets += length[0]

    out = (number + sink.shift) & 0xFFFF
    stamp = (timestamp + sink.timestamp_shift) & 0xFFFFFFFF
    if not sink.advance(out, stamp, now):
        return True
    try:
        _WORD.pack_into(buffer, 0, first, kind, out, stamp, sink.ssrc, profile, element)
        if wide:
            _WIDE.pack_into(buffer, 20, wide, moved)
        protect, handle, chars, buffer, length, _ = closer
        if not protect(handle, chars, length):
            path.sendto(buffer[0 : length[0]], path.address)
            sink.packets += 1
    except Exception:  # noqa: BLE001 - an error in forwarding closes nothing but that track
        source.give_up(sink)
    return True
