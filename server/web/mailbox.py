"""What a slow reader has not yet taken: in order, bounded, and without what a later message made untrue."""

from __future__ import annotations

from collections.abc import Hashable

from server.web.frames import Packet


class Full(Exception):
    """The reader is too slow."""


class Mailbox:
    """Frames in the order they will be written. Only a connection whose transport is full has one."""

    __slots__ = ("_frames", "_max_bytes", "_max_count", "_serial", "size")

    def __init__(self, *, max_bytes: int, max_count: int) -> None:
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._frames: dict[Hashable, bytes] = {}
        self._serial = 0
        self.size = 0
        """Bytes held."""

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, packet: Packet, *, packed: bool) -> None:
        """Append, and drop what `packet` replaces. Raise `Full` beyond the bounds."""
        key = packet.replaces
        if key is None:
            self._serial += 1
            key = self._serial
        else:
            # To the end, not into the old one's place: events stay in the order of their numbers.
            self.size -= len(self._frames.pop(key, b""))
        frame = packet.frame(packed=packed)
        if self.size + len(frame) > self._max_bytes or len(self._frames) >= self._max_count:
            raise Full
        self._frames[key] = frame
        self.size += len(frame)

    def take(self) -> bytes:
        """Remove and return the oldest frame."""
        key = next(iter(self._frames))
        frame = self._frames.pop(key)
        self.size -= len(frame)
        return frame

    def clear(self) -> None:
        """Forget everything."""
        self._frames.clear()
        self.size = 0
