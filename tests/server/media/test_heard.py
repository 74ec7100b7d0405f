"""Who sends too much is bounded, what a browser sends at its best is not; and a silence ends what was heard."""

from __future__ import annotations

from server.media.alive import PATIENCE
from server.media.heard import Heard
from server.media.limits import OCTETS, PACKETS, REPORTS


def sent(heard: Heard, *, packets: int, octets: int, reports: int, at: float) -> tuple[int, int, int]:
    """Let a peer have sent so much until the node looks; return the marks."""
    heard.packets, heard.octets, heard.reports = packets, octets, reports
    heard.move(at)
    return marks(heard)


def marks(heard: Heard) -> tuple[int, int, int]:
    return heard.most_packets, heard.most_octets, heard.most_reports


def test_a_burst_is_let_through_and_what_comes_after_it_at_the_rate() -> None:
    heard = Heard(10.0)
    assert marks(heard) == (3_000, 3_000_000, 600)

    assert sent(heard, packets=3_000, octets=3_000_000, reports=600, at=10.5) == (3_750, 3_750_000, 700)
    assert sent(heard, packets=3_750, octets=3_750_000, reports=700, at=1_000.0) == (6_750, 6_750_000, 1_300)


def test_after_a_silence_there_is_no_more_than_a_burst() -> None:
    heard = Heard(0.0)

    for second in range(1, 100):
        now = sent(heard, packets=7, octets=7_000, reports=7, at=second)

    assert now == (7 + PACKETS.at_once, 7_000 + OCTETS.at_once, 7 + REPORTS.at_once)


def test_what_went_beyond_the_mark_is_owed() -> None:
    _, octets, _ = sent(Heard(0.0), packets=0, octets=OCTETS.at_once + 9_000, reports=0, at=0.001)

    assert octets == OCTETS.at_once + 1_500


def test_a_clock_that_stands_still_gives_nothing() -> None:
    heard = Heard(5.0)

    sent(heard, packets=3_000, octets=0, reports=0, at=5.0)

    assert sent(heard, packets=3_000, octets=0, reports=0, at=4.0)[0] == 3_000


def test_a_camera_and_a_screen_at_their_best_never_wait() -> None:
    heard = Heard(0.0)

    for look in range(1, 600):
        heard.packets += 400  # in half a second: 7.7 Mbit/s, in 800 packets a second
        heard.octets += 400 * 1_200
        assert heard.packets <= heard.most_packets
        assert heard.octets <= heard.most_octets
        heard.move(look / 2)


def test_a_run_of_signs_ends_with_a_silence() -> None:
    heard = Heard(0.0)

    for at in (PATIENCE, PATIENCE + 1, 2 * PATIENCE):
        heard.sign(at)
    assert (heard.since, heard.at) == (PATIENCE, 2 * PATIENCE)

    heard.sign(3 * PATIENCE)
    assert (heard.since, heard.at) == (3 * PATIENCE, 3 * PATIENCE)
