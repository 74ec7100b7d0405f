"""How a page gets the ticket for its WebSocket: by a join link, by a knock, or by a provider's sign-in.

A ticket is all that these make. Nobody is told that somebody holds one: scanners of mail open links, run scripts
and send POSTs, and join nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.responses import Response

from server.ports.door import Ticket
from server.registry import names, room_id
from server.registry.errors import Invalid, Missing
from server.registry.knocks import Knock
from server.registry.names import RoomId
from server.web import auth
from server.web.api.operation import Answer, Call, Nothing, Operation, encoded
from server.web.api.shown import PracticeNamed, PracticeShown, ProviderNamed, ProviderShown, shown, with_status
from server.web.problems import Problem
from signaling.fields import Name
from signaling.lookup import holder, is_known
from signaling.policy import MINUTE
from signaling.state import Role, Room, Who

KNOCKS = 60
"""So many knocks in ten minutes one network may make."""
KNOCK_WINDOW = 10 * MINUTE

Id = Annotated[str, Meta(pattern=names.ID_PATTERN)]


class JoinBody(Struct, frozen=True):
    """The fragment of a join link."""

    token: Annotated[str, Meta(max_length=1000)]


class AppointmentShown(Struct, frozen=True, omit_defaults=True):
    """When the client is expected. Times are ms UTC."""

    id: str
    start: int
    end: int
    group: bool
    names: bool = False
    """Of a group: its clients see each other's names. Else each may choose a first name to be seen by."""


class JoinAnswer(Struct, frozen=True):
    """What the page shows before check-in."""

    ticket: str
    practice: PracticeShown
    provider: ProviderShown
    appointment: AppointmentShown


class KnockBody(Struct, frozen=True):
    """Somebody without a link."""

    practice: Id
    provider: Id
    display_name: Name


class KnockAnswer(Struct, frozen=True):
    """What the page shows before check-in. Whether there is an appointment is not told."""

    ticket: str
    practice: PracticeShown
    provider: ProviderShown


class LobbyAnswer(Struct, frozen=True):
    """Where one can knock."""

    practice: PracticeShown
    providers: tuple[ProviderNamed, ...]


class TicketBody(Struct, frozen=True):
    """Which room the provider wants to connect to; their own, unless another is named."""

    room: Id | None = None
    """The room's id, or that of the provider whose room it is."""


class RoomShared(Struct, frozen=True):
    """The room of another provider."""

    room: str
    provider: ProviderNamed


class TicketAnswer(Struct, frozen=True):
    """A provider's ticket."""

    ticket: str
    provider: ProviderNamed
    practice: PracticeNamed
    rooms: tuple[RoomShared, ...] = ()
    """With a ticket to their own room: rooms of others with an open appointment they share. Each wants a ticket."""


async def join(call: Call, body: JoinBody) -> JoinAnswer:
    """Return a ticket for the client of a good link; answer all bad ones alike."""
    registry = call.services.registry
    invited = await registry.links.invited(body.token)
    if invited is None:
        # Only now is the throttle asked: a good link works from any network.
        wait = await registry.throttle.failed("join", auth.address(call.request))
        raise Problem("bad_link") if wait is None else Problem("rate", retry_after=wait)
    await registry.appointments.knocked(invited)
    appointment, client = invited.appointment, invited.client
    room = await call.services.rooms.present(invited.link.room)
    sits = client.participant if room is None else holder(room, appointment.visit, client.participant)
    who = Who(role=Role.CLIENT, participant=sits, visit=appointment.visit, name=client.name)
    ticket = await registry.tickets.issue(Ticket(room=invited.link.room, practice=invited.link.practice, by=who))
    return JoinAnswer(
        ticket=ticket,
        practice=shown(invited.policy.practice),
        provider=await with_status(call.services, invited.link.practice, invited.provider),
        appointment=AppointmentShown(
            id=appointment.id,
            start=appointment.start,
            end=appointment.end,
            group=appointment.group,
            names=appointment.group and invited.policy.names_in_group,
        ),
    )


