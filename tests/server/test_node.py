"""When a node is good for new connections; `tests/stories/test_draining.py` tells how it goes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from server.node import why_not_ready
from server.ports import StoreAway
from server.redis_link.faults import StoreFault


@dataclass
class Store:
    failure: Exception | None = None

    async def ping(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class Hub:
    draining: bool = False


@pytest.mark.parametrize(
    ("failure", "draining", "reason"),
    [
        (None, False, None),
        (StoreAway(), False, "redis"),
        (StoreFault("NOAUTH"), False, "redis"),
        (None, True, "draining"),
    ],
)
async def test_a_node_says_why_it_must_get_nobody_new(
    failure: Exception | None, draining: bool, reason: str | None
) -> None:
    assert await why_not_ready(Store(failure), Hub(draining)) == reason  # type: ignore[arg-type]
