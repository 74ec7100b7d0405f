"""Who sends or asks too much is bounded; what a browser sends at its best is not."""

from __future__ import annotations

from server.media.limits import OCTETS, PACKETS, REPORTS, Bucket, Budget, Rate


def test_a_burst_is_let_through_and_what_comes_after_it_at_the_rate() -> None:
    budget = Budget(10.0)
    assert (budget.packets, budget.octets, budget.reports) == (3_000, 3_000_000, 600)

    budget.move(10.5, packets=3_000, octets=3_000_000, reports=600)
    assert (budget.packets, budget.octets, budget.reports) == (3_750, 3_750_000, 700)

    budget.move(1_000.0, packets=3_750, octets=3_750_000, reports=700)
    assert (budget.packets, budget.octets, budget.reports) == (6_750, 6_750_000, 1_300)


def test_after_a_silence_there_is_no_more_than_a_burst() -> None:
    budget = Budget(0.0)

    for second in range(1, 100):
        budget.move(second, packets=7, octets=7_000, reports=7)

    assert budget.packets == 7 + PACKETS.at_once
    assert budget.octets == 7_000 + OCTETS.at_once
    assert budget.reports == 7 + REPORTS.at_once


def test_what_went_beyond_the_mark_is_owed() -> None:
    budget = Budget(0.0)

    budget.move(0.001, packets=0, octets=OCTETS.at_once + 9_000, reports=0)

    assert budget.octets == OCTETS.at_once + 1_500


def test_a_clock_that_stands_still_gives_nothing() -> None:
    budget = Budget(5.0)

    budget.move(5.0, packets=3_000, octets=0, reports=0)
    budget.move(4.0, packets=3_000, octets=0, reports=0)

    assert budget.packets == 3_000


def test_a_camera_and_a_screen_at_their_best_never_wait() -> None:
    budget, packets, octets = Budget(0.0), 0, 0

    for look in range(1, 600):
        packets, octets = packets + 400, octets + 400 * 1_200  # in half a second: 7.7 Mbit/s, in 800 packets a second
        assert packets <= budget.packets
        assert octets <= budget.octets
        budget.move(look / 2, packets=packets, octets=octets, reports=0)


def test_a_bucket_grants_what_it_has() -> None:
    bucket = Bucket(Rate(2.0, 5))

    assert [bucket.take(3, 100.0), bucket.take(3, 100.0), bucket.take(3, 100.0)] == [3, 2, 0]
    assert [bucket.take(3, 100.4), bucket.take(3, 101.0), bucket.take(9, 999.0)] == [0, 2, 5]
