"""How much is too much: buckets and strikes, by a clock that is moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.web.limits import Bucket, Limits, Strikes, cost
from signaling.requests import Chat, MediaCandidates, MediaOffer, MediaStats, Ping


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(burst=3, rate=2, now=0)

    assert [bucket.take(1, 0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(1, 0) == pytest.approx(0.5)
    assert bucket.take(1, 400) == pytest.approx(0.1)
    assert bucket.take(1, 500) == 0
    assert bucket.take(3, 100_000) == 0, "never more than the burst"
    assert bucket.take(1, 100_000) > 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5_000), st.floats(0.1, 3)), max_size=200))
def test_no_pattern_gets_more_than_burst_and_rate(asked: list[tuple[int, float]]) -> None:
    bucket = Bucket(burst=10, rate=4, now=0)
    now, taken = 0, 0.0

    for pause, amount in asked:
        now += pause
        if not bucket.take(amount, now):
            taken += amount
        assert taken <= 10 + 4 * now / 1000 + 1e-6


def test_three_strikes_count_within_the_window_only() -> None:
    strikes = Strikes(limit=3, window=10_000)

    assert [strikes.add(at) for at in (0, 6_000, 12_000, 15_999, 16_001)] == [False, False, False, True, True]


def test_what_comes_in_showers_costs_little() -> None:
    assert cost(MediaCandidates(peer="p")) == cost(MediaStats()) == cost(Ping()) < cost(Chat(text="x"))


def test_offers_are_limited_by_what_their_answers_cost() -> None:
    bucket, limits = Bucket(Limits().burst, Limits().rate, 0), Limits()
    offer = cost(MediaOffer(peer="p", round=1, sdp="v=0", audio_only=False))

    granted = sum(bucket.take(offer, ms) == 0 for ms in range(0, 10_000, 50))

    assert offer > cost(Chat(text="x"))
    assert 12 <= granted <= (limits.burst + 10 * limits.rate) / offer


def test_a_claim_outlives_the_death_of_its_node_by_the_promised_time() -> None:
    limits = Limits()

    assert limits.claim - limits.refresh >= limits.resume_for
