"""What is over: visits, billing records, the audit trail."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from server.registry import room_id
from server.registry.errors import Clash, Missing
from server.web.api.operation import Answer, Call, Nothing, Operation
from server.web.api.providers import MOST_MEMBERS, Code, as_code, once
from server.web.api.rooms import LiveVisit, live
from signaling.amending import Change
from signaling.fields import Outcome


class VisitAnswer(Struct, frozen=True, omit_defaults=True):
    """A visit: `live` while it is in its room, its `record` once it is closed, neither before it opens."""

    id: str
    phase: str
    appointment: str | None = None
    live: LiveVisit | None = None
    record: dict[str, Any] | None = None


class RecordAnswer(Struct, frozen=True):
    """A billing record."""

    record: dict[str, Any]


class RecordsAnswer(Struct, frozen=True):
    """Billing records, oldest first. Ask again with `after=next`; the cursor stays when there is nothing new."""

    records: tuple[dict[str, Any], ...]
    next: str


class AuditAnswer(Struct, frozen=True):
    """Entries of the trail, oldest first."""

    entries: tuple[dict[str, Any], ...]
    next: str


class OutcomeBody(Struct, frozen=True):
    """What is to be said of one client instead."""

    client: Annotated[str, Meta(max_length=100)]
    """The practice's id, or the participant's of somebody who was never matched."""
    outcome: Outcome
    service_code: Code | UnsetType | None = UNSET
    """Left out: as it was. null: nothing is charged."""


class AmendmentBody(Struct, frozen=True):
    """A correction of a closed visit's record."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    outcomes: Annotated[tuple[OutcomeBody, ...], Meta(max_length=MOST_MEMBERS)] = ()


async def visit(call: Call, body: Nothing) -> VisitAnswer:
    """Return a visit, live or over."""
    id, services = call.id(), call.services
    found = await services.registry.appointments.of_visit(call.practice, id)
    # A walk-in's visit belongs to no appointment: it may be in any room of the practice.
    rooms = (
        [found.room]
        if found is not None
        else [room_id(call.practice, provider.id) for provider in await services.registry.providers.all(call.practice)]
    )
    for name in rooms:
        room = await services.rooms.present(name)
        if room is not None and room.practice == call.practice and id in room.visits:
            shown = room.visits[id]
            return VisitAnswer(id=id, phase=shown.phase, appointment=shown.appointment, live=live(room, shown))
    record = await services.ledger.record(call.practice, id)
    if record is None and found is None:
        raise Missing("visit")
    appointment = None if found is None else found.appointment.id
    over = record is not None or (found is not None and found.state != "open")
    return VisitAnswer(id=id, phase="closed" if over else "scheduled", appointment=appointment, record=record)


async def record(call: Call, body: Nothing) -> RecordAnswer:
    """Return a visit's record."""
    found = await call.services.ledger.record(call.practice, call.id())
    if found is None:
        raise Missing("record")
    return RecordAnswer(record=found)


async def amend(call: Call, body: AmendmentBody) -> Answer:
    """Make another revision of a visit's record."""
    once("$.outcomes", [given.client for given in body.outcomes])
    found = await call.services.ledger.record(call.practice, call.id())
    if found is None:
        if await call.services.registry.appointments.of_visit(call.practice, call.id()) is None:
            raise Missing("record")
        raise Clash("the visit is not closed, or its record is on its way")
    changes = {given.client: Change(given.outcome, as_code(given.service_code)) for given in body.outcomes}
    amended, new = await call.services.registry.amendments.make(call.practice, found, changes, body.reason, by=call.who)
    return Answer(RecordAnswer(record=amended), 201 if new else 200)


async def records(call: Call, body: Nothing) -> RecordsAnswer:
    """Return the next page of records."""
    found, last = await call.services.ledger.records_after(call.practice, call.after(), call.limit())
    return RecordsAnswer(records=tuple(found), next=str(last))


async def audit(call: Call, body: Nothing) -> AuditAnswer:
    """Return the next page of the trail."""
    found, last = await call.services.ledger.audit_after(call.practice, call.after(), call.limit())
    return AuditAnswer(entries=tuple(found), next=str(last))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/visits/{id}",
        summary="A visit, live or over",
        handler=visit,
        body=Nothing,
        answer=VisitAnswer,
        scope="read",
        problems=("not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/visits/{id}/record",
        summary="The newest revision of a visit's billing record",
        handler=record,
        body=Nothing,
        answer=RecordAnswer,
        scope="records",
        problems=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/visits/{id}/amendments",
        summary="Correct a closed visit's outcomes: another revision of its record, the first stays",
        handler=amend,
        body=AmendmentBody,
        answer=RecordAnswer,
        scope="amend",
        created=True,
        problems=("not_found", "conflict"),
    ),
    Operation(
        method="GET",
        path="/v1/records",
        summary="Billing records, oldest first: the pull side of the hand-off",
        handler=records,
        body=Nothing,
        answer=RecordsAnswer,
        scope="records",
        query=("after", "limit"),
    ),
    Operation(
        method="GET",
        path="/v1/audit",
        summary="The audit trail, oldest first",
        handler=audit,
        body=Nothing,
        answer=AuditAnswer,
        scope="audit",
        query=("after", "limit"),
    ),
)
