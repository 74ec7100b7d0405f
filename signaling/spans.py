"""Spans of time and what is done with them: union, overlap, difference. Milliseconds, the end not included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from signaling.state import Interval

Span = tuple[int, int]
Spans = tuple[Span, ...]
"""Ascending, apart from one another, none empty."""


def spans(intervals: Sequence[Interval], now: int) -> Spans:
    """Return intervals as spans; those that still run end at `now`, and nothing lies behind it."""
    if not intervals:
        return ()
    return union([(span.start, now if span.end is None or span.end > now else span.end) for span in intervals])


def union(some: Iterable[Span]) -> Spans:
    """Return every instant that lies in any of `some`, in whatever order they come."""
    real = [span for span in some if span[0] < span[1]]
    if len(real) < 2:
        return tuple(real)
    joined: list[Span] = []
    for start, end in sorted(real):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def overlap(one: Spans, other: Spans) -> Spans:
    """Return every instant that lies in both."""
    if not one or not other:
        return ()
    if len(one) == len(other) == 1:  # as it mostly is: a single run, in which nothing dropped
        (a, b), (c, d) = one[0], other[0]
        start, end = a if a > c else c, b if b < d else d
        return ((start, end),) if start < end else ()
    return union([(max(a, c), min(b, d)) for a, b in one for c, d in other])


def without(one: Spans, other: Spans) -> Spans:
    """Return every instant of `one` that does not lie in `other`."""
    if not other:
        return one
    left: list[Span] = []
    for start, end in one:
        for a, b in other:
            if b <= start or a >= end:
                continue
            left.append((start, a))
            start = b  # noqa: PLW2901 - what is left of this span
        left.append((start, end))
    return union(left)


def length(some: Sequence[Span]) -> int:
    """Return how long they are together, in milliseconds."""
    return sum(end - start for start, end in some)
