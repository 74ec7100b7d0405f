"""What a participant may see of a room: everything, from one pure function, and never anybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from signaling.index import index_of
from signaling.lookup import entry_of, host_status, hosts, roster, shown_status, situation_of, visit_of
from signaling.messages import ClientView, ProviderView
from signaling.path import path_of
from signaling.permissions import Situation
from signaling.shown import agreed_roles, shown_appointment, shown_entry, shown_participants, shown_visit
from signaling.state import Phase, Role, Room, Visit, Who
from signaling.waiting import ahead, opens


def view(room: Room, who: Who, *, ice_servers: tuple[dict[str, Any], ...] = ()) -> ClientView | ProviderView:
    """Return the whole state as `who` may see it. `ice_servers` are shown only to somebody in a visit."""
    if who.role is Role.CLIENT:
        return _client_view(room, who, ice_servers)
    return _provider_view(room, who, ice_servers)


def _client_view(room: Room, who: Who, ice_servers: tuple[dict[str, Any], ...]) -> ClientView:
    visit = visit_of(room, who)
    entry = entry_of(room, who.participant)
    situation = situation_of(room, who, visit)
    # Who does not wait is not told of changes: what passes by itself is not shown to them.
    status = shown_status(room) if situation is Situation.WAITING else host_status(room)
    practice = (visit.policy if visit is not None else room.policy).practice
    provider: dict[str, Any] = {"name": visit.providers[0].name if visit else room.host.name, "status": status.kind}
    if status.minutes is not None:
        provider["minutes"] = status.minutes
    shown_practice: dict[str, Any] = {
        "name": practice.name,
        "help": practice.help,
        "consent": to_builtins(practice.consent),
    }
    if practice.backup:
        shown_practice["backup"] = practice.backup
    base = ClientView(
        version=room.version,
        epoch=room.epoch,
        seq=room.seq,
        phase=situation.value,
        rev=visit.rev if visit is not None else 0,
        provider=provider,
        practice=shown_practice,
        checked_in=entry is not None or situation not in (Situation.SCHEDULED, Situation.CLOSED),
        away=entry is not None and entry.away,
        ahead=ahead(room, entry) if entry is not None else None,
    )
    if visit is None:
        return base
    if visit.appointment is not None:
        base = replace(base, appointment=_appointment(visit))
    if situation is Situation.IN_PROGRESS:
        base = replace(
            base,
            visit=visit.id,
            path=path_of(visit),
            participants=shown_participants(index_of(room).connected, visit, who.participant),
            ice_servers=ice_servers,
        )
    elif situation in (Situation.ENDED, Situation.REJOIN_PENDING):
        base = replace(
            base,
            visit=visit.id,
            rejoin_until=visit.rejoin_until,
            agreed=agreed_roles(visit),
            mine=who.participant in visit.agreed,
            live=visit.phase is Phase.IN_PROGRESS,
        )
    return base


def _appointment(visit: Visit) -> dict[str, Any]:
    return {
        "id": visit.appointment,
        "start": visit.start,
        "end": visit.end,
        "opens": opens(visit),
        "group": visit.group,
    }


def _provider_view(room: Room, who: Who, ice_servers: tuple[dict[str, Any], ...]) -> ProviderView:
    host = who.participant == room.host.id
    visits = [visit for visit in room.visits.values() if hosts(visit, who)]
    mine = {visit.id for visit in visits}
    entries = sorted(room.entries.values(), key=lambda entry: (entry.since, entry.id))
    started = [visit for visit in visits if visit.phase is not Phase.SCHEDULED]
    there = index_of(room).connected
    live = any(visit.phase is Phase.IN_PROGRESS for visit in visits)
    shown = ProviderView(
        version=room.version,
        epoch=room.epoch,
        seq=room.seq,
        status=room.status.kind,
        minutes=room.status.minutes,
        waiting=tuple(shown_entry(e, room.visits[e.visit]) for e in entries if e.visit in mine and e.visit is not None),
        unverified=tuple(shown_entry(e, None) for e in entries if e.visit is None) if host else (),
        appointments=tuple(
            shown_appointment(there, v) for v in sorted(visits, key=lambda v: (v.start, v.id)) if v.appointment
        ),
        visits=tuple(shown_visit(there, visit, who.participant, room.time) for visit in started),
    )
    if live:
        shown = replace(shown, ice_servers=ice_servers)
    return shown


def may_see(room: Room, who: Who, visit: str | None) -> bool:
    """Tell whether an event about `visit` still concerns `who`: the last check before a socket."""
    if visit is None:
        return True
    found: Visit | None = room.visits.get(visit)
    if found is None:
        return True  # it has closed; its audience was fixed when it did
    return hosts(found, who) or who.participant in roster(found) or who.participant in found.seats


def may_be_told(room: Room | None, who: Who, event: Mapping[str, Any]) -> bool:
    """Tell whether an event on its way to `who` still concerns them, by the room as it is known where they are."""
    if room is None or room.version < event.get("version", 0):
        return (
            True  # a room older than the event cannot tell: somebody may have come into the visit with this very step
        )
    if event.get("type") == "visit.closed":
        return True  # it takes the visit from them: who is no longer of it must hear just that
    return may_see(room, who, event.get("visit"))
