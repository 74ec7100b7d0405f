"""The one function that changes a room: `handle(room, event) -> Step`. Pure: no clock, no chance, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, assert_never

from msgspec import Struct

from signaling.closing import close_by_deadline, finish
from signaling.deadlines import entry_deadline, notice_deadline, visit_deadline
from signaling.direct import ask_relay, note_flow
from signaling.draft import Draft
from signaling.effects import Step
from signaling.ending import end, end_segment, ended_offline, leave, remove, return_to_waiting
from signaling.events import (
    Asked,
    Cancelled,
    Configured,
    Connected,
    DeadlinePassed,
    Disconnected,
    EndedOffline,
    Fact,
    LinkRevoked,
    MediaChanged,
    MediaMoved,
    NodeGone,
    Opened,
    QualityMeasured,
    Rescheduled,
)
from signaling.index import deadline
from signaling.measured import quality_measured
from signaling.modality import media_changed, media_moved, set_mode, set_state
from signaling.opening import cancel, open_visit, reschedule, tell_rev
from signaling.outages import outage, unheard
from signaling.permissions import demand_role
from signaling.policy import Policy
from signaling.presence import connected, demand_active, disconnected, host_away, link_revoked, node_gone
from signaling.rejoining import rejoin, withdraw
from signaling.requests import (
    Acknowledge,
    Admit,
    CheckIn,
    ComeBack,
    End,
    Finish,
    Leave,
    MediaFlow,
    MediaMode,
    MediaRelay,
    MediaState,
    Rejoin,
    Remove,
    ReturnToWaiting,
    SetStatus,
    Start,
    StepAway,
    Withdraw,
)
from signaling.seats import (
    acknowledge,
    check_in,
    grace_over,
    kept_waiting_too_long,
    nobody_answers,
    step_away,
    waited_long_enough,
)
from signaling.starting import admit, start
from signaling.state import Interval, Person, Phase, Room, Visit, Who
from signaling.waiting import set_status, tell_status

__all__ = ["deadline", "handle", "new_room"]


def new_room(id: str, practice: str, host: Person, epoch: str, policy: Policy) -> Room:
    """Return an empty room. It exists once its first commit does."""
    return Room(id=id, practice=practice, host=host, epoch=epoch, policy=policy)


def handle(room: Room, event: Asked | Fact, *, now: int, outages: Sequence[Interval] = ()) -> Step:
    """Return the room after `event`, what must be stored with it, and what the shell should do about it.

    What `now` has let pass has passed first, so a late alarm, or one that rings twice, is invisible.
    `outages` are those of the whole service, oldest first: what fell into one is given anew.
    Raise `SignalingError` if a request is refused; then nothing changes.
    """
    draft = Draft(room, event.fresh if type(event) is Asked else "")
    for during in unheard(draft, outages) if outages else ():
        settle(draft, min(now, during.start))
        outage(draft, during)
    # What was over by then is not brought about by time: nobody is absent from a visit that had ended.
    settle(draft, min(now, event.at) if type(event) is EndedOffline else now)
    visit: Visit | None = None
    match event:
        case Asked():
            visit = _asked(draft, event)
        case MediaChanged():
            media_changed(draft, event)
        case Connected():
            connected(draft, event)
        case Disconnected():
            disconnected(draft, event)
        case DeadlinePassed():
            pass  # settle has done it
        case NodeGone():
            node_gone(draft, event)
        case Opened(appointment, policy):
            open_visit(draft, appointment, policy, outages)
        case Rescheduled(appointment, policy):
            reschedule(draft, appointment, policy, outages)
        case Cancelled(appointment, outcome):
            cancel(draft, appointment, outcome)
        case LinkRevoked():
            link_revoked(draft, event)
        case Configured(host, policy):
            if (host, policy) != (draft.room.host, draft.room.policy):
                draft.change(host=host, policy=policy)
        case MediaMoved():
            media_moved(draft, event)
        case QualityMeasured():
            quality_measured(draft, event)
        case EndedOffline():
            ended_offline(draft, event)
        case _:
            assert_never(event)
    settle(draft, now)  # what was due the moment it came to be: a span of nothing, a start that has passed
    tell_rev(draft)
    tell_status(draft)
    return draft.step(visit)


GRANTS: Final[Mapping[type[Struct], Callable[[Draft, Who, Any], Visit | None]]] = {
    CheckIn: check_in,
    StepAway: step_away,
    ComeBack: step_away,
    Leave: leave,
    SetStatus: set_status,
    Acknowledge: acknowledge,
    Start: start,
    Admit: admit,
    ReturnToWaiting: return_to_waiting,
    Remove: remove,
    End: end,
    Rejoin: rejoin,
    Withdraw: withdraw,
    Finish: finish,
    MediaState: set_state,
    MediaMode: set_mode,
    MediaRelay: ask_relay,
    MediaFlow: note_flow,
}
"""Every `RoomRequest`, and the function that grants it or raises. It may return the visit that the reply names."""


def _asked(draft: Draft, asked: Asked) -> Visit | None:
    """Grant a participant's request, or raise."""
    by, request = asked.by, asked.request
    demand_role(by.role, type(request))
    demand_active(draft.room, by, asked.connection)
    return GRANTS[type(request)](draft, by, request)


# --- Time -------------------------------------------------------------------------------------------


def settle(draft: Draft, now: int) -> None:
    """Let happen what time alone brings until `now`, each thing at its own moment. Afterwards nothing is due."""
    while draft.index.first <= now or draft.stale:  # mostly it is neither
        if (due := draft.due()) > now:
            break
        # An alarm that rings late must not lengthen a segment, nor a window: billing would hear of it.
        draft.at(due)
        _settle_one(draft)
    draft.now = max(draft.now, now)


def _settle_one(draft: Draft) -> None:
    room, now = draft.room, draft.now
    if room.host_gone_since is not None and room.host_gone_since + room.policy.away_after <= now:
        host_away(draft)
        return
    for entry in room.entries.values():
        if entry_deadline(room, entry) <= now:
            if notice_deadline(entry) <= now:
                nobody_answers(draft, entry)
            elif entry.visit is None and entry.since + room.policy.waiting_limit <= now:
                waited_long_enough(draft, entry)
            else:
                grace_over(draft, entry)
            return
    for visit in room.visits.values():
        if visit_deadline(visit) <= now:
            if visit.phase is Phase.IN_PROGRESS and kept_waiting_too_long(draft, visit):
                pass  # it goes on without them
            elif visit.phase is Phase.IN_PROGRESS:
                end_segment(draft, visit, DeadlinePassed, by=None, reason="abandoned")
            else:
                close_by_deadline(draft, visit)
            return
    raise AssertionError("something was due")
