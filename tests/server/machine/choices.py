"""How a machine chooses: by a seed, each step by its own, so that leaving out one step changes no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
_MASK = (1 << 64) - 1


class Choices(Protocol):
    """Chance, as moves see it."""

    def below(self, count: int) -> int:
        """Return a whole number from 0 to `count` - 1."""
        ...

    def pick(self, options: Sequence[T]) -> T: ...

    def chance(self, percent: int) -> bool: ...


class Dice:
    """A small generator: two seeds in, the same choices out. (Steele and others' splitmix64.)"""

    __slots__ = ("_state",)

    def __init__(self, seed: int, step: int = 0) -> None:
        self._state = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03) & _MASK
        self._next()

    def _next(self) -> int:
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def below(self, count: int) -> int:
        return self._next() % count

    def pick(self, options: Sequence[T]) -> T:
        return options[self._next() % len(options)]

    def chance(self, percent: int) -> bool:
        return self._next() % 100 < percent
