"""The clockwork: everybody comes up once, not before their time, and at most a tick after it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from server.web.wheel import TICK, Wheel


def test_an_item_comes_up_once_when_it_is_due() -> None:
    wheel: Wheel[str] = Wheel(0)
    wheel.place("a", 2_500)

    assert wheel.advance(2_499) == []
    assert wheel.advance(3_000) == ["a"]
    assert wheel.advance(60_000) == []


def test_placing_again_moves_and_removing_forgets() -> None:
    wheel: Wheel[str] = Wheel(0)
    for item in "abc":
        wheel.place(item, 2_000)

    wheel.place("a", 5_000)
    wheel.remove("b")
    wheel.remove("never there")

    assert wheel.advance(4_000) == ["c"]
    assert wheel.advance(5_000) == ["a"]
    assert len(wheel) == 0


def test_after_a_long_stall_everybody_comes_up_once() -> None:
    wheel: Wheel[int] = Wheel(0)
    for at in range(60):
        wheel.place(at, at * 1_000)

    assert sorted(wheel.advance(10_000_000)) == list(range(60))
    wheel.place(1, 10_001_000)
    assert wheel.advance(10_001_000) == [1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 4_000)), max_size=60))
def test_nobody_comes_up_early_or_more_than_a_tick_late(plan: list[tuple[int, int]]) -> None:
    wheel: Wheel[int] = Wheel(0)
    due: dict[int, int] = {}
    now = 0
    for item, (ahead, pause) in enumerate(plan):
        due[item] = now + ahead
        wheel.place(item, due[item])
        now += pause
        for came in wheel.advance(now):
            assert due.pop(came) <= now
        assert all(at > now - TICK for at in due.values())
    while due:
        now += TICK
        for came in wheel.advance(now):
            assert now - 2 * TICK < due.pop(came) <= now
