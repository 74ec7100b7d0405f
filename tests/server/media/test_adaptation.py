"""The picture gives way when a network stays bad, and comes back without flapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.adaptation import GRACE, LONGEST_WAIT, PROBE, RECEIVING, RELAPSE, SENDING, Adaptation
from server.media.reception import Reading

FINE = Reading(loss=0.01, round_trip=0.05, estimate=900_000, rate=600_000)
LOSSY = FINE._replace(loss=0.3)
FAR = FINE._replace(round_trip=1.2)
NARROW = Reading(loss=0.02, round_trip=0.3, estimate=90_000, rate=85_000)
IDLE = NARROW._replace(rate=40_000)
"""Nobody sends much, so nobody knows what could be sent."""
UNKNOWN = Reading()
TICK = 0.5


class Network:
    """Feels a machine every half second, and keeps when it told what."""

    def __init__(self, rows: tuple = RECEIVING) -> None:  # type: ignore[type-arg]
        self.machine = Adaptation(rows)
        self.now = 1000.0
        self.told: list[tuple[float, bool]] = []
        """When, and whether pictures are withheld from then on."""
        self.switches: list[float] = []
        """When forwarding really began or ceased."""

    def is_(self, reading: Reading, seconds: float) -> Network:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            before = self.machine.forwards
            at = self.machine.feel(self.now, reading)
            if at is not None:
                self.told.append((at, self.machine.held_at is not None))
            if self.machine.forwards != before:
                self.switches.append(self.now)
        return self

    def until_forwarded(self, reading: Reading, within: float) -> float:
        begin = self.now
        while not self.machine.forwards:
            assert self.now - begin <= within, "it never comes back"
            self.is_(reading, TICK)
        return self.now - begin


@pytest.mark.parametrize(("bad", "within"), [(LOSSY, 4.5), (FAR, 5.5), (NARROW, 5.5)])
def test_what_stays_bad_takes_the_picture_away_within_seconds(bad: Reading, within: float) -> None:
    network = Network().is_(FINE, 30)
    begin = network.now

    network.is_(bad, within)

    assert network.machine.state == "held"
    [(at, withheld)] = network.told
    assert withheld
    assert begin < at <= begin + within


@pytest.mark.parametrize("bad", [LOSSY, FAR, NARROW])
def test_a_moment_takes_nothing_away(bad: Reading) -> None:
    network = Network().is_(FINE, 30)

    for _ in range(10):
        network.is_(bad, 3.5).is_(FINE, 1)

    assert network.told == []


@pytest.mark.parametrize("reading", [IDLE, UNKNOWN, FINE])
def test_an_estimate_of_little_that_is_sent_means_nothing(reading: Reading) -> None:
    assert Network().is_(reading, 300).told == []


def test_a_first_estimate_is_given_time_to_rise() -> None:
    assert Network().is_(NARROW, GRACE).is_(FINE, 60).told == []
    assert Network().is_(NARROW, GRACE + 6).told != []


def test_it_comes_back_after_a_while_and_is_told_once_the_probe_was_good() -> None:
    network = Network().is_(LOSSY, 5)
    network.told.clear()

    waited = network.until_forwarded(FINE, 11)
    began = network.now
    assert waited >= 9
    assert network.machine.held_at is not None, "nobody is told of a probe"

    network.is_(FINE, PROBE)
    assert network.told == [(began, False)], "then it was video from the begin of the probe"


def test_reports_that_are_missing_for_long_do_not_keep_the_picture_away() -> None:
    network = Network().is_(LOSSY, 5)

    assert network.until_forwarded(UNKNOWN, 11) >= 9
    assert network.is_(UNKNOWN, PROBE).machine.state == "video"


def test_half_good_is_not_good_enough_to_come_back() -> None:
    network = Network().is_(LOSSY, 5)

    network.is_(FINE._replace(loss=0.08), 120)

    assert network.machine.state == "held"


def test_each_relapse_doubles_the_wait_up_to_a_minute_and_nobody_hears_of_it() -> None:
    network = Network().is_(LOSSY, 5)
    network.told.clear()

    waits = []
    for _ in range(5):
        waits.append(network.until_forwarded(FINE, LONGEST_WAIT + 1))
        network.is_(LOSSY, RELAPSE + TICK)
        assert network.machine.state == "held"

    assert [round(wait, -1) for wait in waits] == [10, 20, 40, 60, 60]
    assert network.told == []


def test_a_minute_of_video_makes_up_for_relapses() -> None:
    network = Network().is_(LOSSY, 5)
    network.until_forwarded(FINE, 11)
    network.is_(LOSSY, 3)
    network.until_forwarded(FINE, 21)

    network.is_(FINE, 30).is_(LOSSY, 5)
    assert network.until_forwarded(FINE, 41) > 30, "it came back too soon after"

    network.is_(FINE, 90).is_(LOSSY, 5)
    assert network.until_forwarded(FINE, 11) <= 11


def test_a_narrow_network_after_a_hold_is_given_time_to_show_what_it_can() -> None:
    network = Network().is_(LOSSY, 5)
    network.until_forwarded(FINE, 11)

    network.is_(NARROW, PROBE + 5)

    assert network.machine.state == "video"
    assert network.is_(NARROW, GRACE).machine.state == "held"


def test_less_is_asked_for_before_anything_is_taken_away() -> None:
    network = Network(SENDING).is_(FINE, 30)
    assert not network.machine.doubtful(network.now)

    network.is_(LOSSY, 3)
    assert network.machine.doubtful(network.now)
    assert network.machine.state == "video"
    network.is_(FINE, 1)
    assert not network.machine.doubtful(network.now)

    network.is_(LOSSY, 8)
    assert network.machine.state == "held"
    assert network.machine.doubtful(network.now)


def test_with_no_picture_to_withhold_nothing_is_withheld() -> None:
    network = Network().is_(LOSSY, 5)

    assert network.machine.rest(network.now) == network.now
    assert network.machine.held_at is None
    assert network.machine.rest(network.now + 1) is None


readings = st.sampled_from([FINE, LOSSY, FAR, NARROW, IDLE, UNKNOWN, FINE._replace(loss=0.08)])
weather = st.lists(st.tuples(readings, st.sampled_from([0.5, 1, 2, 4, 7, 15, 40])), max_size=60)


@given(weather)
def test_it_never_flaps(weather: list[tuple[Reading, float]]) -> None:
    network = Network()
    for reading, seconds in weather:
        network.is_(reading, seconds)

    for begin in network.switches:
        assert sum(begin <= at < begin + 60 for at in network.switches) <= 6
    for begin, _ in network.told:
        assert sum(begin <= at < begin + 60 for at, _ in network.told) <= 5
    assert [withheld for _, withheld in network.told] == [n % 2 == 0 for n in range(len(network.told))]
    assert [at for at, _ in network.told] == sorted(at for at, _ in network.told)


@given(weather, st.sampled_from([LOSSY, FAR]))
def test_it_gives_way_whatever_was_before(weather: list[tuple[Reading, float]], bad: Reading) -> None:
    network = Network()
    for reading, seconds in weather:
        network.is_(reading, seconds)

    network.is_(bad, 6)
    assert not network.machine.forwards
    switches = len(network.switches)
    network.is_(bad, 600)
    assert len(network.switches) == switches, "and stays away"


@given(weather)
def test_it_comes_back_whatever_was_before(weather: list[tuple[Reading, float]]) -> None:
    network = Network()
    for reading, seconds in weather:
        network.is_(reading, seconds)

    network.is_(FINE, LONGEST_WAIT + PROBE + 2)
    assert network.machine.state == "video"
    assert network.machine.held_at is None
