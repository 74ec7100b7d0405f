"""What is read of a room is no older than what was told of it meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from server.nodes.fresh import TRIES, fresh
from signaling.errors import Unavailable
from signaling.state import Room
from tests.signaling.play import empty_room


class Reading:
    """Each read returns the next of some states; meanwhile the next of some events is heard."""

    def __init__(self, *read: tuple[int, int]) -> None:
        """Of each read: the event that the state is of, and the one that was heard when it came."""
        self.read = list(read)
        self.heard = 0
        self.asked: list[int] = []

    async def present(self, room: str, *, seq: int = 0) -> Room | None:
        self.asked.append(seq)
        of, self.heard = self.read.pop(0)
        return replace(empty_room(), seq=of)

    async def now(self, seq: int = 0) -> Any:
        return await fresh(self, "room_1", lambda room: self.heard, seq=seq)  # type: ignore[arg-type]


async def test_what_was_heard_of_while_it_was_read_is_in_it() -> None:
    reading = Reading((4, 5), (5, 5))

    assert (await reading.now(seq=3)).seq == 5
    assert reading.asked == [3, 5]


async def test_what_is_new_enough_is_read_once() -> None:
    reading = Reading((4, 4))

    assert (await reading.now()).seq == 4
    assert reading.asked == [0]


async def test_a_room_that_stays_behind_is_given_up() -> None:
    reading = Reading(*[(4, 5)] * TRIES)

    with pytest.raises(Unavailable):
        await reading.now()
