"""Who is connected: one small machine, apart from where a client's seat stands and where the visit is."""

from __future__ import annotations

from msgspec.structs import replace

from signaling.direct import lose_flow
from signaling.draft import Draft
from signaling.errors import Busy, Refused
from signaling.events import Connected, Disconnected, LinkRevoked, NodeGone
from signaling.lookup import connections_of, entry_of, is_connected, live_visit, visit_of
from signaling.messages import Displaced
from signaling.modality import media_gone
from signaling.seats import drop_waiting, leave_entry, leave_waiting, return_waiting
from signaling.segment import tell_participant, with_company
from signaling.state import CLIENT, IN, Connection, Room, Visit, Who


def connected(draft: Draft, event: Connected) -> None:
    """Somebody is there: alone, again, or on a second device.

    A client is at one device. A second one waits for a click (`takeover`), so that two tabs cannot kick each
    other out for ever. A provider may look on from several, for a notice must reach them wherever they are.
    """
    by = event.by
    room = draft.room
    others = {id: room.connections[id] for id in connections_of(room, by.participant) if id != event.connection}
    if by.role is CLIENT or event.takeover:
        if not event.takeover and any(connection.device != event.device for connection in others.values()):
            raise Busy("another device of this participant is active")
        displaced = others
    else:
        displaced = {id: connection for id, connection in others.items() if connection.device == event.device}
    for id in displaced:
        draft.tell((by.participant,), Displaced(), connection=id, close=4509)
    if any(connection.device != event.device for connection in displaced.values()):
        _stop_media(draft, by.participant)
    draft.drop_connections(displaced)
    draft.put_connection(event.connection, Connection(by, event.device, event.node, draft.now))
    _call_by_name(draft, by)
    if not others:
        _came(draft, by)


def _stop_media(draft: Draft, participant: str) -> None:
    """An older device stays out: nothing is forwarded from or to it. The newer makes a peer of its own."""
    visit = live_visit(draft.room)
    if visit is not None and _is_in(visit, participant):
        draft.close_peers(visit.id, participant)


def _call_by_name(draft: Draft, by: Who) -> None:
    """In a seat that was matched: who came by its link is its client; anybody else is called what they said."""
    visit = visit_of(draft.room, by)
    if visit is None or by.participant not in visit.matched.values():
        return
    seat = visit.seats[by.participant]
    called = None if by.visit is not None else seat.called or by.name
    if seat.called != called:
        draft.put_visit(replace(visit, seats={**visit.seats, seat.participant: replace(seat, called=called)}))


def demand_active(room: Room, by: Who, connection: str) -> None:
    """Raise `Refused` if somebody asks by a device that another one of theirs has displaced.

    A provider's windows are all active until one takes over. Whoever has none at all may ask: the room lost them.
    """
    if connection not in room.connections and is_connected(room, by.participant):
        raise Refused("another device of this participant is active")


def _came(draft: Draft, by: Who) -> None:
    """The participant had no connection a moment ago."""
    room = draft.room
    if by.participant == room.host.id:
        draft.change(host_gone_since=None, host_away=False)
    return_waiting(draft, by.participant)
    _presence_changed(draft, by.participant)


def disconnected(draft: Draft, event: Disconnected) -> None:
    """A connection is gone. Seat and phase stay as they are: a drop is not a departure."""
    connection = draft.room.connections.get(event.connection)
    if connection is None:
        return
    draft.drop_connections((event.connection,))
    if not is_connected(draft.room, connection.who.participant):
        _went(draft, connection.who, bye=event.bye)


def _went(draft: Draft, who: Who, *, bye: bool = False) -> None:
    """The participant has no connection any more."""
    if who.participant == draft.room.host.id:
        draft.change(host_gone_since=draft.now)
    if bye and entry_of(draft.room, who.participant) is not None:
        leave_waiting(draft, who)
    else:
        drop_waiting(draft, who.participant)
    visit = live_visit(draft.room)
    if visit is not None:
        lose_flow(draft, visit, who.participant)
    _presence_changed(draft, who.participant)


def _presence_changed(draft: Draft, participant: str) -> None:
    visit = live_visit(draft.room)
    if visit is not None and _is_in(visit, participant):
        draft.put_visit(with_company(draft, visit))
        tell_participant(draft, visit, participant, themselves=False)


def _is_in(visit: Visit, participant: str) -> bool:
    seat = visit.seats.get(participant)
    return seat.stand is IN if seat is not None else any(p.id == participant for p in visit.providers)


def node_gone(draft: Draft, event: NodeGone) -> None:
    """A node died: its connections are gone, and the media it carried, since it was last alive."""
    for id, connection in list(draft.room.connections.items()):
        if connection.node == event.node:
            _note_fault(draft, connection.who.participant)
            disconnected(draft, Disconnected(id))
    visit = live_visit(draft.room)
    if visit is not None and visit.media_node == event.node:
        media_gone(draft, visit, event.alive_until)


def _note_fault(draft: Draft, participant: str) -> None:
    """Who lost their place in the queue because a node died is no client who left."""
    entry = entry_of(draft.room, participant)
    visit = draft.room.visits.get(entry.visit or "") if entry is not None else None
    if visit is not None and "node_lost" not in visit.faults:
        draft.put_visit(replace(visit, faults=(*visit.faults, "node_lost")))


def host_away(draft: Draft) -> None:
    """The host has been gone for longer than a blink: waiting clients see it."""
    draft.change(host_away=True, host_gone_since=None)


def link_revoked(draft: Draft, event: LinkRevoked) -> None:
    """A join link is dead: whoever came by it is closed out, and their place goes."""
    participant = _sits_by_link(draft.room, event.participant)
    ids = connections_of(draft.room, participant)
    for id in ids:
        draft.tell((participant,), Displaced(), connection=id, close=4512)
    if not ids and (entry_of(draft.room, participant) is not None or _has_seat(draft.room, participant)):
        draft.tell((participant,), Displaced(), close=4512)  # dropped, they may still resume: then they read of it
    for id in ids:
        disconnected(draft, Disconnected(id, bye=True))
    entry = entry_of(draft.room, participant)
    if entry is not None:  # they had dropped before: no grace for a dead link
        leave_entry(draft, entry)


def _has_seat(room: Room, participant: str) -> bool:
    return any(participant in visit.seats for visit in room.visits.values())


def _sits_by_link(room: Room, participant: str) -> str:
    """Return who came by a link: of a seat that was matched, only if its client has taken it over from the walk-in."""
    for visit in room.visits.values():
        matched = visit.matched.get(participant)
        if matched is not None and matched in visit.seats and visit.seats[matched].called is None:
            return matched
    return participant
