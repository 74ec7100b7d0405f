"""Who may negotiate media, and for what: the gate that every offer passes, and the default is no.

A peer with the server alone holds nothing of a visit: a `check` hears its own echo, and a `warm` one stays silent until
an offer for the visit, past this gate again, makes it the visit's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from signaling.errors import BadSdp, Refused
from signaling.fields import SDP_LIMIT, Purpose
from signaling.index import index_of
from signaling.lookup import hosts, is_connected, situation_of, visit_of
from signaling.messages import MediaReplace
from signaling.modality import admitted
from signaling.permissions import Situation, demand_role
from signaling.requests import MediaCandidates, MediaOffer, MediaPrepare
from signaling.state import CLIENT, Entry, Room, Visit, Who

S = Situation
PURPOSES: Final[Mapping[Situation, frozenset[Purpose]]] = {
    S.SCHEDULED: frozenset({"check"}),
    S.WAITING: frozenset({"check", "warm"}),
    S.IN_PROGRESS: frozenset({"visit"}),
    S.ENDED: frozenset({"check"}),
    S.REJOIN_PENDING: frozenset({"check", "warm"}),
    S.CLOSED: frozenset(),
}
"""What a peer may be for, as its participant stands (`standing`). After an End nobody's is warm until they agree."""


def standing(room: Room, who: Who) -> Situation:
    """Return how somebody stands as to media: `rejoin_pending` is for those who have agreed themselves.

    For a provider `waiting` means that somebody waits for them.
    """
    if admitted(room, who) is not None:
        return S.IN_PROGRESS
    if who.role is CLIENT:
        visit = visit_of(room, who)
        situation = situation_of(room, who, visit)
        agreed = visit is not None and who.participant in visit.agreed
        settled = situation in {S.SCHEDULED, S.WAITING, S.CLOSED}
        return situation if settled or (situation is S.REJOIN_PENDING and agreed) else S.ENDED
    if any(who.participant in room.visits[id].agreed for id in index_of(room).pending):
        return S.REJOIN_PENDING
    return S.WAITING if any(_awaits(room, who, entry) for entry in room.entries.values()) else S.SCHEDULED


def _awaits(room: Room, who: Who, entry: Entry) -> bool:
    """Tell whether an entry waits for this provider; those without an appointment wait for the host."""
    if entry.visit is None:
        return who.participant == room.host.id
    return hosts(room.visits[entry.visit], who)


def may_negotiate(room: Room, who: Who, purpose: Purpose) -> bool:
    """Tell whether somebody may have a peer for `purpose` now."""
    return purpose in PURPOSES[standing(room, who)]


def prepare(room: Room, by: Who, purpose: Purpose) -> None:
    """Tell whether somebody may have ICE servers for `purpose`, or raise."""
    demand_role(by.role, MediaPrepare)
    _demand(room, by, purpose)


def visit_for_offer(room: Room, by: Who) -> Visit:
    """Return the visit an offer belongs to. Before admission there is none, whatever the browser says."""
    demand_role(by.role, MediaOffer)
    return _visit(room, by)


def demand_alone(room: Room, by: Who, purpose: Purpose) -> None:
    """Raise unless somebody may have a peer with the server alone: for `check` or `warm`, now, and connected.

    Whoever has no connection needs none, and would leave it behind.
    """
    demand_role(by.role, MediaOffer)
    if purpose == "visit" or not is_connected(room, by.participant):
        raise Refused("not alone with the server")
    _demand(room, by, purpose)


def keeps_alone(room: Room, who: Who, purpose: Purpose) -> bool:
    """Tell whether somebody may keep such a peer: a warm one, also once the visit has begun that it is for."""
    if not is_connected(room, who.participant):
        return False
    return may_negotiate(room, who, purpose) or (purpose == "warm" and may_negotiate(room, who, "visit"))


def visit_for_candidates(room: Room, by: Who) -> Visit | None:
    """Return the visit that candidates belong to; None: they are of a peer with the server alone."""
    demand_role(by.role, MediaCandidates)
    if not PURPOSES[standing(room, by)]:
        raise Refused("no peer now")
    return admitted(room, by)


def demand_size(sdp: str) -> None:
    """Raise `BadSdp` for a description that is too long to be one. What is in it, the other browser judges."""
    if len(sdp.encode(errors="replace")) > SDP_LIMIT:
        raise BadSdp("longer than 32 KiB")


def _visit(room: Room, by: Who) -> Visit:
    visit = admitted(room, by)
    if visit is None:
        raise Refused("not in a visit")
    return visit


def _demand(room: Room, by: Who, purpose: Purpose) -> None:
    if not may_negotiate(room, by, purpose):
        raise Refused(f"no peer for {purpose} now")


def replacements(room: Room, who: Who) -> tuple[MediaReplace, ...]:
    """Return what somebody who is there again must hear of their peer: its node died, which browsers notice late."""
    visit = admitted(room, who)
    peer = visit.lost_peers.get(who.participant) if visit is not None else None
    return (MediaReplace(peer=peer, reason="node_lost"),) if peer is not None else ()
