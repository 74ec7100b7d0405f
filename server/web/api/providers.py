"""Providers, their accounts, their rooms, tickets on their behalf, and therapy groups."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from server.registry import room_id
from server.registry.documents import Group, Member, Provider, RoomOptions
from server.registry.errors import Missing
from server.registry.shelf import Deed
from server.web import tickets
from server.web.api.operation import Answer, Call, Nothing, Operation
from server.web.api.rooms import RoomAnswer, as_answer
from server.web.problems import FieldError, Problem
from server.web.tickets import Id, TicketAnswer, TicketBody
from signaling.fields import Name, Short
from signaling.policy import MINUTE
from signaling.proposals import GROUP_LIMIT, NO_FEE

MOST_CLIENTS = GROUP_LIMIT
"""Of one appointment. NGS LCD L33632: a group has at most 12 participants."""
MOST_MEMBERS = 40
"""Of a therapy group, of whom an appointment names those who are expected."""
MOST_PROVIDERS = 8

State = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
"""A state, district or territory of the USA: two capital letters."""
Code = Annotated[str, Meta(min_length=1, max_length=100)]
"""A service code, of CPT or of the practice's own."""
Login = Annotated[str, Meta(pattern="^[A-Za-z0-9._@+-]{3,100}$")]
Password = Annotated[str, Meta(min_length=12, max_length=128)]


class RoomBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where this provider's room goes its own way. What is left out is as the practice has it."""

    show_position: bool | None = None
    """Waiting clients are told how many are ahead of them."""
    grace_minutes: Annotated[float, Meta(ge=0, le=7 * 24 * 60)] | None = None
    """A waiting client whose connection dropped keeps the place this long."""


class ProviderBody(Struct, frozen=True):
    """A clinician."""

    name: Name
    licences: Annotated[tuple[State, ...], Meta(max_length=60)] = ()
    room: RoomBody = RoomBody()
    """From the next visit that opens, and for walk-ins at once."""


class ProviderAnswer(Struct, frozen=True):
    """A provider as it was saved."""

    id: str
    name: str
    licences: tuple[str, ...]
    room: str


class AccountBody(Struct, frozen=True):
    """How the provider signs in. A new password ends the sign-ins from before it."""

    username: Login
    password: Password


class AccountAnswer(Struct, frozen=True):
    """Whose account it is."""

    provider: str
    username: str


class ClientBody(Struct, frozen=True, omit_defaults=True):
    """A client, by the practice's own id."""

    id: Id
    name: Name
    payer: Short | None = None
    service_code: Code | UnsetType | None = UNSET
    """Left out: the group's, or what the time proposes. null: nothing is charged."""


class GroupBody(Struct, frozen=True):
    """A therapy group."""

    name: Name
    initials: Annotated[str, Meta(max_length=8)] = ""
    service_code: Code | None = None
    """Of members who have none of their own."""
    clients: Annotated[tuple[ClientBody, ...], Meta(max_length=MOST_MEMBERS)] = ()
    providers: Annotated[tuple[Id, ...], Meta(max_length=MOST_PROVIDERS)] = ()


class GroupAnswer(Struct, frozen=True):
    """A group as it was saved."""

    id: str
    name: str
    initials: str
    service_code: str | None
    clients: tuple[ClientBody, ...]
    providers: tuple[str, ...]


async def put(call: Call, body: ProviderBody) -> Answer:
    """Make or change a provider."""
    grace = body.room.grace_minutes
    options = RoomOptions(show_position=body.room.show_position, grace=None if grace is None else round(grace * MINUTE))
    provider = Provider(id=call.id(), name=body.name, licences=body.licences, options=options)
    new = await call.services.registry.providers.put(call.practice, provider, by=call.who)
    room = room_id(call.practice, provider.id)
    answer = ProviderAnswer(id=provider.id, name=provider.name, licences=provider.licences, room=room)
    return Answer(answer, 201 if new else 200)


async def put_account(call: Call, body: AccountBody) -> Answer:
    """Set a provider's username and password."""
    accounts = call.services.registry.accounts
    new = await accounts.put(call.practice, call.id(), body.username, body.password, by=call.who)
    answer = AccountAnswer(provider=call.id(), username=body.username.casefold())
    return Answer(answer, 201 if new else 200)


async def ticket(call: Call, body: TicketBody) -> Answer:
    """Return a ticket as that provider."""
    answer = await tickets.for_provider(call, call.practice, call.id(), room=body.room)
    deed = Deed(call.practice, call.who, "provider.acted_as", call.id(), body.room or "")
    await call.services.registry.shelf.note(deed)
    return answer


async def room(call: Call, body: Nothing) -> RoomAnswer:
    """Return who waits and what is live."""
    provider = await call.services.registry.providers.get(call.practice, call.id())
    if provider is None:
        raise Missing("provider")
    id = room_id(call.practice, provider.id)
    return as_answer(id, provider, await call.services.rooms.present(id))


async def put_group(call: Call, body: GroupBody) -> Answer:
    """Make or change a group."""
    once("$.clients", [client.id for client in body.clients])
    group = Group(
        id=call.id(),
        name=body.name,
        initials=body.initials,
        service_code=body.service_code,
        clients=tuple(as_member(client) for client in body.clients),
        providers=body.providers,
    )
    new = await call.services.registry.groups.put(call.practice, group, by=call.who)
    answer = GroupAnswer(
        id=group.id,
        name=group.name,
        initials=group.initials,
        service_code=group.service_code,
        clients=tuple(_as_body(client) for client in group.clients),
        providers=group.providers,
    )
    return Answer(answer, 201 if new else 200)


def as_member(client: ClientBody) -> Member:
    """Return the client as the registry keeps it."""
    return Member(id=client.id, name=client.name, payer=client.payer, service_code=as_code(client.service_code))


def as_code(given: str | UnsetType | None) -> str | None:
    """Return a service code as the registry keeps it: null is `NO_FEE`, and what was left out is None."""
    if given is UNSET:
        return None
    return NO_FEE if given is None else given


def _as_body(member: Member) -> ClientBody:
    code = UNSET if member.service_code is None else member.service_code or None
    return ClientBody(id=member.id, name=member.name, payer=member.payer, service_code=code)


def once(at: str, ids: list[str]) -> None:
    """Raise 422 if an id is there twice."""
    if len(set(ids)) != len(ids):
        raise Problem("invalid", errors=(FieldError(at=at, why="must name nobody twice"),))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="PUT",
        path="/v1/providers/{id}",
        summary="Make or change a provider",
        handler=put,
        body=ProviderBody,
        answer=ProviderAnswer,
        scope="write",
        created=True,
    ),
    Operation(
        method="PUT",
        path="/v1/providers/{id}/account",
        summary="Set a provider's username and password",
        handler=put_account,
        body=AccountBody,
        answer=AccountAnswer,
        scope="write",
        created=True,
        problems=("not_found", "conflict"),
    ),
    Operation(
        method="POST",
        path="/v1/providers/{id}/tickets",
        summary="Get a WebSocket ticket as that provider; audited",
        handler=ticket,
        body=TicketBody,
        answer=TicketAnswer,
        scope="act",
        created=True,
        problems=("not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/providers/{id}/room",
        summary="Who waits, what is live",
        handler=room,
        body=Nothing,
        answer=RoomAnswer,
        scope="read",
        problems=("not_found",),
    ),
    Operation(
        method="PUT",
        path="/v1/groups/{id}",
        summary="Make or change a therapy group",
        handler=put_group,
        body=GroupBody,
        answer=GroupAnswer,
        scope="write",
        created=True,
    ),
)
