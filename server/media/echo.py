"""The echo of a device check: a browser gets back what it sends, by the way on which it would get another's."""

from __future__ import annotations

from server.media import congestion
from server.media.peer import Peer


def close_loop(peer: Peer, now: float) -> None:
    """Let each line of a peer carry what the peer itself sends on it; again and again, for what has changed."""
    for line in peer.lines.values():
        line.sink.bind(line.source if line.sends and line.receives else None)
        line.sink.agree()
        if line.sink.source is not None and peer.path.open and not line.sink.broken:
            line.source.link(line.sink, now)
    congestion.settle({peer.congestion: peer.numbered()}, [peer.congestion])
