"""Audio-only as a flag, and media as it really flowed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from signaling.effects import MediaModeChanged, NetworkChanged
from signaling.errors import PolicyForbids, Refused
from signaling.events import MediaChanged, MediaKind, MediaMoved
from signaling.messages import ParticipantChanged, QueueChanged
from signaling.minutes import flowing, withheld
from signaling.modality import admitted
from signaling.policy import MINUTE, Policy
from signaling.requests import End, Finish, MediaMode, MediaState, Rejoin, Start
from signaling.state import Attendee, AudioOnly, Interval, Who
from signaling.view import view
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, GIA, GUS, GWEN, HOST, POLICY, SOON, WALT
from tests.signaling.play import Played, asks, client, play, provider, waiting, walk_in

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE


def live(policy: Policy = POLICY) -> Played:
    return waiting(ANN, at=SOON, policy=policy).then((BEGIN, provider(Start(appointment="apt_ann"))))


def media(who: Who, kind: MediaKind, at: int) -> MediaChanged:
    return MediaChanged("vis_ann", who.participant, kind, at, node="node_9")


def test_going_audio_only_is_seen_by_all_recorded_and_done() -> None:
    played = live().then((LATER, client(MediaMode(mode="audio", reason="bandwidth"))))

    shown = [(m.participant["mode"], m.participant["mode_reason"]) for m in played.told(ParticipantChanged, HOST)]
    assert shown == [("audio", "bandwidth")]
    assert played.visit().attendees["par_ann"].audio_only == (AudioOnly(LATER, "bandwidth", "client"),)
    assert played.modes == [MediaModeChanged("vis_ann", "par_ann", audio_only=True)]


def test_video_again_ends_the_span() -> None:
    played = live().then(
        (LATER, client(MediaMode(mode="audio", reason="bandwidth"))), (LATER + 5, client(MediaMode(mode="video")))
    )

    assert played.visit().attendees["par_ann"].audio_only == (AudioOnly(LATER, "bandwidth", "client", LATER + 5),)
    assert [m.audio_only for m in played.modes] == [True, False]


def test_the_same_mode_again_changes_nothing() -> None:
    played = live().then((LATER, client(MediaMode(mode="audio", reason="bandwidth"))))

    again = played.then((LATER + 1, client(MediaMode(mode="audio", reason="bandwidth"))))

    assert again.room is played.room


def test_another_reason_is_another_span() -> None:
    played = live().then(
        (LATER, client(MediaMode(mode="audio", reason="bandwidth"))),
        (LATER + 5, client(MediaMode(mode="audio", reason="camera_failed"))),
    )

    assert [(s.start, s.end, s.reason) for s in played.visit().attendees["par_ann"].audio_only] == [
        (LATER, LATER + 5, "bandwidth"),
        (LATER + 5, None, "camera_failed"),
    ]


def test_the_end_ends_the_span() -> None:
    played = live().then((LATER, client(MediaMode(mode="audio"))), (LATER + 9, provider(End(visit="vis_ann"))))

    assert played.visit().attendees["par_ann"].audio_only == (AudioOnly(LATER, None, "client", LATER + 9),)


def test_a_camera_switched_off_is_not_audio_only() -> None:
    played = live().then((LATER, client(MediaState(camera=False))))

    [told] = played.told(ParticipantChanged, HOST)
    assert (told.participant["camera"], told.participant["microphone"], told.participant["mode"]) == (
        False,
        True,
        "video",
    )
    assert played.visit().attendees["par_ann"].audio_only == ()
    assert played.then((LATER + 1, client(MediaState(camera=False)))).room is played.room


@pytest.mark.parametrize(("rule", "reason"), [("forbidden", "declined"), ("allowed_with_reason", None)])
def test_the_payers_policy_binds_the_client_in_the_visit_and_in_the_queue(rule: str, reason: str | None) -> None:
    policy = replace(POLICY, audio_only_by_payer={"": rule})
    ask = client(MediaMode(mode="audio", reason=reason))  # type: ignore[arg-type]

    live(policy).refuses(PolicyForbids, LATER, ask)
    waiting(ANN, at=SOON, policy=policy).refuses(PolicyForbids, LATER, ask)


def test_policy_binds_a_waiting_walk_in_too() -> None:
    played = waiting(WALT, at=SOON, policy=replace(POLICY, audio_only="forbidden"))

    played.refuses(PolicyForbids, LATER, walk_in(MediaMode(mode="audio", reason="declined")))


def test_policy_does_not_bind_the_provider() -> None:
    played = live(replace(POLICY, audio_only="forbidden"))

    assert played.then((LATER, provider(MediaMode(mode="audio")))).visit().attendees["dr_host"].mode == "audio"


def test_a_waiting_client_changes_the_mode_of_the_entry() -> None:
    played = waiting(ANN, at=SOON).then((BEGIN, client(MediaMode(mode="audio", reason="no_camera"))))

    assert [m.entry["media"] for m in played.told(QueueChanged, HOST)] == ["audio"]
    assert played.modes == []


def test_nobody_out_of_a_visit_has_devices_in_it() -> None:
    played = live()

    played.refuses(Refused, LATER, asks(BOB, MediaState(camera=False)))
    played.refuses(Refused, LATER, asks(CO, MediaState(camera=False)))
    played.refuses(Refused, LATER, asks(BOB, MediaMode(mode="audio")))


# --- What the media node saw


def test_media_become_spans_and_the_end_cuts_them() -> None:
    played = live().then(
        (BEGIN + 10, media(ANN, "media_up", BEGIN + 5)),
        (BEGIN + 10, media(ANN, "video_up", BEGIN + 6)),
        (BEGIN + 100, media(ANN, "video_down", BEGIN + 99)),
        (LATER, provider(End(visit="vis_ann"))),
    )

    log = played.visit().media["par_ann"]
    assert (log.up, log.video) == ((Interval(BEGIN + 5, LATER),), (Interval(BEGIN + 6, BEGIN + 99),))


def shown_to_host(played: Played) -> dict[str, Any]:
    """Return Ann as her host's view shows her."""
    (visit,) = view(played.room, HOST).visits  # type: ignore[union-attr]
    (ann,) = [one for one in visit["participants"] if one["id"] == "par_ann"]
    return dict(ann)


