"""Appointments and their join links."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from server.registry.appointments import Found, Plan
from server.registry.documents import Client
from server.registry.errors import Invalid, Missing
from server.web.api.operation import Answer, Call, Nothing, Operation
from server.web.api.providers import MOST_CLIENTS, MOST_PROVIDERS, ClientBody, as_member, once
from server.web.services import Services
from server.web.tickets import Id
from signaling.policy import MINUTE

Moment = Annotated[datetime, Meta(tz=True)] | Annotated[int, Meta(ge=0, le=2**53)]
"""ISO 8601 with an offset, or ms UTC."""


class AppointmentBody(Struct, frozen=True):
    """What the practice scheduled, whole."""

    start: Moment
    duration_minutes: Annotated[float, Meta(gt=0, le=24 * 60)]
    providers: Annotated[tuple[Id, ...], Meta(max_length=MOST_PROVIDERS)] = ()
    """The first is the host. May be left to a group."""
    clients: Annotated[tuple[ClientBody, ...], Meta(max_length=MOST_CLIENTS)] = ()
    """May be left to a group."""
    group: bool | Id = False
    """Whether several clients meet; or the id of a group, whose members and providers are taken where none are
    listed."""


class ClientAnswer(Struct, frozen=True):
    """A client and their link, which is theirs alone."""

    id: str
    name: str
    join_url: str


class AppointmentAnswer(Struct, frozen=True, omit_defaults=True):
    """An appointment as it stands. Times are ms UTC."""

    id: str
    state: Literal["open", "cancelled", "closed"]
    start: int
    end: int
    providers: tuple[str, ...]
    group: bool
    visit: str
    clients: tuple[ClientAnswer, ...]
    outcome: str | None = None


class CancelBody(Struct, frozen=True):
    """How it is to be recorded."""

    outcome: Literal["cancelled", "late_cancel"] = "cancelled"


async def put(call: Call, body: AppointmentBody) -> Answer:
    """Make or change an appointment."""
    plan = await _planned(call, body)
    found, new = await call.services.registry.appointments.put(call.practice, call.id(), plan, by=call.who)
    return Answer(as_answer(call.services, found), 201 if new else 200)


async def get(call: Call, body: Nothing) -> AppointmentAnswer:
    """Return an appointment."""
    found = await call.services.registry.appointments.get(call.practice, call.id())
    if found is None:
        raise Missing("appointment")
    return as_answer(call.services, found)


async def cancel(call: Call, body: CancelBody) -> AppointmentAnswer:
    """Cancel an appointment."""
    appointments = call.services.registry.appointments
    return as_answer(call.services, await appointments.cancel(call.practice, call.id(), body.outcome, by=call.who))


async def new_link(call: Call, body: Nothing) -> ClientAnswer:
    """Replace a client's link."""
    appointments = call.services.registry.appointments
    return _client(call.services, await appointments.new_link(call.practice, call.id(), call.id("client"), by=call.who))


async def _planned(call: Call, body: AppointmentBody) -> Plan:
    providers = body.providers
    clients = tuple(as_member(client) for client in body.clients)
    if isinstance(body.group, str):
        group = await call.services.registry.groups.get(call.practice, body.group)
        if group is None:
            raise Invalid("$.group", "must be true, false, or the id of a group of this practice")
        providers = providers or group.providers
        clients = tuple(
            replace(one, service_code=group.service_code) if one.service_code is None else one
            for one in clients or group.clients
        )
    if len(clients) > MOST_CLIENTS:
        raise Invalid("$.clients", f"must list those who are expected: the group has more than {MOST_CLIENTS} members")
    if not providers:
        raise Invalid("$.providers", "must name the host at least")
    if not clients:
        raise Invalid("$.clients", "must name a client at least")
    if len(clients) > 1 and body.group is False:
        raise Invalid("$.group", "must be true where several clients meet")
    once("$.providers", list(providers))
    once("$.clients", [client.id for client in clients])
    start = body.start if isinstance(body.start, int) else round(body.start.timestamp() * 1000)
    if start < 0:
        raise Invalid("$.start", "must not be before 1970")
    return Plan(
        providers=providers,
        clients=clients,
        start=start,
        end=start + max(1, round(body.duration_minutes * MINUTE)),
        group=body.group is not False,
    )


def as_answer(services: Services, found: Found) -> AppointmentAnswer:
    """Return what is shown of an appointment."""
    appointment = found.appointment
    return AppointmentAnswer(
        id=appointment.id,
        state=found.state,
        start=appointment.start,
        end=appointment.end,
        providers=appointment.providers,
        group=appointment.group,
        visit=appointment.visit,
        clients=tuple(_client(services, client) for client in appointment.clients),
        outcome=found.outcome,
    )


def _client(services: Services, client: Client) -> ClientAnswer:
    return ClientAnswer(id=client.id, name=client.name, join_url=services.join_url(client.token))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="PUT",
        path="/v1/appointments/{id}",
        summary="Make or change an appointment; the same PUT answers with the same join link for each client",
        handler=put,
        body=AppointmentBody,
        answer=AppointmentAnswer,
        scope="write",
        created=True,
        problems=("conflict",),
    ),
    Operation(
        method="GET",
        path="/v1/appointments/{id}",
        summary="An appointment as it stands",
        handler=get,
        body=Nothing,
        answer=AppointmentAnswer,
        scope="read",
        problems=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/appointments/{id}/cancel",
        summary="Cancel an appointment; its links are dead",
        handler=cancel,
        body=CancelBody,
        answer=AppointmentAnswer,
        scope="write",
        problems=("not_found", "conflict"),
    ),
    Operation(
        method="POST",
        path="/v1/appointments/{id}/clients/{client}/link",
        summary="Revoke a client's join link and make a new one",
        handler=new_link,
        body=Nothing,
        answer=ClientAnswer,
        scope="write",
        problems=("not_found", "conflict"),
    ),
)
