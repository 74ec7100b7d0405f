"""Everyone gets the others, on the lines they have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.media.wiring import Sent, assign

SOUND, PICTURE = Sent("bob", "audio", 0), Sent("bob", "video", 0)
SCREEN = Sent("bob", "video", 1)
LINES = [("0", "audio"), ("1", "video")]


def test_the_first_lines_carry_the_other() -> None:
    assert assign(LINES, [SOUND, PICTURE], {}) == ({"0": SOUND, "1": PICTURE}, [])


def test_a_screen_without_a_line_is_left_over() -> None:
    assert assign(LINES, [SOUND, PICTURE, SCREEN], {}) == ({"0": SOUND, "1": PICTURE}, [SCREEN])


def test_a_line_keeps_whom_it_carries() -> None:
    lines = [*LINES, ("2", "video")]

    carried, _ = assign(lines, [SOUND, PICTURE, SCREEN], {"2": PICTURE})

    assert carried == {"0": SOUND, "1": SCREEN, "2": PICTURE}


def test_a_line_whose_owner_left_is_free_again() -> None:
    carried, _ = assign(LINES, [Sent("carol", "video", 0)], {"1": PICTURE})

    assert carried == {"1": Sent("carol", "video", 0)}


def test_who_offers_sound_alone_gets_sound_alone() -> None:
    assert assign(LINES[:1], [SOUND, PICTURE], {}) == ({"0": SOUND}, [PICTURE])


sent = st.builds(Sent, st.sampled_from("abcd"), st.sampled_from(["audio", "video"]), st.integers(0, 1))


@given(
    st.lists(st.sampled_from(["audio", "video"]), max_size=8),
    st.lists(sent, unique=True, max_size=8),
    st.dictionaries(st.integers(0, 9).map(str), sent, max_size=5),
)
def test_nobody_is_carried_twice_or_lost(kinds: list[str], wanted: list[Sent], present: dict[str, Sent]) -> None:
    present = {mid: what for mid, what in present.items() if list(present.values()).count(what) == 1}
    lines = [(str(place), kind) for place, kind in enumerate(kinds)]

    carried, left = assign(lines, wanted, present)

    assert sorted([*carried.values(), *left]) == sorted(wanted)
    assert all(dict(lines)[mid] == what.kind for mid, what in carried.items())
    for kind in ("audio", "video"):
        free = [mid for mid, other in lines if other == kind and mid not in carried]
        assert not free or not [what for what in left if what.kind == kind]
