"""A visit's media go from one node to another: what flowed is kept, and who has lost the visit changes nothing more."""

from __future__ import annotations

from signaling.events import MediaChanged, MediaMoved, NodeGone
from signaling.messages import MediaReplace
from signaling.negotiation import replacements
from signaling.policy import MINUTE
from signaling.requests import End, Rejoin, Start
from signaling.state import Interval, Phase, Who
from tests.signaling.people import ANN, HOST, SOON
from tests.signaling.play import Played, client, provider, waiting

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE
DEAD = LATER - 2_000
TAKEN = MediaMoved("vis_ann", "node_2", fence=2, alive_until=DEAD)


def up(who: Who, at: int, node: str = "node_1", fence: int = 1, peer: str = "") -> MediaChanged:
    return MediaChanged("vis_ann", who.participant, "media_up", at, node, peer or f"{who.participant} at {node}", fence)


def live() -> Played:
    """Ann and her host are connected by the first node."""
    started = waiting(ANN, at=SOON).then((BEGIN, provider(Start(appointment="apt_ann"))))
    return started.then((BEGIN, up(ANN, BEGIN)), (BEGIN, up(HOST, BEGIN)))


def test_open_intervals_end_when_the_node_was_last_alive_and_the_phase_stays() -> None:
    played = live().then((LATER, TAKEN))

    visit = played.visit()
    assert visit.media["par_ann"].up == visit.media["dr_host"].up == (Interval(BEGIN, DEAD),)
    assert (visit.phase, len(visit.segments), visit.faults) == (Phase.IN_PROGRESS, 1, ("media_node_lost",))
    assert (visit.media_node, visit.media_fence) == ("node_2", 2)


def test_nobodys_media_end_in_the_future_or_before_the_segment() -> None:
    ahead = live().then((LATER, MediaMoved("vis_ann", "node_2", 2, LATER + MINUTE)))
    before = live().then((LATER, MediaMoved("vis_ann", "node_2", 2, 0)))

    assert ahead.visit().media["par_ann"].up == (Interval(BEGIN, LATER),)
    assert before.visit().media["par_ann"].up == (Interval(BEGIN, BEGIN),)


def test_everybody_who_was_connected_is_to_make_a_new_peer_until_they_have_one() -> None:
    played = live().then((LATER, TAKEN))
    assert replacements(played.room, ANN) == (MediaReplace(peer="par_ann at node_1", reason="node_lost"),)

    again = played.then((LATER + 1, up(ANN, LATER + 1, "node_2", 2)))

    assert replacements(again.room, ANN) == ()
    assert replacements(again.room, HOST) == (MediaReplace(peer="dr_host at node_1", reason="node_lost"),)
    assert again.visit().media["par_ann"].up == (Interval(BEGIN, DEAD), Interval(LATER + 1))


def test_facts_of_a_node_that_has_lost_the_visit_change_nothing() -> None:
    played = live().then((LATER, TAKEN), (LATER + 1, up(ANN, LATER + 1, "node_2", 2)))

    late = MediaChanged("vis_ann", "par_ann", "media_down", LATER + 2, "node_1", fence=1)
    assert played.then((LATER + 2, late)).room is played.room
    assert played.then((LATER + 2, up(HOST, LATER + 2))).room is played.room


def test_an_older_or_repeated_move_changes_nothing() -> None:
    played = live().then((LATER, TAKEN))

    for move in (TAKEN, MediaMoved("vis_ann", "node_3", 1, LATER), MediaMoved("vis_none", "node_3", 3, LATER)):
        assert played.then((LATER + 1, move)).room is played.room


def test_a_visit_that_was_handed_over_has_no_fault() -> None:
    played = live().then((LATER, MediaMoved("vis_ann", "node_2", 2, LATER, lost=False)))

    assert played.visit().faults == ()
    assert played.visit().media["dr_host"].up == (Interval(BEGIN, LATER),)


def test_a_death_that_others_bury_later_is_told_once() -> None:
    played = live().then((LATER, TAKEN), (LATER + MINUTE, NodeGone("node_1", DEAD)))

    assert played.visit().faults.count("media_node_lost") == 1
    assert played.visit().media_node == "node_2"


def test_who_has_ended_moves_nowhere() -> None:
    played = live().then((LATER, provider(End(visit="vis_ann"))))

    assert played.then((LATER + 1, TAKEN)).room is played.room


def test_the_fence_outlives_a_segment() -> None:
    ended = live().then((LATER, TAKEN), (LATER + 1, provider(End(visit="vis_ann"))))
    agreed = (LATER + 2, client(Rejoin(visit="vis_ann"))), (LATER + 2, provider(Rejoin(visit="vis_ann")))
    resumed = ended.then(*agreed)

    assert resumed.then((LATER + 3, up(ANN, LATER + 3, "node_1", 1))).room is resumed.room
    assert resumed.then((LATER + 3, up(ANN, LATER + 3, "node_1", 3))).visit().media_fence == 3
    assert replacements(resumed.room, ANN) == ()