async def knock(call: Call, body: KnockBody) -> Response:
    """Return a ticket for the unverified lane; who reloads the page while they wait is who they were."""
    registry = call.services.registry
    name = body.display_name.strip()
    if not name:
        raise Invalid("$.display_name", "must hold more than spaces")
    wait = await registry.throttle.failed("knock", auth.address(call.request), most=KNOCKS, window=KNOCK_WINDOW)
    if wait is not None:
        raise Problem("rate", retry_after=wait)
    policy = await registry.practices.get(body.practice)
    provider = await registry.providers.get(body.practice, body.provider)
    if policy is None or provider is None:
        raise Missing("provider")
    room = room_id(body.practice, body.provider)
    known = await _knocked_before(call, room, name)
    who = Who(role=Role.CLIENT, participant=known or names.new_id("par"), name=name)
    ticket = await registry.tickets.issue(Ticket(room=room, practice=body.practice, by=who))
    answer = encoded(
        KnockAnswer(
            ticket=ticket,
            practice=shown(policy.practice),
            provider=await with_status(call.services, body.practice, provider),
        )
    )
    if known is None:
        token = await registry.knocks.keep(Knock(room=room, name=name, participant=who.participant))
        auth.set_knock_cookie(call.services, answer, token)
    return answer


async def _knocked_before(call: Call, room: str, name: str) -> str | None:
    """Return the participant whom this browser knocked as, if they still wait there or are in a visit."""
    token = call.request.cookies.get(auth.knock_cookie_name(call.services))
    known = await call.services.registry.knocks.again(token, room, name) if token else None
    found = await call.services.rooms.present(room) if known is not None else None
    return known if found is not None and known is not None and is_known(found, known) else None


async def lobby(call: Call, body: Nothing) -> LobbyAnswer:
    """Return what the practice's telehealth page shows."""
    registry = call.services.registry
    policy = await registry.practices.get(call.id())
    if policy is None:
        raise Missing("practice")
    providers = await registry.providers.all(call.id())
    return LobbyAnswer(
        practice=shown(policy.practice),
        providers=tuple(ProviderNamed(id=one.id, name=one.name) for one in providers),
    )


async def ticket(call: Call, body: TicketBody) -> Answer:
    """Return a ticket for the provider who is signed in."""
    found = await auth.signed_in(call.services, call.request)
    if found is None:
        raise Problem("bad_credentials")
    return await for_provider(call, found.sign_in.practice, found.sign_in.provider, room=body.room, sign_in=found.hash)


async def for_provider(
    call: Call, practice: str, id: str, *, room: str | None = None, sign_in: str | None = None
) -> Answer:
    """Return a ticket as a provider: to their own room, or to one with an appointment they share."""
    registry = call.services.registry
    policy = await registry.practices.get(practice)
    provider = await registry.providers.get(practice, id)
    if policy is None or provider is None:
        raise Missing("provider")
    own: str = room_id(practice, id)
    role, rooms = Role.PROVIDER, tuple[RoomShared, ...]()
    if room is None or room in (id, own):
        rooms = tuple(
            RoomShared(room=shared.room, provider=ProviderNamed(id=shared.host.id, name=shared.host.name))
            for shared in await registry.shared.of(practice, id)
        )
    else:
        # A room that does not exist is a provider's id, perhaps: outsiders know no other.
        other = await call.services.rooms.present(room) or await call.services.rooms.present(room_id(practice, room))
        if other is None or other.practice != practice or not _hosts(other, id):
            raise Missing("room")
        role, own = Role.CO_PROVIDER, RoomId(other.id)
    who = Who(role=role, participant=id, name=provider.name)
    token = await registry.tickets.issue(Ticket(room=own, practice=practice, by=who, sign_in=sign_in))
    info = policy.practice
    answer = TicketAnswer(
        ticket=token,
        provider=ProviderNamed(id=provider.id, name=provider.name),
        practice=PracticeNamed(id=info.id, name=info.name, time_zone=info.time_zone),
        rooms=rooms,
    )
    return Answer(answer, 201)


def _hosts(room: Room, provider: str) -> bool:
    """Whether a visit of this room is the provider's as well."""
    return any(person.id == provider for visit in room.visits.values() for person in visit.providers)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path="/v1/join",
        summary="Get a ticket by a join link; all bad links are answered alike",
        handler=join,
        body=JoinBody,
        answer=JoinAnswer,
        scope=None,
        browser=True,
        problems=("bad_link", "rate"),
    ),
    Operation(
        method="POST",
        path="/v1/knock",
        summary="Get a ticket for the unverified lane",
        handler=knock,
        body=KnockBody,
        answer=KnockAnswer,
        scope=None,
        browser=True,
        problems=("not_found", "rate"),
    ),
    Operation(
        method="GET",
        path="/v1/practices/{id}/lobby",
        summary="What the practice's telehealth page shows",
        handler=lobby,
        body=Nothing,
        answer=LobbyAnswer,
        scope=None,
        problems=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/tickets",
        summary="Get a ticket as the provider who is signed in",
        handler=ticket,
        body=TicketBody,
        answer=TicketAnswer,
        scope=None,
        browser=True,
        created=True,
        problems=("bad_credentials", "not_found"),
    ),
)
