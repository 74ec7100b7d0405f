"""Who may ask for what, and when: one table, and the default is no."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from signaling.errors import Forbidden, Refused
from signaling.requests import (
    Acknowledge,
    Admit,
    Chat,
    CheckIn,
    ComeBack,
    End,
    Finish,
    Leave,
    MediaAnswered,
    MediaCandidates,
    MediaFlow,
    MediaMode,
    MediaOffer,
    MediaPrepare,
    MediaRelay,
    MediaState,
    MediaStats,
    Rejoin,
    Remove,
    Request,
    ReturnToWaiting,
    SetStatus,
    Start,
    StepAway,
    TellWaiting,
    Withdraw,
)
from signaling.state import Phase, Role


class Situation(StrEnum):
    """What a request is judged by: the visit's phase as the one who asks lives it.

    `waiting` is a client's alone: their seat waits, whatever the visit does.
    """

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"
    REJOIN_PENDING = "rejoin_pending"
    CLOSED = "closed"


S = Situation
OF_PHASE: Final = {phase: Situation(phase.value) for phase in Phase}
"""A provider's situation is the visit's phase."""
ALWAYS: Final = frozenset(Situation) - {S.CLOSED}
"""Not about a visit, or fine in every phase of one that is not closed."""
AFTER_END: Final = frozenset({S.ENDED, S.REJOIN_PENDING})

_PROVIDER: Final[Mapping[type[Request], frozenset[Situation]]] = {
    Acknowledge: ALWAYS,
    TellWaiting: ALWAYS,
    Start: frozenset({S.SCHEDULED}),
    Admit: frozenset({S.IN_PROGRESS}),
    ReturnToWaiting: frozenset({S.IN_PROGRESS}),
    Remove: frozenset({S.SCHEDULED, S.IN_PROGRESS}),
    End: frozenset({S.IN_PROGRESS}),
    Rejoin: AFTER_END,
    Withdraw: frozenset({S.REJOIN_PENDING}),
    Finish: AFTER_END,
    MediaPrepare: ALWAYS,
    MediaOffer: ALWAYS,
    MediaCandidates: ALWAYS,
    MediaState: frozenset({S.IN_PROGRESS}),
    MediaMode: frozenset({S.IN_PROGRESS}),
    MediaAnswered: frozenset({S.IN_PROGRESS}),
    MediaRelay: frozenset({S.IN_PROGRESS}),
    MediaFlow: frozenset({S.IN_PROGRESS}),
    MediaStats: ALWAYS,
    Chat: frozenset({S.IN_PROGRESS}),
}

_CLIENT: Final[Mapping[type[Request], frozenset[Situation]]] = {
    CheckIn: frozenset({S.SCHEDULED, S.WAITING}),
    StepAway: frozenset({S.WAITING}),
    ComeBack: frozenset({S.WAITING}),
    Leave: frozenset({S.WAITING, S.IN_PROGRESS}),
    End: frozenset({S.IN_PROGRESS}),
    Rejoin: AFTER_END,
    Withdraw: frozenset({S.REJOIN_PENDING}),
    MediaPrepare: ALWAYS,
    MediaOffer: ALWAYS,
    MediaCandidates: ALWAYS,
    MediaState: frozenset({S.IN_PROGRESS}),
    MediaMode: frozenset({S.WAITING, S.IN_PROGRESS}),
    MediaAnswered: frozenset({S.IN_PROGRESS}),
    MediaRelay: frozenset({S.IN_PROGRESS}),
    MediaFlow: frozenset({S.IN_PROGRESS}),
    MediaStats: ALWAYS,
    Chat: frozenset({S.IN_PROGRESS}),
}

ALLOWED: Final[Mapping[Role, Mapping[type[Request], frozenset[Situation]]]] = {
    Role.PROVIDER: {**_PROVIDER, SetStatus: ALWAYS},
    Role.CO_PROVIDER: _PROVIDER,
    Role.CLIENT: _CLIENT,
    Role.GUEST: {},
}
"""Role by request: the situations in which it may be granted. What is not here is forbidden."""


def may(role: Role, situation: Situation, request: type[Request]) -> bool:
    """Tell whether the table grants `request` to `role` in `situation`."""
    return situation in ALLOWED[role].get(request, ())


def demand_role(role: Role, request: type[Request]) -> None:
    """Raise `Forbidden` unless the role may ever send `request`."""
    if request not in ALLOWED[role]:
        raise Forbidden(f"{role.value} may not send {request.__struct_config__.tag}")


def demand(role: Role, situation: Situation, request: type[Request]) -> None:
    """Raise `Forbidden` (never for this role) or `Refused` (not now) unless the table grants it."""
    if not may(role, situation, request):
        demand_role(role, request)
        raise Refused(f"{request.__struct_config__.tag} while {situation.value}")
