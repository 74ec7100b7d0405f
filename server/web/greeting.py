"""`hello` to `welcome`: who is there, by a ticket or by the claim of a dropped connection, and what they missed.

The order is the point: subscribe, *then* tell the room, *then* read it. Whatever is committed after the read
arrives by the bus and is held back until the view is sent; whatever is before, is in the view.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from server.ports.door import Ticket
from server.web.closes import Close
from server.web.door import Caller
from server.web.resumption import Claim, Expired, Reused, WrongSecret, sha256
from server.web.stored_event import Event, decode
from signaling.errors import BadMessage, Busy, NotFound, SignalingError
from signaling.events import Connected
from signaling.fields import PROTOCOL_VERSION, Resume
from signaling.lookup import connections_of, entry_of, visit_of
from signaling.messages import Error, Welcome
from signaling.requests import Hello
from signaling.state import Role, Room, Stand, Who

if TYPE_CHECKING:
    from server.web.session import Session

logger = logging.getLogger("carelobby.session")

_TICKET = msgspec.msgpack.Decoder(Ticket)

REPLAYED = 256
"""Events of a room; whoever missed more is better served by a view."""


class _Unwelcome(Exception):
    """This connection will not be welcomed."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def greet(session: Session, hello: Hello) -> None:
    """Welcome `session`, with what it missed or with a view; or close it with the code that says why not.

    Raise `StoreAway` when that could not be found out.
    """
    try:
        await _greet(session, hello)
    except _Unwelcome as unwelcome:
        session.close(unwelcome.code)


async def _greet(session: Session, hello: Hello) -> None:
    if hello.protocol != PROTOCOL_VERSION or (hello.ticket is None) == (hello.resume is None):
        session.tell(Error(code=BadMessage.code, temporary=False, re=hello.id))
        raise _Unwelcome(Close.PROTOCOL_ERROR)
    hub = session.hub
    old: Claim | None = None
    if hello.resume is not None:
        old = await _claimed(session, hello.resume)
        # The device is the claim's: another may not come in by its secret under a name of its own.
        ticket, device = old.ticket, old.device
    else:
        ticket, device = await _redeemed(session, hello.ticket or ""), hello.device
    if ticket.until is not None and hub.clock() >= ticket.until:
        raise _Unwelcome(Close.EXPIRED)
    session.caller = Caller(
        connection=session.id, room=ticket.room, practice=ticket.practice, by=ticket.by, device=device
    )
    secret = hub.new_secret()
    session.claim = claim = Claim(hash=sha256(secret), ticket=ticket, device=device)

    await hub.join(session)
    if session.over is not None:
        return
    if not await enter(session, takeover=hello.takeover, resumed=old is not None):
        return
    await hub.claims.open(session.id, claim)
    room = await _read_room(session)
    missed: list[tuple[int, Event]] | None = None
    if hello.resume is not None and old is not None:
        await _replace(session, hello.resume.connection, old, room)
        room = await _read_room(session)
        missed = await _missed(session, hello.resume, room)
    if missed is not None and _acted_elsewhere(room, session.me, missed):
        missed = None
    end = over(room, ticket.by)
    if end is not None and missed is not None and not _sent_away(session, missed):
        missed = None  # their seat went to somebody else meanwhile, and nothing that they missed tells them so
    if session.over is not None:
        return
    session.present = True
    hub.welcomed(session, resumed=old is not None, recovered=missed is not None)
    session.tell(
        Welcome(
            connection=session.id,
            secret=secret,
            resume_for=hub.limits.resume_for // 1000,
            role=ticket.by.role.value,
            heartbeat=hub.limits.heartbeat // 1000,
            limits=hub.limits.told(),
            recovered=missed is not None,
        )
    )
    if missed is None or hello.resume is None:
        session.show(room)
        if end is not None:
            session.close(end)  # after the view, which says whom to call
            return
    else:
        session.catch_up(hello.resume.seq, missed)
    for message in hub.beside(room, ticket.by):
        session.tell(message)


async def _read_room(session: Session) -> Room:
    """Return the room that holds this connection; or end that, if the room has let it go before it was welcomed."""
    room = await session.read_room()
    if session.id not in room.connections:
        room = await session.read_room(anew=True)  # what is known here may be from before it came
    if displaced(room, session.me):
        raise _Unwelcome(Close.DISPLACED)
    if session.id not in room.connections:
        raise _Unwelcome(Close.STORE_LOST)  # its node was taken for dead, or its link is: who comes back hears which
    return room


