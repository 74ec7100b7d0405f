"""The same moves, chosen by Hypothesis: it varies more cleverly than chance, and makes what fails small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.server.machine import meanwhile, upheaval  # noqa: F401 - add their moves
from tests.server.machine.moves import MOVES, Move, people_come
from tests.server.machine.world import World

T = TypeVar("T")


class Drawn:
    """`Choices`, drawn by Hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def below(self, count: int) -> int:
        return self._data.draw(st.integers(0, count - 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


class ManyRooms(RuleBasedStateMachine):
    """Two nodes, three practices, six rooms."""

    steps = 0
    """Played by all of them: Hypothesis promises no number."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(data=st.data())
    def people_come(self, data: st.DataObject) -> None:
        people_come(self.world, Drawn(data))

    def play(self, move: Move, data: st.DataObject) -> None:
        ManyRooms.steps += 1
        move(self.world, Drawn(data))
        self.world.spells()

    def teardown(self) -> None:
        if self.world.broken is None:
            self.world.end()


def _as_rule(move: Move) -> Callable[..., None]:
    def moved(self: ManyRooms, data: st.DataObject) -> None:
        self.play(move, data)

    moved.__name__ = move.__name__
    made: Any = rule(data=st.data())(moved)
    return made  # type: ignore[no-any-return]


for _, one in MOVES:
    setattr(ManyRooms, one.__name__, _as_rule(one))
