"""The store's time on this machine: from the middle of the round trip, and never back."""

from __future__ import annotations

from dataclasses import dataclass

from server.clock import StoreClock


@dataclass
class Watch:
    """A monotonic clock in seconds, a store whose clock is somewhere else, and a way between them."""

    now: float = 100.0
    ahead: int = 1_000_000
    """Milliseconds by which the store's clock is ahead of ours."""
    there: float = 0.0
    back: float = 0.0
    """Seconds that a question takes to the store, and its answer back."""

    async def ask(self) -> int:
        self.now += self.there
        told = int(self.now * 1000) + self.ahead
        self.now += self.back
        return told

    def clock(self) -> StoreClock:
        return StoreClock(self.ask, lambda: self.now)


async def test_it_tells_the_stores_time_and_goes_on_by_itself() -> None:
    watch = Watch()
    clock = watch.clock()
    await clock.sync()

    assert clock() == 1_100_000
    watch.now += 2.5
    assert clock() == 1_102_500


async def test_the_answer_is_from_the_middle_of_the_round_trip() -> None:
    watch = Watch(there=0.2, back=0.2)
    clock = watch.clock()
    await clock.sync()

    assert clock() == int(watch.now * 1000) + watch.ahead


async def test_a_lopsided_way_costs_half_of_itself_at_most() -> None:
    watch = Watch(there=0.0, back=0.4)
    clock = watch.clock()
    await clock.sync()

    assert clock() - (int(watch.now * 1000) + watch.ahead) == -200


async def test_an_answer_that_was_long_under_way_is_not_believed_against_a_better_one() -> None:
    watch = Watch()
    clock = watch.clock()
    await clock.sync()
    watch.back = 1.8
    await clock.sync()

    assert clock() == int(watch.now * 1000) + watch.ahead


async def test_a_poor_answer_is_better_than_none() -> None:
    watch = Watch(back=1.0)
    clock = watch.clock()
    await clock.sync()

    assert abs(clock() - (int(watch.now * 1000) + watch.ahead)) <= 500


async def test_it_never_goes_back() -> None:
    watch = Watch()
    clock = watch.clock()
    await clock.sync()
    before = clock()
    watch.ahead -= 3_000
    watch.now += 1
    await clock.sync()

    assert clock() == before
    watch.now += 2.5
    assert clock() == before + 500


async def test_it_follows_a_store_whose_clock_was_put_forward() -> None:
    watch = Watch()
    clock = watch.clock()
    await clock.sync()
    watch.ahead += 300_000
    await clock.sync()

    assert clock() == int(watch.now * 1000) + watch.ahead
