"""`visit.md`: a visit's life, drawn from the tables that decide it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from msgspec import Struct

from signaling.events import DeadlinePassed
from signaling.fields import Purpose
from signaling.negotiation import PURPOSES
from signaling.permissions import ALLOWED, Situation
from signaling.policy import HOUR, MINUTE, SECOND, Policy
from signaling.state import Phase, Role, Stand
from signaling.visit import NEXT

TIME = "time"
"""How `DeadlinePassed` is called in the document."""

DEADLINES: Mapping[str, tuple[str, str]] = {
    "no_show_after": ("nobody waits for a scheduled visit", "it is closed: no-show"),
    "waiting_limit": ("somebody waits and no provider starts", "it is closed: provider absent"),
    "abandoned_after": ("in progress, and one side has nobody connected", "it is ended, `abandoned`, by nobody"),
    "rejoin_window": ("ended; counted anew from each End, not extended by rejoin", "it is closed"),
    "grace": ("a waiting client's last connection dropped", "the place in the queue is given up"),
    "unanswered_after": ("a client is ready and no provider has acknowledged it", "webhooks hear `notice.unanswered`"),
    "away_after": ("the host's last connection dropped", "waiting clients see `away`"),
}
"""Span of the policy: what it is counted from, and what happens then."""

STANDS: Mapping[Stand, str] = {
    Stand.OUT: "not there yet, or gone out",
    Stand.WAITING: "checked in; has one entry in the queue",
    Stand.IN: "admitted to the running segment",
    Stand.REMOVED: "sent away; the link does not lead back into this visit",
}


def visit() -> str:
    """Return the page."""
    return f"""# A visit's life

A visit is the encounter for one appointment, from its opening (a day before) to its close. Three small machines are
kept apart: the **phase** of the visit, the **seat** of each client, and **presence** — who is connected. A drop moves
neither seat nor phase.

## Phases

```mermaid
stateDiagram-v2
    [*] --> {Phase.SCHEDULED.value}: opened
{_diagram()}
    {Phase.SCHEDULED.value} --> {Phase.CLOSED.value}: cancelled
    {Phase.CLOSED.value} --> [*]
```

| in | event | may lead to |
|---|---|---|
{_moves()}

Every other event is refused. Besides these the EHR's cancellation closes a scheduled visit, and a client's `leave`
from a visit for two counts as `end`. A group ends when its last client is out. At most one visit of a room is in
progress.

`rev` counts each of these moves, and each coming and going of the visit's own clients, by one. A request that says
what it expects is `stale` when the visit has moved on, so that of two clicks one wins.

Both sides must agree after the same End before a visit goes on: one of the providers, and at least one client. Once
it does, a further client of a group comes in by their own click — unless they were removed or sent back to wait.
While another visit is in progress a provider's `rejoin` is `busy`, and providers' agreements lapse; a client's waits.

## Seats

| seat | |
|---|---|
{_rows((f"`{stand.value}`", STANDS[stand]) for stand in Stand)}

*Waiting is a seat, not a phase of the visit*: a client whose seat waits is told the phase `waiting`.

## What time brings

A deadline is a question to the state, and what is due happens at its own moment, however late the alarm rings.

| span of the policy | default | counted from | then |
|---|---|---|---|
{_deadlines()}

## Who may ask for what

What is not in the table is refused: `forbidden` where the role may never ask it, `refused` where it may not now.
A client is judged by the visit as they live it; a provider by its phase. The role `guest` is reserved and may nothing.

{_permissions()}

## Who may have a peer, and what for

Before admission a browser may connect to the server alone. A `check` hears its own echo, 15 s long. A `warm` one waits
without a sound until an offer for the visit, past the same gate as any other, makes it the visit's. Here a provider
stands as `waiting` while somebody waits for them, and `rejoin_pending` is for those who have agreed themselves.

| | {" | ".join(f"`{purpose}`" for purpose in get_args(Purpose))} |
|{"---|" * (1 + len(get_args(Purpose)))}
{_purposes()}
"""


def _name(event: type[Struct]) -> str:
    return TIME if event is DeadlinePassed else str(event.__struct_config__.tag)


def _diagram() -> str:
    edges: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), to in NEXT.items():
        for then in (one for one in Phase if one in to):
            edges.setdefault((phase, then), []).append(_name(event))
    return "\n".join(
        f"    {phase.value} --> {then.value}: {', '.join(names)}" for (phase, then), names in edges.items()
    )


def _moves() -> str:
    return _rows(
        (f"`{phase.value}`", f"`{_name(event)}`", ", ".join(f"`{one.value}`" for one in Phase if one in to))
        for (phase, event), to in NEXT.items()
    )


def _deadlines() -> str:
    policy = Policy()
    return _rows((f"`{name}`", _span(getattr(policy, name)), *words) for name, words in DEADLINES.items())


def _span(ms: int) -> str:
    for unit, name in ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if ms >= unit and ms % unit == 0:
            return f"{ms // unit} {name}"
    return f"{ms} ms"


def _permissions() -> str:
    tables = []
    for role in (role for role in Role if ALLOWED[role]):
        situations = [s for s in Situation if any(s in granted for granted in ALLOWED[role].values())]
        if role is not Role.CLIENT:
            situations = [s for s in situations if s is not Situation.WAITING]  # a client's alone
        head = f"| {role.value.replace('_', '-')} | " + " | ".join(f"`{s.value}`" for s in situations) + " |"
        rows = _rows(
            (f"`{request.__struct_config__.tag}`", *("yes" if s in granted else "" for s in situations))
            for request, granted in ALLOWED[role].items()
        )
        tables.append(f"{head}\n|{'---|' * (1 + len(situations))}\n{rows}")
    return "\n\n".join(tables)


def _purposes() -> str:
    return _rows(
        (f"`{situation.value}`", *("yes" if purpose in granted else "" for purpose in get_args(Purpose)))
        for situation, granted in PURPOSES.items()
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
