"""Who is to blame for a loss, how long the way is, and what stays unknown."""

from __future__ import annotations

import pytest

from server.media import feedback, rtcp
from server.media.congestion import Congestion
from server.media.reception import FEWEST, Meter, Reading, Reception, lost
from server.media.rtcp import Block, SenderInfo
from tests.server.media.packets import CHROMIUM_VIDEO, FIREFOX_VIDEO, End, join, rtp


class Call:
    """Alice's video on its way to Bob, packet by packet; a report is made of what came and what did not."""

    def __init__(self) -> None:
        self.alice, self.bob = End("alice"), End("bob")
        self.source, self.sink = self.alice.source(CHROMIUM_VIDEO), self.bob.sink(FIREFOX_VIDEO, first=3000)
        join(self.source, self.sink)
        self.next = 60_000
        self.highest = 2999
        self.now = 0.0

    def sends(self, count: int, *, upstream: int = 0, downstream: int = 0) -> None:
        """Send so many packets, of which some get lost on either side, and let Bob report a second later."""
        for step in range(count):
            if step >= upstream:
                self.source.forward(rtp(self.next + step, payload=bytes(100)), self.now)
        self.next += count
        self.highest += count
        self.now += 1.0
        fraction = 256 * (upstream + downstream) // count
        self.bob_says(Block(700, fraction << 24, self.highest, 0, 0, 0))

    def bob_says(self, block: Block) -> None:
        feedback.receive(
            rtcp.write_rr(9, [block]), {}, {700: self.sink}, self.now, congestion=Congestion(self.bob.path)
        )

    @property
    def reading(self) -> Reading:
        return self.bob.path.reception.reading(self.now)


def test_what_is_lost_on_the_way_to_the_receiver_is_the_receivers_loss() -> None:
    call = Call()
    call.sends(100)
    call.sends(100, downstream=25)
    call.sends(100, downstream=25)

    assert call.reading.loss == pytest.approx(0.25)


def test_what_the_node_never_got_is_not() -> None:
    call = Call()
    call.sends(100)
    call.sends(100, upstream=25)
    call.sends(100, upstream=50)
    assert call.reading.loss == 0.0

    call.sends(100, upstream=50, downstream=10)
    assert call.reading.loss == pytest.approx(10 / (75 + 50 + 50), abs=0.01)


def test_a_loss_is_forgotten_and_few_packets_say_nothing() -> None:
    call = Call()
    assert call.reading == Reading()
    call.sends(100)
    call.sends(100, downstream=50)
    call.now += 3.1
    assert call.reading.loss is None

    call.sends(FEWEST // 2, downstream=5)
    assert call.reading.loss is None


def test_another_source_begins_anew() -> None:
    call = Call()
    call.sends(100)
    other = End("alice, reloaded").source(CHROMIUM_VIDEO, ssrc=8)
    join(other, call.sink)
    call.source, call.next = other, 20

    call.sends(100, upstream=40)  # by then nobody knows what of that was sent to whom
    assert call.reading.loss is None
    call.sends(100)
    assert call.reading.loss == 0.0


def test_the_round_trip_is_from_the_node_to_the_receiver_and_back() -> None:
    call = Call()
    call.sends(1)
    ntp = 0xE000_1234_5678_9ABC
    feedback.receive(
        rtcp.write_sr(SenderInfo(5, ntp, 1000, 30, 9000)),
        {5: call.source},
        {},
        10.0,
        congestion=Congestion(call.bob.path),
    )

    call.now = 10.45
    call.bob_says(Block(700, 0, 3000, 0, 0x1234_5678, 65_536 // 4))  # Bob kept it for a quarter of a second
    assert call.reading.round_trip == pytest.approx(0.2)

    call.bob_says(Block(700, 0, 3000, 0, 0x1111_1111, 0))  # of a report that is not known here
    assert call.reading.round_trip == pytest.approx(0.2)
    call.now = 30.0
    assert call.reading.round_trip is None


def test_an_estimate_is_the_whole_peers_and_grows_stale() -> None:
    call = Call()
    call.sends(1)
    feedback.receive(
        rtcp.write_remb(9, 200_000, [700]), {}, {700: call.sink}, 1.0, congestion=Congestion(call.bob.path)
    )

    assert call.bob.path.reception.reading(2.0, 90_000) == Reading(estimate=200_000, rate=90_000)
    assert call.bob.path.reception.reading(6.1).estimate is None


def test_reports_of_a_peer_without_a_past_need_no_memory() -> None:
    reception = Reception()
    for at in range(1000):
        reception.passed(700, at << 16, float(at))

    assert len(reception._passed[700]) < 10


# --- What comes from a peer


def meter(*looks: tuple[range, int]) -> tuple[int, int]:
    """Let packets of those numbers come, the given part of them missing; look each half second, return the last."""
    source, meter = End("alice").source(CHROMIUM_VIDEO), Meter()
    found = meter.look(source, 0.0)
    for step, (numbers, missing) in enumerate(looks, 1):
        for place, number in enumerate(numbers):
            if place >= missing:
                source.forward(rtp(number, payload=bytes(113)), step / 2)
        found = meter.look(source, step / 2)
    return found


def test_gaps_in_what_comes_are_counted_over_the_turn_of_the_numbers() -> None:
    counts = meter((range(65_500, 65_530), 0), (range(65_530, 65_590), 20), (range(65_590, 65_650), 10))

    assert counts == (30 + 60 + 60, 30 + 40 + 50)
    assert lost([counts]) == pytest.approx(0.2)


def test_nothing_is_missing_where_nothing_comes() -> None:
    assert lost([meter((range(0), 0), (range(0), 0))]) is None
    assert lost([meter((range(5), 0), (range(5, 15), 5))]) is None, "too few to tell"
    assert lost([meter((range(20_000, 20_030), 0))]) == 0.0, "a stream begins at any number"


def test_the_rate_is_what_came_in_the_last_seconds() -> None:
    source, meter = End("alice").source(CHROMIUM_VIDEO), Meter()
    for step in range(21):
        meter.look(source, step / 2)
        if step < 10:
            for number in range(10):
                source.forward(rtp(10 * step + number, payload=bytes(113)), step / 2)
        if step == 10:
            assert meter.rate == 20 * 125 * 8

    assert meter.rate == 0
