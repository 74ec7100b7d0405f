"""An End while the store was away: saved later, it has the time at which it was asked for, once."""

from __future__ import annotations

from signaling.effects import ClosePeers
from signaling.errors import Refused
from signaling.events import DeadlinePassed, EndedOffline, MediaChanged
from signaling.messages import VisitEnded
from signaling.minutes import connected
from signaling.policy import MINUTE, SECOND
from signaling.requests import End, MediaMode, Rejoin, Start
from signaling.state import AudioOnly, Interval, Phase, Segment, Who
from tests.signaling.people import ANN, GIA, GUS, HOST, POLICY, SOON
from tests.signaling.play import Played, asks, client, goes, provider, waiting

BEGIN = SOON + MINUTE
AT = BEGIN + 6 * MINUTE
"""When it was ended."""
BACK = AT + 3 * MINUTE
"""When the store is there again."""


def live() -> Played:
    return waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))


def ended(by: Who = ANN, *, at: int = AT, segment: int = 1, visit: str = "vis_ann") -> EndedOffline:
    return EndedOffline(visit, segment, by, at)


def test_the_segment_ends_when_it_was_ended_and_not_when_it_was_saved() -> None:
    played = live().then((BACK, ended()))

    visit = played.visit()
    assert visit.phase is Phase.ENDED
    assert visit.segments == (Segment(BEGIN, AT, "client", "ended"),)
    assert played.seat(ANN).attended == (Interval(BEGIN, AT),)
    assert visit.rejoin_until == AT + POLICY.rejoin_window
    assert played.room.time == BACK
    assert played.closed_peers == [ClosePeers("vis_ann")]
    assert played.webhooks == ["visit.ended"]
    assert played.trail == ["end"]


def test_everybody_is_told_as_after_any_end() -> None:
    played = live().then((BACK, ended(HOST)))

    [told] = played.told(VisitEnded)
    assert (told.by, told.reason, told.rejoin_until, told.pending) == (
        "provider",
        "ended",
        AT + POLICY.rejoin_window,
        False,
    )
    assert played.told(VisitEnded, ANN) == played.told(VisitEnded, HOST) == [told]


def test_minutes_and_audio_only_end_with_it() -> None:
    flowing = live().then(
        *[(BEGIN, MediaChanged("vis_ann", who, "media_up", BEGIN)) for who in ("par_ann", "dr_host")],
        *[(BEGIN, MediaChanged("vis_ann", who, "video_up", BEGIN)) for who in ("par_ann", "dr_host")],
        (AT - MINUTE, client(MediaMode(mode="audio", reason="bandwidth"))),
        (AT - MINUTE, MediaChanged("vis_ann", "par_ann", "video_down", AT - MINUTE)),
    )

    played = flowing.then((BACK, ended()))

    assert connected(played.visit(), "par_ann", BACK) == {"video": 5 * MINUTE, "audio": MINUTE}
    assert played.visit().attendees["par_ann"].audio_only == (AudioOnly(AT - MINUTE, "bandwidth", "client", AT),)


def test_news_of_media_that_come_after_it_add_nothing() -> None:
    played = live().then((BACK, ended()), (BACK, MediaChanged("vis_ann", "par_ann", "media_up", AT - SECOND)))

    assert connected(played.visit(), "par_ann", BACK) == {"video": 0, "audio": 0}


def test_told_twice_it_happened_once() -> None:
    once = live().then((BACK, ended()))

    assert once.then((BACK, ended()), (BACK + SECOND, ended(HOST, at=AT + SECOND))).room is once.room


def test_an_end_that_was_saved_after_all_stays_as_it_is() -> None:
    saved = live().then((AT + 1, client(End(visit="vis_ann"))))

    assert saved.then((BACK, ended())).room is saved.room


def test_a_later_segment_is_not_ended_by_it() -> None:
    resumed = live().then(
        (AT + 1, client(End(visit="vis_ann"))),
        (AT + MINUTE, client(Rejoin(visit="vis_ann"))),
        (AT + MINUTE, provider(Rejoin(visit="vis_ann"))),
    )

    late = resumed.then((BACK, ended()))

    assert late.room is resumed.room
    assert late.visit().phase is Phase.IN_PROGRESS


def test_its_time_lies_within_the_segment() -> None:
    early, late = live().then((BACK, ended(at=BEGIN - MINUTE))), live().then((BACK, ended(at=BACK + MINUTE)))

    assert early.visit().segments == (Segment(BEGIN, BEGIN, "client", "ended"),)
    assert late.visit().segments == (Segment(BEGIN, BACK, "client", "ended"),)


def test_what_was_saved_in_the_meantime_does_not_move_it() -> None:
    gone = live().then((AT + MINUTE, goes(HOST)))

    played = gone.then((BACK, ended()))

    assert gone.room.time == AT + MINUTE
    assert played.visit().segments == (Segment(BEGIN, AT, "client", "ended"),)


def test_it_is_not_taken_for_abandoned_though_that_would_be_due_by_now() -> None:
    alone = live().then((AT - MINUTE, goes(HOST)))
    much_later = AT + POLICY.abandoned_after

    played = alone.then((much_later, ended()))

    assert played.visit().segments == (Segment(BEGIN, AT, "client", "ended"),)


def test_an_outage_longer_than_the_window_closes_it_and_hands_one_record_over() -> None:
    played = live().then((AT + POLICY.rejoin_window, ended()))

    assert "vis_ann" not in played.room.visits
    [record] = [h.record for h in played.hand_offs if h.record.visit == "vis_ann"]
    assert [segment["ended_at"] for segment in record.facts["segments"]] == [AT]
    again = played.then((AT + POLICY.rejoin_window, ended()), (AT + POLICY.rejoin_window + 1, DeadlinePassed()))
    assert again.room is played.room


def test_a_group_ends_by_its_provider() -> None:
    group = waiting(GIA, GUS, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))))

    played = group.then((BACK, ended(HOST, visit="vis_group")))

    assert played.visit("vis_group").segments == (Segment(BEGIN, AT, "provider", "ended"),)
    assert played.seat(GIA).attended == played.seat(GUS).attended == (Interval(BEGIN, AT),)


def test_both_may_rejoin_after_it() -> None:
    played = live().then((BACK, ended()))
    played.refuses(Refused, BACK, client(End(visit="vis_ann")))

    again = played.then((BACK, asks(ANN, Rejoin(visit="vis_ann"))), (BACK, provider(Rejoin(visit="vis_ann"))))

    assert again.visit().segments == (Segment(BEGIN, AT, "client", "ended"), Segment(BACK))


def test_of_a_visit_that_is_not_there_nothing_ends() -> None:
    before = live()

    assert before.then((BACK, ended(visit="vis_none"))).room is before.room
