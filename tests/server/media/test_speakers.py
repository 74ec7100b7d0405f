"""Who has the floor: the loudest for long enough, and nobody for a cough."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.rtp import Malformed
from server.media.speakers import KEEPS, RECENT, Loudness, Speakers
from tests.server.media.packets import extension, rtp

TALK, HUM, NOTHING = 100.0, 55.0, 0.0
TICK = 0.5


class Talk:
    """A conversation, heard every half second."""

    def __init__(self) -> None:
        self.speakers = Speakers()
        self.now = 100.0
        self.turns: list[tuple[float, str]] = []

    def goes_on(self, seconds: float, **loudness: float) -> tuple[str, ...]:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            before = self.speakers.recent[:1]
            self.speakers.hear(self.now, loudness)
            if self.speakers.recent[:1] not in (before, ()):
                self.turns.append((self.now, self.speakers.recent[0]))
        return self.speakers.recent


def test_whoever_speaks_first_has_the_floor_soon() -> None:
    talk = Talk()
    assert talk.goes_on(5, ann=HUM, bob=HUM) == ()

    assert talk.goes_on(2, ann=TALK, bob=HUM) == ("ann",)


def test_the_floor_is_kept_through_a_pause() -> None:
    talk = Talk()
    talk.goes_on(3, ann=TALK, bob=HUM)

    assert talk.goes_on(60, ann=NOTHING, bob=HUM) == ("ann",)


def test_an_answer_takes_the_floor_and_who_had_it_is_remembered() -> None:
    talk = Talk()
    talk.goes_on(3, ann=TALK, bob=HUM, eve=HUM)

    assert talk.goes_on(3, ann=HUM, bob=TALK, eve=HUM) == ("bob", "ann")
    assert talk.goes_on(3, ann=HUM, bob=HUM, eve=TALK) == ("eve", "bob", "ann")
    assert talk.goes_on(3, ann=TALK, bob=HUM, eve=HUM) == ("ann", "eve", "bob")


def test_a_cough_and_a_voice_of_equal_strength_take_nothing() -> None:
    talk = Talk()
    talk.goes_on(5, ann=TALK, bob=HUM)

    talk.goes_on(1, ann=HUM, bob=TALK)
    talk.goes_on(5, ann=TALK, bob=HUM)
    talk.goes_on(30, ann=TALK, bob=TALK + 4)

    assert [name for _, name in talk.turns] == ["ann"]


def test_who_left_is_forgotten() -> None:
    talk = Talk()
    talk.goes_on(3, ann=TALK, bob=HUM)
    talk.goes_on(3, ann=HUM, bob=TALK)

    assert talk.goes_on(1, ann=HUM) == ("ann",)
    assert talk.goes_on(1) == ()


levels = st.sampled_from([NOTHING, HUM, TALK - 8, TALK, TALK + 8])


@given(st.lists(st.tuples(st.fixed_dictionaries(dict.fromkeys("abcd", levels)), st.sampled_from([0.5, 1, 3]))))
def test_the_floor_does_not_flicker(talks: list[tuple[Mapping[str, float], float]]) -> None:
    talk = Talk()
    for loudness, seconds in talks:
        talk.goes_on(seconds, **loudness)

    assert all(later - earlier >= KEEPS for (earlier, _), (later, _) in zip(talk.turns, talk.turns[1:], strict=False))
    assert len(talk.speakers.recent) <= RECENT
    assert len(set(talk.speakers.recent)) == len(talk.speakers.recent)


# --- Levels in packets


@pytest.mark.parametrize(
    "block",
    [
        extension((1, b"\x94")),  # alone, as browsers send it; the bit for "this is a voice" is set
        extension((1, b"\x14"), (4, b"0")),  # with the line's name
        extension((4, b"0"), (1, b"\x14")),
    ],
)
def test_a_level_is_found_wherever_it_stands(block: bytes) -> None:
    loudness = Loudness(1)
    loudness.hear(rtp(1, block=block))
    loudness.hear(rtp(2, block=extension((1, b"\x1e"))))
    loudness.hear(rtp(3))  # says nothing of it

    assert loudness.take() == (107 + 97) / 2
    assert loudness.take() == 0.0


def test_a_level_of_another_extension_is_none() -> None:
    loudness = Loudness(3)
    loudness.hear(rtp(1, block=extension((1, b"\x14"))))

    assert loudness.take() == 0.0


def test_a_block_that_lies_about_its_length_is_malformed() -> None:
    with pytest.raises(Malformed):
        Loudness(3).hear(rtp(1, block=extension((1, b"\x14"))[:3], payload=b""))
