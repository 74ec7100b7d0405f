"""A room as bytes, and back."""

from __future__ import annotations

import msgspec
import pytest

from signaling.events import DeadlinePassed, MediaChanged
from signaling.policy import MINUTE
from signaling.requests import End, MediaMode, Rejoin, Start
from signaling.room import deadline, handle
from signaling.snapshot import LAYOUT, UnknownLayout, pack, unpack
from signaling.state import Room
from signaling.view import view
from tests.signaling.people import ANN, EVERYBODY, GIA, GUS, SOON, WALT
from tests.signaling.play import client, empty_room, goes, play, provider, waiting

BEGIN = SOON + MINUTE


def eventful() -> Room:
    """A room in which every kind of value occurs."""
    return (
        waiting(ANN, GIA, GUS, WALT, at=SOON)
        .then(
            (BEGIN, provider(Start(appointment="apt_ann"))),
            (BEGIN + 1, MediaChanged("vis_ann", "par_ann", "media_up", BEGIN, "node_9")),
            (BEGIN + 2, client(MediaMode(mode="audio", reason="bandwidth"))),
            (BEGIN + 3, client(End(visit="vis_ann"))),
            (BEGIN + 4, client(Rejoin(visit="vis_ann"))),
            (BEGIN + 5, provider(Start(appointment="apt_group"))),
            (BEGIN + 6, goes(WALT)),
        )
        .room
    )


@pytest.mark.parametrize("room", [empty_room(), play().room, eventful()], ids=["empty", "opened", "eventful"])
def test_a_room_survives_being_saved(room: Room) -> None:
    again = unpack(pack(room))

    assert again == room
    assert pack(again) == pack(room)
    assert [view(again, who) for who in EVERYBODY] == [view(room, who) for who in EVERYBODY]


def test_deciding_on_what_was_saved_is_deciding_on_the_room() -> None:
    room = eventful()
    alarm = DeadlinePassed()

    assert handle(unpack(pack(room)), alarm, now=BEGIN + 60 * MINUTE) == handle(room, alarm, now=BEGIN + 60 * MINUTE)


def test_a_room_that_was_saved_with_its_deadlines_is_read_without_them() -> None:
    room = eventful()
    saved = msgspec.msgpack.decode(pack(room)[1:])
    saved["due"] = BEGIN + 1
    for visit in saved["visits"].values():
        visit["due"] = None

    read = unpack(LAYOUT + msgspec.msgpack.encode(saved))

    assert read == room
    assert deadline(read) == deadline(room)


def test_a_layout_we_do_not_know_is_not_guessed_at() -> None:
    saved = pack(empty_room())

    assert saved[:1] == LAYOUT
    with pytest.raises(UnknownLayout, match="another version"):
        unpack(b"\x02" + saved[1:])
    with pytest.raises(UnknownLayout):
        unpack(b"")
