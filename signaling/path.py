"""Which way a visit's media go: through a node of ours, or straight from one browser to the other."""

from __future__ import annotations

from collections.abc import Collection

from signaling.fields import MediaPath
from signaling.state import Interval, Visit


def path_of(visit: Visit) -> MediaPath:
    """Return the way that a visit's media go now."""
    return "direct" if visit.direct and visit.direct[-1].end is None else "relay"


def spans_from(visit: Visit, clients: Collection[str], now: int) -> tuple[Interval, ...]:
    """Return when its media went directly, with the segment that begins `now` for these clients.

    Two people alone may be without the server, if their practice wants it so, and as long as it did not fail them.
    """
    if visit.policy.media != "direct" or visit.fell_back or visit.group or len(visit.providers) + len(clients) != 2:
        return visit.direct
    return (*visit.direct, Interval(now))
