"""Plays a room: moves in, room and entries out. Time and ids are given, so a story is the same each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from signaling.effects import (
    Audit,
    ClosePeers,
    Effect,
    Entry,
    HandOff,
    MediaModeChanged,
    NetworkChanged,
    Notify,
    Step,
    Told,
)
from signaling.errors import SignalingError
from signaling.events import Asked, Connected, Disconnected, Fact, Opened
from signaling.messages import Ok, StateEvent
from signaling.policy import Policy
from signaling.requests import RoomRequest
from signaling.room import handle, new_room
from signaling.state import Room, Visit, Who
from tests.signaling.people import ANN, APPOINTMENTS, CHECK_IN, CO, EVERYBODY, HOST, POLICY, WALT, person

Event = Asked | Fact
Move = tuple[int, Event]
"""When, in ms, and what."""
M = TypeVar("M", bound=StateEvent)


def asks(who: Who, request: RoomRequest, *, by: str | None = None) -> Asked:
    """`who` asks, from the connection they have unless another is named."""
    return Asked(who, by or connection_of(who), request, fresh="")


client = partial(asks, ANN)
provider = partial(asks, HOST)
co_provider = partial(asks, CO)
walk_in = partial(asks, WALT)


def connection_of(who: Who) -> str:
    """The connection that somebody has when a story begins."""
    return f"con_{who.participant}"


def comes(who: Who, *, device: str = "phone", connection: str = "", node: str = "node_1", **more: bool) -> Connected:
    """`who` connects."""
    return Connected(who, connection or connection_of(who), device, node, **more)


def goes(who: Who, *, bye: bool = False) -> Disconnected:
    """The connection that `who` has is gone."""
    return Disconnected(connection_of(who), bye)


def empty_room(policy: Policy = POLICY) -> Room:
    """A host's room before anything happened in it."""
    return new_room("room_1", "pr_1", person(HOST), "epoch_1", policy)


@dataclass(slots=True)
class Played:
    """A room and all that came of what was played in it."""

    room: Room
    entries: list[Entry] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    replies: list[Ok] = field(default_factory=list)
    moves: int = 0

    def move(self, now: int, event: Event) -> Step:
        """Play one more."""
        if isinstance(event, Asked):
            event = replace(event, fresh=f"{self.moves:03}")
        self.moves += 1
        step = handle(self.room, event, now=now)
        self.room = step.room
        self.entries += step.entries
        self.effects += step.effects
        self.replies.append(step.reply)
        return step

    def then(self, *moves: Move) -> Played:
        """Return what comes of playing on; this one stays as it is."""
        played = Played(self.room, moves=self.moves)
        for now, event in moves:
            played.move(now, event)
        return played

    def refuses(self, error: type[SignalingError], now: int, event: Event) -> SignalingError:
        """Assert that the event is refused in just that way; return the error."""
        before = self.room
        with pytest.raises(error) as caught:
            self.move(now, event)
        assert caught.type is error
        assert self.room is before
        return caught.value

    def told(self, kind: type[M], who: Who | None = None) -> list[M]:
        """Return the events of one kind, to everybody or to `who`, in order."""
        return [
            message
            for entry in self.entries
            if isinstance(entry, Told)
            and (who is None or who.participant in entry.to)
            and isinstance(message := entry.message if who is None else entry.told(who.participant), kind)
        ]

    def closed_out(self, who: Who) -> list[int]:
        """Return the close codes that `who` got."""
        return [
            e.close for e in self.entries if isinstance(e, Told) and who.participant in e.to and e.close is not None
        ]

    @property
    def hand_offs(self) -> list[HandOff]:
        return [entry for entry in self.entries if isinstance(entry, HandOff)]

    @property
    def closed_peers(self) -> list[ClosePeers]:
        return [effect for effect in self.effects if isinstance(effect, ClosePeers)]

    @property
    def networks(self) -> list[NetworkChanged]:
        """What was done when a network grew too weak for pictures, or strong enough."""
        return [effect for effect in self.effects if isinstance(effect, NetworkChanged)]

    @property
    def modes(self) -> list[MediaModeChanged]:
        return [effect for effect in self.effects if isinstance(effect, MediaModeChanged)]

    @property
    def trail(self) -> list[str]:
        return [entry.action for entry in self.entries if isinstance(entry, Audit)]

    @property
    def webhooks(self) -> list[str]:
        return [entry.type for entry in self.entries if isinstance(entry, Notify)]

    def visit(self, id: str = "vis_ann") -> Visit:
        return self.room.visits[id]

    def seat(self, who: Who) -> Any:
        """Return a client's seat, wherever it is."""
        return next(v.seats[who.participant] for v in self.room.visits.values() if who.participant in v.seats)

    def entry(self, who: Who) -> Any:
        """Return a client's waiting entry, or None."""
        return next((e for e in self.room.entries.values() if e.participant == who.participant), None)


def play(*moves: Move, policy: Policy = POLICY, room: Room | None = None) -> Played:
    """Play `moves` in a room where all appointments are open and everybody is connected; return what came of them."""
    played = Played(room if room is not None else everybody_there(policy))
    for now, event in moves:
        played.move(now, event)
    return played


def everybody_there(policy: Policy = POLICY) -> Room:
    """A room at time 0 with four appointments opened, and everybody connected."""
    played = Played(empty_room(policy))
    for appointment in APPOINTMENTS:
        played.move(0, Opened(appointment, policy))
    for who in EVERYBODY:
        played.move(0, comes(who))
    return played.room


def waiting(*clients: Who, at: int, room: Room | None = None, policy: Policy = POLICY) -> Played:
    """Those clients have checked in, in that order, at `at`."""
    return play(*each(clients, CHECK_IN, at=at), room=room, policy=policy)


def each(who: Iterable[Who], request: RoomRequest, *, at: int) -> list[Move]:
    """Several people ask the same, one after the other, at `at`."""
    return [(at, asks(one, request)) for one in who]
