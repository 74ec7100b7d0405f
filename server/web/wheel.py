"""One clockwork for all connections: whoever is due comes up once, and no socket needs a timer of its own."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

TICK = 1000
"""Milliseconds; nothing comes up more precisely than this."""
_SLOTS = 64


class Wheel(Generic[Item]):
    """A ring of one-second slots. An item is in one of them at most; further than a turn it comes up early."""

    def __init__(self, now: int) -> None:
        """`now` is milliseconds of a steady clock."""
        self._tick = now // TICK
        self._slots: list[dict[Item, None]] = [{} for _ in range(_SLOTS)]
        self._where: dict[Item, int] = {}

    def __len__(self) -> int:
        return len(self._where)

    def place(self, item: Item, at: int) -> None:
        """Let `item` come up in the first tick that is not before `at`, and at no other time."""
        self.remove(item)
        tick = min(max(-(-at // TICK), self._tick + 1), self._tick + _SLOTS - 1)
        self._where[item] = slot = tick % _SLOTS
        self._slots[slot][item] = None

    def remove(self, item: Item) -> None:
        """Forget `item`, if it is there."""
        slot = self._where.pop(item, None)
        if slot is not None:
            del self._slots[slot][item]

    def advance(self, now: int) -> list[Item]:
        """Remove and return everything that is due at `now`, oldest first."""
        due: list[Item] = []
        first, self._tick = self._tick + 1, max(self._tick, now // TICK)
        for tick in range(first, min(self._tick, first + _SLOTS - 1) + 1):
            slot = self._slots[tick % _SLOTS]
            due.extend(slot)
            slot.clear()
        for item in due:
            del self._where[item]
        return due
