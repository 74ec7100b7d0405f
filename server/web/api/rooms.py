"""A room and its visits as the practice's own programs may see them."""

from __future__ import annotations

from msgspec import Struct

from server.registry.documents import Provider
from signaling.state import Entry, Room, Visit


class Waiting(Struct, frozen=True, omit_defaults=True):
    """One client's check-in to the queue. Times are ms UTC."""

    id: str
    name: str
    since: int
    verified: bool
    acknowledged: bool
    away: bool
    connected: bool
    visit: str | None = None
    appointment: str | None = None
    client: str | None = None


class SegmentShown(Struct, frozen=True):
    """One unbroken run, Start or resume to End."""

    started_at: int
    ended_at: int | None


class SeatShown(Struct, frozen=True):
    """One client of a visit."""

    client: str | None
    name: str
    seat: str
    connected: bool


class LiveVisit(Struct, frozen=True):
    """A visit that is not closed. Times are ms UTC."""

    id: str
    appointment: str | None
    phase: str
    rev: int
    start: int
    end: int
    group: bool
    providers: tuple[str, ...]
    clients: tuple[SeatShown, ...]
    segments: tuple[SegmentShown, ...]
    rejoin_until: int | None


class RoomAnswer(Struct, frozen=True, omit_defaults=True):
    """A provider's room: who waits, and the visits of about a day."""

    room: str
    provider: str
    status: str
    waiting: tuple[Waiting, ...]
    visits: tuple[LiveVisit, ...]
    minutes: int | None = None


def as_answer(id: str, provider: Provider, room: Room | None) -> RoomAnswer:
    """Return what is shown of a room; one that nobody entered yet is empty."""
    if room is None:
        return RoomAnswer(room=id, provider=provider.id, status="available", waiting=(), visits=())
    return RoomAnswer(
        room=id,
        provider=provider.id,
        status=room.status.kind,
        minutes=room.status.minutes,
        waiting=tuple(_waiting(room, entry) for entry in sorted(room.entries.values(), key=lambda one: one.since)),
        visits=tuple(live(room, visit) for visit in sorted(room.visits.values(), key=lambda one: one.start)),
    )


def live(room: Room, visit: Visit) -> LiveVisit:
    """Return what is shown of a visit."""
    present = {connection.who.participant for connection in room.connections.values()}
    return LiveVisit(
        id=visit.id,
        appointment=visit.appointment,
        phase=visit.phase,
        rev=visit.rev,
        start=visit.start,
        end=visit.end,
        group=visit.group,
        providers=tuple(person.id for person in visit.providers),
        clients=tuple(
            SeatShown(client=seat.client, name=seat.name, seat=seat.stand, connected=seat.participant in present)
            for seat in visit.seats.values()
        ),
        segments=tuple(SegmentShown(started_at=one.started_at, ended_at=one.ended_at) for one in visit.segments),
        rejoin_until=visit.rejoin_until,
    )


def _waiting(room: Room, entry: Entry) -> Waiting:
    visit = None if entry.visit is None else room.visits.get(entry.visit)
    seat = None if visit is None else visit.seats.get(entry.participant)
    return Waiting(
        id=entry.id,
        name=entry.name,
        since=entry.since,
        verified=entry.visit is not None,
        acknowledged=entry.acknowledged,
        away=entry.away,
        connected=entry.dropped_at is None,
        visit=entry.visit,
        appointment=None if visit is None else visit.appointment,
        client=None if seat is None else seat.client,
    )
