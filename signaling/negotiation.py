"""Who may negotiate media, and for what: the gate that every offer passes."""

from __future__ import annotations

from signaling.errors import Refused
from signaling.messages import MediaCandidates, MediaOffer, MediaPrepare, MediaReplace, Purpose
from signaling.modality import admitted
from signaling.permissions import demand_role
from signaling.state import Room, Visit, Who


def prepare(room: Room, by: Who, purpose: Purpose) -> None:
    """Tell whether somebody may have ICE servers for `purpose`, or raise."""
    demand_role(by.role, MediaPrepare)
    if purpose == "visit" and admitted(room, by) is None:
        raise Refused("not in a visit")


def visit_for_offer(room: Room, by: Who, purpose: Purpose) -> Visit:
    """Return the visit an offer belongs to. Before admission there is none, whatever the browser says."""
    demand_role(by.role, MediaOffer)
    visit = admitted(room, by)
    if visit is None or purpose != "visit":
        raise Refused("not in a visit")
    return visit


def visit_for_candidates(room: Room, by: Who) -> Visit:
    """Return the visit that candidates belong to."""
    demand_role(by.role, MediaCandidates)
    visit = admitted(room, by)
    if visit is None:
        raise Refused("not in a visit")
    return visit


def replacements(room: Room, who: Who) -> tuple[MediaReplace, ...]:
    """Return what somebody who is there again must hear of their peer: its node died, which browsers notice late."""
    visit = admitted(room, who)
    peer = visit.lost_peers.get(who.participant) if visit is not None else None
    return (MediaReplace(peer=peer, reason="node_lost"),) if peer is not None else ()