def displaced(room: Room, me: Caller) -> bool:
    """Tell whether a newer connection of the same participant stands in the room for one that it held."""
    if me.connection in room.connections:
        return False
    newer = [room.connections[id].device for id in connections_of(room, me.by.participant)]
    return me.device in newer or (bool(newer) and me.by.role is Role.CLIENT)


def over(room: Room, who: Who) -> Close | None:
    """Return why a client with a good ticket can do nothing here any more; None if they can."""
    if who.role is not Role.CLIENT:
        return None
    visit = visit_of(room, who)
    if visit is None:
        return None if who.visit is None else Close.OVER
    return Close.REMOVED if visit.seats[who.participant].stand is Stand.REMOVED else None


def _sent_away(session: Session, missed: Sequence[tuple[int, Event]]) -> bool:
    """Tell whether what somebody missed will itself send them away."""
    me = session.me.by.participant
    return any(event.close is not None and event.is_for(me, session.id) for _, event in missed)


def _acted_elsewhere(room: Room, me: Caller, missed: Sequence[tuple[int, Event]]) -> bool:
    """Tell whether a client may have checked in, or left, by another page of theirs: no event tells it to this one."""
    if me.by.role is not Role.CLIENT:
        return False
    told, entry = [event.message for _, event in missed], entry_of(room, me.by.participant)
    if entry is not None and entry.device not in (None, me.device):
        return any(one["type"] == "queue.entered" and one["entry"]["id"] == entry.id for one in told)
    # Whose entry it was cannot be seen any more. A fresh view does no harm if it was somebody else's.
    return entry is None and any(one["type"] == "queue.left" and one["reason"] in ("left", "gone") for one in told)


async def _redeemed(session: Session, ticket: str) -> Ticket:
    value = await session.hub.secrets.take("ticket", sha256(ticket))
    if value is None:
        raise _Unwelcome(Close.BAD_TICKET)
    return _TICKET.decode(value)


async def _claimed(session: Session, resume: Resume) -> Claim:
    try:
        return await session.hub.claims.take(resume)
    except Expired:
        raise _Unwelcome(Close.EXPIRED) from None
    except WrongSecret:
        raise _Unwelcome(Close.BAD_TICKET) from None
    except Reused as reused:
        logger.warning("%s: a spent secret came back; its line is revoked", resume.connection)
        for connection in reused.connections:
            session.hub.close_anywhere(connection, Close.REVOKED)
        raise _Unwelcome(Close.REVOKED) from None


async def enter(session: Session, *, takeover: bool, resumed: bool) -> bool:
    """Tell the room of `session`; close it and return False if the room refuses it."""
    caller = session.me
    connected = Connected(
        by=caller.by,
        connection=session.id,
        device=caller.device,
        node=session.hub.node,
        takeover=takeover,
        resumed=resumed,
    )
    # From here on the room may hold us as connected, also when the store's answer is lost.
    session.entered = True
    try:
        await session.hub.rooms.fact(caller.room, connected)
    except SignalingError as error:
        session.entered = False
        match error:
            case Busy():
                session.close(Close.DISPLACED)
            case NotFound():
                session.close(Close.OVER)
            case _:
                session.close(Close.FORBIDDEN)
        return False
    return True


async def _replace(session: Session, connection: str, claim: Claim, room: Room) -> None:
    """Let the new connection stand for the old one, and for an unconfirmed one between them."""
    hub = session.hub
    await hub.claims.succeed(connection, claim, session.id)
    session.predecessor = connection
    for former in (connection, claim.next):
        if former is None:
            continue
        if not hub.close_connection(former, Close.DISPLACED) and former in room.connections:
            # Only now that ours has come, so that nobody sees this participant go.
            hub.report_gone(room.id, former)


async def _missed(session: Session, resume: Resume, room: Room) -> list[tuple[int, Event]] | None:
    """Return every event after the last one the browser has, or None if that cannot be done without a hole."""
    if resume.epoch != room.epoch or not room.seq - REPLAYED <= resume.seq <= room.seq:
        return None
    if resume.seq == room.seq:
        return []
    stored = await session.hub.store.events(room.id, resume.seq)
    if stored is None or [seq for seq, _ in stored] != list(range(resume.seq + 1, resume.seq + 1 + len(stored))):
        return None
    if resume.seq + len(stored) < room.seq:
        return None
    return [(seq, decode(payload)) for seq, payload in stored]
