"""Media from browser to browser: what both browsers say of it, and how it is given up for the way through the server.

No packet of it reaches a node of ours. What billing counts is what the browsers say; the record marks it as theirs.
"""

from __future__ import annotations

from msgspec.structs import replace

from signaling.draft import Draft
from signaling.errors import Refused
from signaling.fields import RelayReason
from signaling.lookup import clients_inside, provider_ids, situation_of
from signaling.messages import VisitPath
from signaling.modality import admitted, begun
from signaling.path import path_of
from signaling.permissions import demand
from signaling.requests import MediaFlow, MediaRelay
from signaling.seats import ended
from signaling.segment import log_ended
from signaling.state import MediaLog, Room, Visit, Who


def ask_relay(draft: Draft, by: Who, request: MediaRelay) -> Visit:
    """A browser cannot go on without the server, or never could. Where it goes through it already, nothing changes."""
    return fall_back(draft, _mine(draft.room, by, MediaRelay), request.reason)


def fall_back(draft: Draft, visit: Visit, reason: RelayReason) -> Visit:
    """Let a visit's media go through the server from now on, and for the rest of the visit."""
    if path_of(visit) == "relay":
        return visit
    now = draft.now
    visit = draft.put_visit(
        replace(
            visit,
            direct=ended(visit.direct, now),
            fell_back=True,
            # Between two browsers it goes on until the other way is there; nobody measures that moment.
            media={id: log_ended(log, now) for id, log in visit.media.items()},
        )
    )
    draft.tell((*provider_ids(visit), *clients_inside(visit)), VisitPath(visit=visit.id, path="relay", reason=reason))
    return visit


def note_flow(draft: Draft, by: Who, request: MediaFlow) -> None:
    """A browser says whether it is connected with the other one, and whether it sends pictures."""
    visit = _mine(draft.room, by, MediaFlow)
    if path_of(visit) == "direct":  # else it is late: the server sees for itself by now
        _note(draft, visit, by.participant, up=request.up, video=request.up and request.video)


def lose_flow(draft: Draft, visit: Visit, participant: str) -> None:
    """Nobody can say any more how somebody's media are: their last connection is gone."""
    if path_of(visit) == "direct" and participant in visit.media:
        _note(draft, visit, participant, up=False, video=False)


def other_of(room: Room, who: Who) -> tuple[Visit, str]:
    """Return the visit that somebody is in directly, and the one whom their browser is connected with. `Refused`."""
    visit = admitted(room, who)
    if visit is None or path_of(visit) == "relay":
        raise Refused("not in a visit without the server")
    (provider,), (client,) = provider_ids(visit), clients_inside(visit)
    return visit, client if who.participant == provider else provider


def _mine(room: Room, by: Who, request: type[MediaFlow | MediaRelay]) -> Visit:
    visit = admitted(room, by)
    demand(by.role, situation_of(room, by, visit), request)
    if visit is None:
        raise Refused("not in a visit")
    return visit


def _note(draft: Draft, visit: Visit, participant: str, *, up: bool, video: bool) -> None:
    log, now = visit.media.get(participant, MediaLog()), draft.now
    noted = replace(
        log,
        up=begun(log.up, now) if up else ended(log.up, now),
        video=begun(log.video, now) if video else ended(log.video, now),
    )
    if noted != log:
        draft.put_visit(replace(visit, media={**visit.media, participant: noted}))