def test_who_falls_silent_is_shown_as_reconnecting_until_they_are_heard_again() -> None:
    played = live().then((BEGIN, media(ANN, "media_up", BEGIN)))

    silent = played.then((LATER, media(ANN, "media_silent", LATER)))
    assert [one.participant["reconnecting"] for one in silent.told(ParticipantChanged, HOST)[-1:]] == [True]
    assert shown_to_host(silent)["reconnecting"]
    assert shown_to_host(silent)["presence"] == "connected"

    for kind in ("media_heard", "media_up"):
        again = silent.then((LATER + 1, media(ANN, kind, LATER + 1)))  # type: ignore[arg-type]
        assert not again.told(ParticipantChanged, HOST)[-1].participant["reconnecting"]
        assert not shown_to_host(again)["reconnecting"]


def test_who_is_down_after_a_silence_is_reconnecting_still_and_who_goes_on_purpose_is_not() -> None:
    played = live().then((BEGIN, media(ANN, "media_up", BEGIN)))

    silent = played.then((LATER, media(ANN, "media_silent", LATER)), (LATER, media(ANN, "media_down", LATER)))
    gone = played.then((LATER, media(ANN, "media_down", LATER)))

    assert shown_to_host(silent)["reconnecting"]
    assert not shown_to_host(gone)["reconnecting"]
    assert silent.visit().media["par_ann"].up == gone.visit().media["par_ann"].up


def test_a_silence_is_no_minute_less_and_nobody_hears_of_it_twice() -> None:
    played = live().then((BEGIN, media(ANN, "media_up", BEGIN)))
    before = len(played.told(ParticipantChanged, HOST))

    silent = played.then(
        (LATER, media(ANN, "media_silent", LATER)),
        (LATER + 1, media(ANN, "media_silent", LATER + 1)),
        (LATER + 2, media(ANN, "media_heard", LATER + 2)),
        (LATER + 3, media(ANN, "media_heard", LATER + 3)),
    )

    assert len(silent.told(ParticipantChanged, HOST)) == before + 2
    assert silent.visit().media == played.visit().media


def test_a_silence_ends_with_its_segment() -> None:
    played = live().then(
        (BEGIN, media(ANN, "media_up", BEGIN)),
        (LATER, media(ANN, "media_silent", LATER)),
        (LATER, provider(End(visit="vis_ann"))),
        (LATER, client(Rejoin(visit="vis_ann"))),
        (LATER, provider(Rejoin(visit="vis_ann"))),
    )

    assert not shown_to_host(played)["reconnecting"]


