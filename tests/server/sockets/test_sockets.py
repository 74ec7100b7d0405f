"""A few thousand messages over real sockets: nothing crosses rooms or practices, and nothing comes too soon.

`python3 run.py prove --sockets --messages 200000` is the same for longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.sockets.play import play

MESSAGES = 5000
MANY = {"welcome": 100, "view": 100, "visit.started": 10, "chat": 10, "not_found": 50, "forbidden": 50, "displaced": 1}
"""What must have come so often at least, or little was tried."""


@pytest.mark.timeout(300)
async def test_nothing_crosses_rooms_or_practices_and_nothing_is_told_before_admission(tmp_path: Path) -> None:
    played = await play(MESSAGES, 1, tmp_path)

    assert played.broken == []
    assert played.sent + played.received >= MESSAGES
    assert played.visits >= 3
    assert {kind: number for kind, number in MANY.items() if played.kinds[kind] < number} == {}
