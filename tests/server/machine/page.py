"""What a browser shows: the view it was given, with each event since folded in, as `static/lib` does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
State = dict[str, Any]

# --- a client's page ------------------------------------------------------------------------------


def _live(state: State, told: Message) -> None:
    state.update(phase="in_progress", visit=told["visit"], participants=_by_id(told["participants"]))
    state.update(agreed=(), mine=False, rejoin_until=None, checked_in=True, rev=told["rev"], path=_path(told))


def _client_ended(state: State, told: Message) -> None:
    state.update(phase="waiting" if told["reason"] == "returned" else "ended", participants=None)
    state.update(visit=told["visit"], rejoin_until=told.get("rejoin_until"), agreed=(), mine=False, rev=told["rev"])


def _client_pending(state: State, told: Message) -> None:
    live, agreed = told.get("live", False), tuple(told["agreed"])
    state.update(phase="rejoin_pending" if agreed and not live else "ended", agreed=agreed)
    state.update(mine=told.get("mine", False), rejoin_until=None if live else told.get("rejoin_until"))


def _client_closed(state: State, told: Message) -> None:
    state.update(phase="closed", participants=None)


def _waiting(state: State, told: Message) -> None:
    state.update(status=told["status"], minutes=told.get("minutes"), ahead=told.get("ahead"))


def _participant(state: State, told: Message) -> None:
    if state["participants"] is not None:
        state["participants"] = {**state["participants"], told["participant"]["id"]: told["participant"]}


def _client_path(state: State, told: Message) -> None:
    state.update(path=_path(told))


CLIENT: dict[str, Callable[[State, Message], None]] = {
    "waiting.changed": _waiting,
    "visit.started": _live,
    "visit.resumed": _live,
    "visit.ended": _client_ended,
    "visit.rejoin_pending": _client_pending,
    "visit.closed": _client_closed,
    "participant.changed": _participant,
    "visit.path": _client_path,
}


def client_state(view: Message) -> State:
    """Return what a client's page keeps of a view."""
    return {
        "phase": view["phase"],
        "visit": view.get("visit"),
        "rev": view["rev"],
        "checked_in": view["checked_in"],
        "path": _path(view),
        "participants": _by_id(view["participants"]) if "participants" in view else None,
        "agreed": tuple(view.get("agreed") or ()),
        "mine": view.get("mine", False),
        "rejoin_until": view.get("rejoin_until"),
        "status": view["provider"]["status"],
        "minutes": view["provider"].get("minutes"),
        "ahead": view.get("ahead"),
    }


def client_shows(state: State) -> State:
    """Return what a client reads on the screen of their phase."""
    phase = state["phase"]
    shown: State = {"phase": phase}
    if phase == "in_progress":
        shown |= {key: state[key] for key in ("visit", "path")} | {"participants": _there(state["participants"])}
    elif phase in ("ended", "rejoin_pending"):
        shown |= {key: state[key] for key in ("visit", "mine", "rejoin_until")} | {"agreed": sorted(state["agreed"])}
    elif phase == "waiting":
        shown |= {key: state[key] for key in ("status", "minutes", "ahead")}
    return shown


# --- a provider's page ----------------------------------------------------------------------------


def _entry(state: State, told: Message) -> None:
    entry = told["entry"]
    for lane in ("waiting", "unverified"):
        state[lane] = {id: one for id, one in state[lane].items() if id != entry["id"]}
    lane = "waiting" if entry["verified"] else "unverified"
    state[lane] = {**state[lane], entry["id"]: entry}


def _left(state: State, told: Message) -> None:
    for lane in ("waiting", "unverified"):
        state[lane] = {id: one for id, one in state[lane].items() if id != told["entry"]}


def _visit(state: State, id: str, rev: int | None, **change: Any) -> None:
    before = state["visits"].get(id, {"id": id, "participants": {}, "agreed": (), "rejoin_until": None, "mine": False})
    visit = {**before, **change}
    state["visits"] = {**state["visits"], id: visit}
    _phase(state, visit.get("appointment"), visit["phase"], rev)


def _phase(state: State, appointment: str | None, phase: str, rev: int | None) -> None:
    known = state["appointments"].get(appointment)
    if known is not None:
        changed = {**known, "phase": phase, "rev": known["rev"] if rev is None else rev}
        state["appointments"] = {**state["appointments"], appointment: changed}


def _started(state: State, told: Message) -> None:
    more: State = {"appointment": told["appointment"]} if told.get("appointment") else {}
    people = _by_id(told["participants"])
    _visit(
        state,
        told["visit"],
        told["rev"],
        phase="in_progress",
        participants=people,
        rejoin_until=None,
        agreed=(),
        path=_path(told),
        **more,
    )