def test_a_transport_that_went_took_its_video_with_it() -> None:
    played = live().then(
        (BEGIN + 5, media(ANN, "media_up", BEGIN + 5)),
        (BEGIN + 5, media(ANN, "video_up", BEGIN + 5)),
        (LATER, media(ANN, "media_down", LATER)),
    )

    assert played.visit().media["par_ann"].video == (Interval(BEGIN + 5, LATER),)


@pytest.mark.parametrize(("said", "kept"), [(BEGIN - 999, BEGIN), (LATER + 999, LATER)])
def test_a_node_whose_clock_is_off_adds_no_minutes(said: int, kept: int) -> None:
    played = live().then((LATER, media(ANN, "media_up", said)))

    assert played.visit().media["par_ann"].up == (Interval(kept),)


def test_told_twice_a_span_is_one() -> None:
    once = live().then((BEGIN + 5, media(ANN, "media_up", BEGIN + 5)))

    assert once.then((BEGIN + 6, media(ANN, "media_up", BEGIN + 6))).room is once.room


def test_media_outside_a_segment_do_not_count() -> None:
    before = waiting(ANN, at=SOON)
    ended = live().then((LATER, provider(End(visit="vis_ann"))))

    assert before.then((BEGIN, media(ANN, "media_up", BEGIN))).room is before.room
    assert ended.then((LATER + 1, media(ANN, "media_up", LATER + 1))).room is ended.room
    assert live().then((LATER, media(BOB, "media_up", LATER))).visit().media == {}


def test_who_is_admitted_to_media_and_who_is_not() -> None:
    played = waiting(GIA, GUS, at=SOON).then(
        (BEGIN, provider(Start(appointment="apt_group"))), (LATER, asks(GWEN, CHECK_IN))
    )

    assert [who for who in (HOST, CO, GIA, GUS, GWEN, ANN, WALT) if admitted(played.room, who)] == [HOST, CO, GIA, GUS]
    over = played.then((LATER + 1, provider(End(visit="vis_group"))))
    assert [who for who in (HOST, CO, GIA, GUS) if admitted(over.room, who)] == []
    pending = over.then((LATER + 2, asks(GIA, Rejoin(visit="vis_group"))))
    assert admitted(pending.room, GIA) is None


def test_devices_are_kept_from_segment_to_segment() -> None:
    played = play(
        (SOON, client(CHECK_IN)),
        (BEGIN, provider(Start(appointment="apt_ann"))),
        (BEGIN + 1, client(MediaState(microphone=False))),
        (LATER, client(End(visit="vis_ann"))),
        (LATER + 1, client(Rejoin(visit="vis_ann"))),
        (LATER + 2, provider(Rejoin(visit="vis_ann"))),
    )

    assert played.visit().attendees["par_ann"].microphone is False


# --- Networks too weak for pictures


def seeing() -> Played:
    """Both see each other from the begin on."""
    kinds: tuple[MediaKind, ...] = ("media_up", "video_up")
    return live().then(*[(BEGIN, media(who, kind, BEGIN)) for who in (ANN, HOST) for kind in kinds])


def weak(played: Played, viewer: Who) -> dict[str, str | None]:
    """What somebody is shown of each network."""
    shown = view(played.room, viewer)
    participants = shown.participants if viewer is ANN else shown.visits[0]["participants"]  # type: ignore[union-attr]
    return {one["id"]: one.get("network") for one in participants}


def test_a_weak_network_is_seen_by_all_and_is_no_flag_of_anybodys() -> None:
    played = seeing().then((LATER, media(ANN, "withheld", LATER)))

    for viewer in (ANN, HOST):
        assert weak(played, viewer) == {"par_ann": "weak", "dr_host": None}
        [told] = played.told(ParticipantChanged, viewer)
        assert (told.participant["network"], told.participant["mode"]) == ("weak", "video")
    assert played.visit().attendees.get("par_ann", Attendee()) == Attendee()
    assert played.networks == [NetworkChanged("vis_ann", "par_ann", weak=True)]
    assert played.modes == []
    assert played.then((LATER + 1, media(ANN, "withheld", LATER + 1))).room is played.room, "told twice it is one"

    better = played.then((LATER + 9000, media(ANN, "restored", LATER + 4000)))
    assert weak(better, HOST) == {"par_ann": None, "dr_host": None}
    assert better.visit().media["par_ann"].withheld == (Interval(LATER, LATER + 4000),)
    assert better.networks == [NetworkChanged("vis_ann", "par_ann", weak=False)]


