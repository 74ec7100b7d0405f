"""What a line has negotiated, and how the payload types of one line become those of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MARKER: Final = 0x80
NOT_FORWARDED: Final = 0
"""In a table of payload types: the other side has no such codec (0 itself is PCMU, which is never negotiated)."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of a line."""

    payload_type: int
    name: str
    """In lower case: `opus`, `vp8`, `h264`, `rtx`."""
    rate: int
    """The timestamp's ticks a second."""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def repairs(self) -> int | None:
        """The payload type whose packets this one repeats (RFC 4588's `apt`); None if it is not `rtx`."""
        apt = self.parameters.get("apt", "")
        return int(apt) if self.name == "rtx" and apt.isdecimal() else None

    @property
    def identity(self) -> tuple[str, int, str, str]:
        """What two codecs must have in common for the packets of one to be those of the other.

        Of H264 that is the profile (without the level) and the packetization mode (RFC 6184 section 8.2.2).
        """
        if self.name != "h264":
            return self.name, self.rate, "", ""
        profile = self.parameters.get("profile-level-id", "42e01f").lower()[:4]
        return self.name, self.rate, profile, self.parameters.get("packetization-mode", "0")


@dataclass(frozen=True, slots=True)
class Formats:
    """The codecs and header extensions (URI → id) that one line has negotiated."""

    codecs: tuple[Codec, ...] = ()
    extensions: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> int:
        """The timestamp's ticks a second."""
        return self.codecs[0].rate if self.codecs else 90_000

    def has(self, payload_type: int) -> bool:
        """Tell whether packets of that type may come."""
        return any(codec.payload_type == payload_type for codec in self.codecs)

    def is_repair(self, payload_type: int) -> bool:
        """Tell whether packets of that type are retransmissions."""
        return any(c.payload_type == payload_type and c.repairs is not None for c in self.codecs)


def payload_types(source: Formats, sink: Formats) -> bytes:
    """Return the sink's second header byte for each of the source's: 256 of them, the marker bit included."""
    matches: dict[int, int] = {}
    for codec in source.codecs:
        for other in sink.codecs:
            if codec.repairs is None and other.repairs is None and codec.identity == other.identity:
                matches.setdefault(codec.payload_type, other.payload_type)
    for codec in source.codecs:
        for other in sink.codecs:
            if None not in (codec.repairs, other.repairs) and matches.get(codec.repairs or 0) == other.repairs:
                matches.setdefault(codec.payload_type, other.payload_type)
    table = bytearray(256)
    for mine, theirs in matches.items():
        table[mine] = theirs
        table[mine | MARKER] = theirs | MARKER
    return bytes(table)