def _ended(state: State, told: Message) -> None:
    if told["reason"] == "returned":
        _without(state, told["visit"], "scheduled", told["rev"])
        return
    until = told.get("rejoin_until")
    _visit(state, told["visit"], told["rev"], phase="ended", rejoin_until=until, agreed=(), mine=False)


def _pending(state: State, told: Message) -> None:
    agreed = tuple(told["agreed"])
    more = {"rejoin_until": told["rejoin_until"]} if told.get("rejoin_until") else {}
    phase = "rejoin_pending" if agreed else "ended"
    _visit(state, told["visit"], told["rev"], phase=phase, agreed=agreed, mine=told.get("mine", False), **more)


def _closed(state: State, told: Message) -> None:
    _without(state, told["visit"], "closed", None)


def _without(state: State, id: str, phase: str, rev: int | None) -> None:
    visit = state["visits"].get(id, {})
    state["visits"] = {key: one for key, one in state["visits"].items() if key != id}
    named = [key for key, one in state["appointments"].items() if one["visit"] == id]
    _phase(state, visit.get("appointment") or (named[0] if named else None), phase, rev)


def _appointment(state: State, told: Message) -> None:
    appointment = told["appointment"]
    state["appointments"] = {**state["appointments"], appointment["id"]: appointment}
    visit = state["visits"].get(appointment["visit"])
    if visit is not None:  # whoever comes to host it between two segments is told of the visit first
        state["visits"] = {**state["visits"], visit["id"]: {**visit, "appointment": appointment["id"]}}


def _visit_participant(state: State, told: Message) -> None:
    visit = state["visits"].get(told["visit"])
    if visit is not None:
        people = {**visit["participants"], told["participant"]["id"]: told["participant"]}
        state["visits"] = {**state["visits"], visit["id"]: {**visit, "participants": people}}


def _visit_path(state: State, told: Message) -> None:
    visit = state["visits"].get(told["visit"])
    if visit is not None:
        state["visits"] = {**state["visits"], visit["id"]: {**visit, "path": _path(told)}}


PROVIDER: dict[str, Callable[[State, Message], None]] = {
    "queue.entered": _entry,
    "queue.changed": _entry,
    "queue.left": _left,
    "visit.started": _started,
    "visit.resumed": _started,
    "visit.ended": _ended,
    "visit.rejoin_pending": _pending,
    "visit.closed": _closed,
    "visit.changed": _appointment,
    "participant.changed": _visit_participant,
    "visit.path": _visit_path,
}


def provider_state(view: Message) -> State:
    """Return what a provider's page keeps of a view."""
    visits = {
        one["id"]: {"rejoin_until": None, **one, "agreed": tuple(one.get("agreed") or ())}
        | {"participants": _by_id(one["participants"])}
        for one in view["visits"]
    }
    return {
        "waiting": _by_id(view["waiting"]),
        "unverified": _by_id(view["unverified"]),
        "appointments": _by_id(view["appointments"]),
        "visits": visits,
    }


def provider_shows(state: State) -> State:
    """Return what a provider reads: who waits, what is scheduled, what is in progress or may go on."""
    entries = {
        lane: {id: {key: entry[key] for key in entry if key != "rev"} for id, entry in state[lane].items()}
        for lane in ("waiting", "unverified")
    }
    appointments = {
        id: [one[key] for key in ("phase", "rev", "start", "end", "group")]
        + [sorted(c["name"] for c in one["clients"])]
        for id, one in state["appointments"].items()
        if one["phase"] != "closed"
    }
    visits = {}
    for id, one in state["visits"].items():
        if one["phase"] == "in_progress":
            visits[id] = {"phase": one["phase"], "path": _path(one), "participants": _there(one["participants"])}
        else:
            visits[id] = {key: one[key] for key in ("phase", "rejoin_until")} | {"agreed": sorted(one["agreed"])}
    return {**entries, "appointments": appointments, "visits": visits}


def _path(told: Message) -> str:
    return str(told.get("path", "relay"))


def _by_id(people: Any) -> dict[str, Any]:
    return {one["id"]: one for one in people}


def _there(people: dict[str, Any]) -> dict[str, Any]:
    """Those who are in. Nobody is shown whether they are there themselves: whoever comes back is not told so."""
    return {
        id: {**one, "presence": "connected"} if one["you"] else one
        for id, one in people.items()
        if one["presence"] != "left"
    }