def test_the_participants_own_word_does_not_end_it() -> None:
    played = seeing().then(
        (LATER, media(ANN, "withheld", LATER)),
        (LATER + 1, client(MediaMode(mode="audio", reason="declined"))),
        (LATER + 2, client(MediaMode(mode="video"))),
    )

    assert weak(played, HOST)["par_ann"] == "weak"


@pytest.mark.parametrize("whose", [ANN, HOST])
def test_withheld_pictures_did_not_flow_whoevers_network_it_was(whose: Who) -> None:
    end = LATER + 10 * MINUTE
    played = seeing().then(
        (LATER, media(whose, "withheld", LATER)),
        (LATER + MINUTE, media(whose, "restored", LATER + MINUTE)),
        (end, provider(End(visit="vis_ann"))),
    )

    assert flowing(played.visit(), "par_ann", end) == (
        ((BEGIN, LATER), (LATER + MINUTE, end)),
        ((LATER, LATER + MINUTE),),
    )
    assert withheld(played.visit(), "par_ann", end) == ((LATER, LATER + MINUTE),)


def test_of_two_providers_one_with_a_good_network_is_enough() -> None:
    begun = waiting(GIA, at=SOON).then((BEGIN, provider(Start(appointment="apt_group"))))
    up: tuple[MediaKind, ...] = ("media_up", "video_up")
    facts = [MediaChanged("vis_group", who.participant, kind, BEGIN) for who in (HOST, CO, GIA) for kind in up]
    played = begun.then(
        *[(BEGIN, fact) for fact in facts],
        (LATER, MediaChanged("vis_group", HOST.participant, "withheld", LATER)),
        (LATER + MINUTE, MediaChanged("vis_group", CO.participant, "withheld", LATER + MINUTE)),
        (LATER + 2 * MINUTE, MediaChanged("vis_group", HOST.participant, "restored", LATER + 2 * MINUTE)),
    )

    visit, now = played.visit("vis_group"), LATER + 3 * MINUTE
    only = ((LATER + MINUTE, LATER + 2 * MINUTE),)
    assert flowing(visit, GIA.participant, now)[1] == withheld(visit, GIA.participant, now) == only


def test_the_record_says_when_the_server_held_pictures_back() -> None:
    played = seeing().then(
        (LATER, media(ANN, "withheld", LATER)),
        (LATER + MINUTE, media(ANN, "restored", LATER + MINUTE)),
        (LATER + 2 * MINUTE, client(MediaMode(mode="audio", reason="declined"))),
        (LATER + 3 * MINUTE, provider(End(visit="vis_ann"))),
        (LATER + 4 * MINUTE, provider(Finish(visit="vis_ann"))),
    )

    [facts] = played.hand_offs[0].record.facts["clients"]
    assert facts["audio_only"] == [
        {"from": LATER, "to": LATER + MINUTE, "reason": "bandwidth", "said_by": "server"},
        {"from": LATER + 2 * MINUTE, "to": LATER + 3 * MINUTE, "reason": "declined", "said_by": "client"},
    ]
    assert facts["connected_ms"]["audio"] == MINUTE


def test_the_end_and_another_node_begin_anew() -> None:
    played = seeing().then((LATER, media(ANN, "withheld", LATER)))

    over = played.then((LATER + 5, provider(End(visit="vis_ann"))))
    assert over.visit().media["par_ann"].withheld == (Interval(LATER, LATER + 5),)

    moved = played.then((LATER + 5, MediaMoved("vis_ann", "node_2", 1, LATER + 3)))
    assert moved.visit().media["par_ann"].withheld == (Interval(LATER, LATER + 3),)
    assert weak(moved, HOST)["par_ann"] is None
    assert moved.networks[-1] == NetworkChanged("vis_ann", "par_ann", weak=False)
    assert moved.told(ParticipantChanged, HOST)[-1].participant.get("network") is None


def test_a_transport_that_comes_and_goes_keeps_what_is_known_of_its_network() -> None:
    played = seeing().then(
        (LATER, media(ANN, "withheld", LATER)),
        (LATER + 1, media(ANN, "media_down", LATER + 1)),
        (LATER + 2, media(ANN, "media_up", LATER + 2)),
    )

    assert weak(played, HOST)["par_ann"] == "weak"
