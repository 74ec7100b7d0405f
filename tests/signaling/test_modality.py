"""Audio-only as a flag, and media as it really flowed."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from signaling.effects import MediaModeChanged
from signaling.errors import PolicyForbids, Refused
from signaling.events import MediaChanged
from signaling.messages import End, MediaMode, MediaState, ParticipantChanged, QueueChanged, Rejoin, Start
from signaling.modality import admitted
from signaling.policy import MINUTE, Policy
from signaling.state import AudioOnly, Interval, Who
from signaling.view import view
from tests.signaling.people import ANN, BOB, CHECK_IN, CO, GIA, GUS, GWEN, HOST, POLICY, SOON, WALT
from tests.signaling.play import Played, asks, client, play, provider, waiting, walk_in

BEGIN = SOON + MINUTE
LATER = BEGIN + 5 * MINUTE
Kind = Literal["media_up", "media_down", "media_silent", "media_heard", "video_up", "video_down"]


def live(policy: Policy = POLICY) -> Played:
    return waiting(ANN, at=SOON, policy=policy).then((BEGIN, provider(Start(appointment="apt_ann"))))


def media(who: Who, kind: Kind, at: int) -> MediaChanged:
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
