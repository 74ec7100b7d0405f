"""Who speaks, of several: whoever is louder than the rest for long enough, so that a cough or a nod changes nothing.

Levels come with each packet of sound (RFC 6464): 0 is the loudest, 127 is silence. Here loud is high: 127 less that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.media.rtp import FIXED_LENGTH, HAS_EXTENSION, ONE_WORD, elements

LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

SPEAKS: Final = 80.0
"""Loudness (-47 dBov) below which nobody speaks: rooms hum, and microphones hiss."""
MARGIN: Final = 6.0
"""By how much somebody must be louder than who speaks now (a doubled amplitude)."""
SMOOTH: Final = 0.5
"""The part of the past in what is compared: at two looks a second, about a second of speech."""
TAKES: Final = 1.0
"""Seconds that somebody must be louder, to take the floor."""
KEEPS: Final = 2.0
"""Seconds that the floor is kept at least."""
RECENT: Final = 3
"""How many are remembered who had the floor: they are likely to speak again."""


class Loudness:
    """What one microphone's packets say of their level, summed up between two looks."""

    __slots__ = ("_count", "_sum", "extension")

    def __init__(self, extension: int) -> None:
        """`extension` is the id that was negotiated for the level."""
        self.extension = extension
        self._sum = self._count = 0

    def hear(self, packet: bytes) -> None:
        """Take a packet. Raise `Malformed`."""
        # As browsers send it: one word that holds the level alone, or an extension beside it.
        if packet[0] & 0x1F == HAS_EXTENSION and packet[12:16] == ONE_WORD and packet[16] == self.extension << 4:
            level = packet[FIXED_LENGTH + 5]
        else:
            found = [value for number, value in elements(packet) if number == self.extension and value]
            if not found:
                return
            level = found[0][0]
        self._sum += 127 - (level & 0x7F)
        self._count += 1

    def take(self) -> float:
        """Return the mean since the last time; 0 if nothing came."""
        mean = self._sum / self._count if self._count else 0.0
        self._sum = self._count = 0
        return mean


class Speakers:
    """Who has the floor, and who had it before."""

    __slots__ = ("_challenge", "_loudness", "_since", "recent")

    def __init__(self) -> None:
        self.recent: tuple[str, ...] = ()
        """Who has the floor, then those who had it, newest first."""
        self._loudness: dict[str, float] = {}
        self._since = float("-inf")
        """When the floor was taken."""
        self._challenge: tuple[str, float] | None = None
        """Who is louder now, and since when."""

    def hear(self, now: float, loudness: Mapping[str, float]) -> None:
        """Take how loud each of those who are there was since the last look."""
        before = self._loudness
        self._loudness = {name: SMOOTH * before.get(name, 0.0) + (1 - SMOOTH) * loud for name, loud in loudness.items()}
        self.recent = tuple(name for name in self.recent if name in loudness)
        loudest = max(self._loudness, key=lambda name: self._loudness[name], default=None)
        holder = self.recent[0] if self.recent else None
        if loudest is None or loudest == holder or self._loudness[loudest] < SPEAKS:
            self._challenge = None
            return
        if holder is not None and self._loudness[loudest] < self._loudness[holder] + MARGIN:
            self._challenge = None
            return
        if self._challenge is None or self._challenge[0] != loudest:
            self._challenge = loudest, now
        if holder is None or (now - self._challenge[1] >= TAKES and now - self._since >= KEEPS):
            self.recent = (loudest, *[name for name in self.recent if name != loudest])[:RECENT]
            self._since, self._challenge = now, None
