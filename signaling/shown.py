"""How entries, seats and visits look on the wire: PROTOCOL.md's objects, used by views and events alike.

Each is made of frozen values and of nothing else, so an event may show them long after they were so: of a room it takes
only who is `there`, the participants with a connection.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from signaling.lookup import inside, roster
from signaling.minutes import connected
from signaling.path import path_of
from signaling.state import AS_THEY_COME, CLIENT, CO_PROVIDER, IN, IN_PROGRESS, PROVIDER, Entry, Role, Seat, Visit


def shown_entry(entry: Entry, visit: Visit | None) -> dict[str, Any]:
    """Return a waiting entry as its provider sees it."""
    said = entry.checked_in
    seat = visit.seats[entry.participant] if visit is not None else None
    flags = []
    if entry.dropped_at is not None:
        flags.append("dropped")
    if entry.media == "audio":
        flags.append("audio_only")
    if said is not None and not said.privacy:
        flags.append("not_private")
    shown: dict[str, Any] = {
        "id": entry.id,
        "participant": entry.participant,
        "client": {"id": seat.client, "name": seat.name} if seat is not None and seat.client else {"name": entry.name},
        "since": entry.since,
        "verified": visit is not None,
        "acknowledged": entry.acknowledged,
        "away": entry.away or entry.dropped_at is not None,
        "media": entry.media,
        "flags": flags,
    }
    if entry.media_reason is not None:
        shown["audio_reason"] = entry.media_reason
    if said is not None:
        shown["devices"] = asdict(said.devices)
        shown["place"] = asdict(said.place)
        if said.display_name:
            shown["display_name"] = said.display_name
        if said.address:
            shown["address"] = said.address
        if said.phone:
            shown["phone"] = said.phone
    if visit is not None:
        shown["visit"] = visit.id
        shown["rev"] = visit.rev
        if visit.appointment is not None:
            shown["appointment"] = visit.appointment
    return shown


def shown_participants(there: Container[str], visit: Visit, viewer: str) -> tuple[dict[str, Any], ...]:
    """Return everybody in the visit as `viewer` may see them. Between segments: everybody who may rejoin."""
    ids = inside(visit) if visit.phase is IN_PROGRESS else roster(visit)
    return tuple([shown_participant(there, visit, id, viewer) for id in ids])


class Company(Struct):
    """Everybody in a visit, as each of them may see them.

    What all see alike of somebody is made once, and what two of one side see of a third; when it is first asked for.
    """

    there: Container[str]
    visit: Visit
    everybody: tuple[str, ...]
    _of: dict[str, dict[str, Any]] = {}
    _alike: dict[bool, dict[str, dict[str, Any]]] = {}

    def seen_by(self, viewer: str) -> tuple[dict[str, Any], ...]:
        """Return everybody as one of them may see them."""
        visit, of = self.visit, self._of
        if not of:
            of.update({id: _of(self.there, visit, id) for id in self.everybody})
        seen = self._alike.setdefault(viewer in visit.seats, {})
        for id in of:
            if id not in seen and id != viewer:
                seen[id] = _seen_by(visit, viewer, of[id].copy())
        own = _seen_by(visit, viewer, of[viewer].copy())
        return tuple([own if id == viewer else seen[id] for id in of])


def shown_participant(there: Container[str], visit: Visit, participant: str, viewer: str) -> dict[str, Any]:
    """Return one participant as `viewer` may see them. All others of the viewer's side see them alike."""
    return _seen_by(visit, viewer, _of(there, visit, participant))


