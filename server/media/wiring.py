"""Who is carried on which line: a pure decision, the same for two participants and for twelve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Sent(NamedTuple):
    """One thing a participant sends, whichever of their peers it comes from."""

    participant: str
    kind: str
    number: int
    """0: microphone or camera. From 1: a screen, or its sound."""

    @property
    def source(self) -> str:
        """What the protocol calls it."""
        return "screen" if self.number else "camera"


def assign(
    lines: Sequence[tuple[str, str]], wanted: Sequence[Sent], present: Mapping[str, Sent]
) -> tuple[dict[str, Sent], list[Sent]]:
    """Return (line → what it carries, what found no line).

    `lines` are a peer's receiving lines, (mid, kind) in their order; `wanted` is what it should get, most important
    first; `present` is what its lines carry now, which they keep as long as it is wanted.
    """
    open_lines = dict(lines)
    carried = {mid: sent for mid, sent in present.items() if open_lines.get(mid) == sent.kind and sent in wanted}
    left: list[Sent] = []
    for sent in wanted:
        if sent in carried.values():
            continue
        free = next((mid for mid, kind in lines if kind == sent.kind and mid not in carried), None)
        if free is None:
            left.append(sent)
        else:
            carried[free] = sent
    return carried, left
