"""Of many pictures a receiver gets those that fit, the most important first, and they do not come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.media.budget import FIRST_WAIT, LONGEST_WAIT, STEP, Share, in_order, shares
from server.media.reception import Reading
from server.media.wiring import Sent

TICK = 0.5
LOW = 150_000
SOUND = 11 * 45_000


def camera(name: str) -> Sent:
    return Sent(name, "video", 0)


def screen(name: str) -> Sent:
    return Sent(name, "video", 1)


def test_screens_come_first_then_who_speaks_then_providers_then_who_spoke_then_the_rest_as_it_is() -> None:
    cameras = [camera(name) for name in ("ann", "bob", "cat", "dan", "dr", "eve")]

    order = in_order([*cameras, screen("dan")], ("eve", "cat"), {"dr"})

    assert order == [screen("dan"), *map(camera, ("eve", "dr", "cat", "ann", "bob", "dan"))]
    assert in_order(cameras, (), {"dr"}) == [camera("dr"), *[one for one in cameras if one.participant != "dr"]]


class Downlink:
    """A network that takes so many bits a second, as a browser's estimate shows it."""

    def __init__(self, takes: float, pictures: int = 11) -> None:
        self.share = Share()
        self.takes = takes
        self.rates = [LOW] * pictures
        self.now = 50.0
        self.shown: list[int] = []

    def goes_on(self, seconds: float) -> int:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            count = len(self.rates) if not self.shown else min(self.shown[-1], len(self.rates))
            sent = SOUND + sum(self.rates[:count])
            estimate = round(min(1.5 * sent, 0.85 * self.takes if sent > self.takes else self.takes))
            self.shown.append(self.share.fit(self.now, self.rates, Reading(estimate=estimate, rate=sent)))
        return self.shown[-1]


def test_where_there_is_room_nothing_is_paused() -> None:
    downlink = Downlink(takes=6_000_000)

    downlink.goes_on(60)

    assert set(downlink.shown) == {11}


def test_eleven_low_pictures_and_voices_fit_into_three_megabits() -> None:
    assert Downlink(takes=3_000_000).goes_on(60) == 11


def test_what_does_not_fit_pauses_within_seconds_and_is_tried_again_ever_more_seldom() -> None:
    downlink = Downlink(takes=1_100_000)

    assert downlink.goes_on(4) <= 4, "four pictures and eleven voices are all that fits"
    assert downlink.goes_on(1) >= 2
    downlink.goes_on(120)
    downlink.shown.clear()
    downlink.shown.append(4)
    downlink.goes_on(300)
    changes = sum(one != other for one, other in zip(downlink.shown, downlink.shown[1:], strict=False))
    assert changes <= 2 * 300 / LONGEST_WAIT + 2
    assert sum(downlink.shown) / len(downlink.shown) > 3


def test_pictures_come_back_one_by_one_once_there_is_room() -> None:
    downlink = Downlink(takes=700_000)
    assert downlink.goes_on(20) == 1, "one is always shown: if that is too much, the network is too weak for any"

    downlink.takes = 6_000_000
    downlink.shown = downlink.shown[-1:]
    downlink.goes_on(LONGEST_WAIT + 11 * STEP)
    assert downlink.shown[-1] == 11
    steps = [other - one for one, other in zip(downlink.shown, downlink.shown[1:], strict=False)]
    assert set(steps) <= {0, 1}


def test_after_a_network_that_carried_none_there_is_one_first() -> None:
    downlink = Downlink(takes=6_000_000)
    downlink.share.one_alone(downlink.now)
    downlink.shown.append(1)

    assert downlink.goes_on(FIRST_WAIT - TICK) == 1
    assert downlink.goes_on(30) == 11


def test_a_low_estimate_takes_nothing_away_where_nothing_is_lost_or_late() -> None:
    share, rates = Share(), [LOW] * 4
    low = Reading(loss=0.0, round_trip=0.05, estimate=300_000, rate=700_000)
    assert {share.fit(at / 2, rates, low) for at in range(60)} == {4}

    assert share.fit(30.0, rates, low._replace(round_trip=0.9)) == 4
    assert share.fit(33.5, rates, low._replace(round_trip=0.9)) == 1, "queues grow"
    assert share.fit(43.0, rates, low._replace(rate=250_000)) == 2, "it is well again, and one more is tried"


def test_without_an_estimate_a_network_is_taken_to_be_good() -> None:
    share = Share()

    assert share.fit(0.0, [LOW] * 11, Reading(rate=2_000_000)) == 11


@given(
    st.lists(
        st.tuples(st.sampled_from([300_000, 800_000, 1_500_000, 6_000_000]), st.sampled_from([1, 2, 5, 20, 70])),
        max_size=40,
    )
)
def test_pictures_never_flap(weather: list[tuple[int, int]]) -> None:
    downlink = Downlink(takes=6_000_000)
    fewer: list[float] = []
    for takes, seconds in weather:
        downlink.takes = takes
        for _ in range(round(seconds / TICK)):
            before = downlink.shown[-1] if downlink.shown else 11
            if downlink.goes_on(TICK) < before:
                fewer.append(downlink.now)
            assert downlink.shown[-1] >= 1

    for begin in fewer:
        assert sum(begin <= at < begin + 60 for at in fewer) <= 10


# --- Sharing an estimate


def test_an_estimate_is_shared_evenly_and_what_caps_leave_over_goes_to_the_rest() -> None:
    assert shares(300, [None, None, None]) == [100, 100, 100]
    assert shares(2_000, [150, None, 150]) == [150, 1_700, 150]
    assert shares(300, [150, None, 150]) == [100, 100, 100]
    assert shares(1_000, [400, 50]) == [400, 50]
    assert shares(100, []) == []


@given(st.integers(0, 10**9), st.lists(st.none() | st.integers(0, 10**7), max_size=12))
def test_never_more_is_shared_than_there_is(rate: int, caps: list[int | None]) -> None:
    given = shares(rate, caps)

    assert sum(given) <= rate
    assert all(cap is None or share <= cap for share, cap in zip(given, caps, strict=True))
    if None in caps:
        assert sum(given) >= rate - len(caps)