def _of(there: Container[str], visit: Visit, participant: str) -> dict[str, Any]:
    """Return what everybody in the visit may see of one participant."""
    seat = visit.seats.get(participant)
    attendee = visit.attendees.get(participant, AS_THEY_COME)
    presence = "connected" if participant in there else "gone"
    if seat is not None and visit.phase is IN_PROGRESS and seat.stand is not IN:
        presence = "left"  # went out of a visit that goes on; `gone`: dropped, and still in
    log = visit.media.get(participant)
    shown: dict[str, Any] = {
        "id": participant,
        "role": role_in(visit, participant),
        "presence": presence,
        # Whether their socket is there or not: what nobody hears of are picture and sound.
        "reconnecting": log is not None and log.lost and visit.phase is IN_PROGRESS,
        "microphone": attendee.microphone,
        "camera": attendee.camera,
        "screen": attendee.screen,
        "mode": attendee.mode,
    }
    if attendee.mode == "audio" and attendee.reason is not None:
        shown["mode_reason"] = attendee.reason
    log = visit.media.get(participant)
    if log is not None and log.weak:
        shown["network"] = "weak"
    return shown


def _seen_by(visit: Visit, viewer: str, shown: dict[str, Any]) -> dict[str, Any]:
    """Add what is for `viewer`: the name as they may read it, and for providers whose seat it is."""
    participant = shown["id"]
    seat = visit.seats.get(participant)
    if seat is None:
        shown["name"] = _provider_name(visit, participant)
    else:
        shown["name"] = _client_name(visit, seat, viewer)
        if viewer not in visit.seats:
            shown["client"] = seat.client
    shown["you"] = participant == viewer
    return shown


def role_in(visit: Visit, participant: str) -> Role:
    """Return a participant's role in a visit."""
    if participant in visit.seats:
        return CLIENT
    return PROVIDER if visit.providers[0].id == participant else CO_PROVIDER


def _provider_name(visit: Visit, participant: str) -> str:
    for provider in visit.providers:
        if provider.id == participant:
            return provider.name
    return ""


def _client_name(visit: Visit, seat: Seat, viewer: str) -> str:
    you = seat.participant == viewer
    if you and seat.called is not None:
        return seat.called  # matched by hand: were it the wrong person, they would read whose seat it is
    if you or viewer not in visit.seats or visit.policy.names_in_group:
        return seat.name
    chosen = (seat.checked_in.display_name or "").split() if seat.checked_in is not None else []
    if chosen:
        return chosen[0]  # the first name they chose to be seen by, whatever else they typed
    return f"Client {1 + list(visit.seats).index(seat.participant)}"


def shown_appointment(there: Container[str], visit: Visit) -> dict[str, Any]:
    """Return an appointment as its providers see it."""
    host = visit.providers[0]
    return {
        "id": visit.appointment,
        "visit": visit.id,
        "rev": visit.rev,
        "phase": visit.phase,
        "start": visit.start,
        "end": visit.end,
        "host": {"id": host.id, "name": host.name},
        "group": visit.group,
        "clients": [
            {
                "id": seat.client,
                "participant": seat.participant,
                "name": seat.name,
                "seat": seat.stand,
                "presence": "connected" if seat.participant in there else "gone",
            }
            for seat in visit.seats.values()
        ],
    }


def shown_visit(there: Container[str], visit: Visit, viewer: str, now: int) -> dict[str, Any]:
    """Return a visit that was started as its providers see it."""
    shown: dict[str, Any] = {
        "id": visit.id,
        "appointment": visit.appointment,
        "rev": visit.rev,
        "phase": visit.phase,
        "segment": len(visit.segments),
        "path": path_of(visit),
        "participants": shown_participants(there, visit, viewer),
        "started_at": visit.segments[0].started_at if visit.segments else None,
        "connected_ms": {
            seat.client or seat.participant: connected(visit, seat.participant, now)
            for seat in visit.seats.values()
            if seat.attended
        },
    }
    if visit.rejoin_until is not None:
        shown["rejoin_until"] = visit.rejoin_until
        shown["agreed"] = agreed_roles(visit)
        shown["mine"] = viewer in visit.agreed
    return shown


def agreed_roles(visit: Visit) -> tuple[str, ...]:
    """Return the roles that chose Rejoin since the last End, in the order of their choice."""
    return tuple(dict.fromkeys(role_in(visit, participant).value for participant in visit.agreed))
