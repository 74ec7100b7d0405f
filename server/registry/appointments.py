"""Appointments, from the first PUT to the end of their links.

An appointment's document lies beside its host's room. A day before its start, or when its link is first used, the
room is told of it (`Opened`) and makes it a visit; from then on changes are facts for the room as well. When the
visit closes, the same commit leaves a `Closed` beside the room: an appointment with that marker is over, and must
never be told to the room again, since a closed visit has left it and would begin anew.

`opened` is written *before* the room is told, and the appointment stays on the agenda until it was: whatever is cut
short, the alarm loop makes whole a few seconds later. So nothing here needs to send a fact twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from server.ports.documents import Changed
from server.ports.door import Rooms
from server.registry.documents import (
    Appointment,
    Client,
    Closed,
    Member,
    Practice,
    VisitOf,
    Whereabouts,
)
from server.registry.errors import Clash, Invalid, Missing
from server.registry.links import Invited, Links
from server.registry.names import NewId, NewToken, room_id
from server.registry.providers import Providers
from server.registry.shared import SharedRooms
from server.registry.shelf import ATTEMPTS, Deed, Shelf, together
from signaling import events
from signaling.errors import NotFound, SignalingError
from signaling.events import Cancelled, LinkRevoked, Opened, Rescheduled
from signaling.policy import HOUR, Policy
from signaling.state import Seat

logger = logging.getLogger("carelobby.registry")

OPENS_BEFORE = 24 * HOUR
"""So long before its start an appointment becomes a visit of its room."""
SOON = 5_000
"""So long, in ms, the alarm loop leaves an opening or a change to whoever is just making it."""

CancelOutcome = Literal["cancelled", "late_cancel"]


class Plan(Struct, frozen=True):
    """What the EHR says of an appointment. Times are ms UTC."""

    providers: tuple[str, ...]
    clients: tuple[Member, ...]
    start: int
    end: int
    group: bool = False


class Found(Struct, frozen=True):
    """An appointment as it stands."""

    room: str
    version: int
    appointment: Appointment
    closed: Closed | None

    @property
    def state(self) -> Literal["open", "cancelled", "closed"]:
        """Where the appointment stands. A cancelled visit is closed as well; the EHR's own word goes first."""
        if self.appointment.state == "cancelled":
            return "cancelled"
        return "open" if self.closed is None else "closed"

    @property
    def outcome(self) -> str | None:
        """What became of it, if it is over."""
        return self.closed.outcome if self.closed is not None else self.appointment.outcome


@dataclass(frozen=True, slots=True)
class Appointments:
    """What all practices scheduled."""

    shelf: Shelf
    links: Links
    shared: SharedRooms
    rooms: Rooms
    providers: Providers
    new_id: NewId
    new_token: NewToken

    # --- What the EHR asks for ------------------------------------------------------------------------

    async def put(self, practice: str, id: str, plan: Plan, *, by: str) -> tuple[Found, bool]:
        """Make or change an appointment; return it and whether it is new. The same plan gives the same links.

        Raise `Invalid` for unknown providers; `Clash` if it is over, or open already and would change its host.
        """
        await asyncio.gather(self._policy(practice), self.providers.people(practice, plan.providers))
        for _ in range(ATTEMPTS):
            try:
                return await self._put(practice, id, plan, by)
            except Changed:
                continue
        raise Clash("too many others change this appointment")

    async def get(self, practice: str, id: str) -> Found | None:
        """Return an appointment, if the practice has it."""
        pointer = await self.shelf.get(practice, Whereabouts, id)
        return None if pointer is None else await self._at(pointer.room, id)

    async def of_visit(self, practice: str, visit: str) -> Found | None:
        """Return the appointment of a visit, if it has one in this practice."""
        pointer = await self.shelf.get(practice, VisitOf, visit)
        return None if pointer is None else await self._at(pointer.room, pointer.appointment)

    async def cancel(self, practice: str, id: str, outcome: CancelOutcome = "cancelled", *, by: str) -> Found:
        """Cancel an appointment; its links are dead and its visit, if opened, closes. Repeat it freely.

        Raise `Clash` if it is over in another way, or its visit has started: that is not cut off.
        """
        for _ in range(ATTEMPTS):
            found = await self._must(practice, id)
            if found.state == "open" and found.appointment.opened:
                # The room goes first: of a cancel and a Start one wins, and only the room can say which.
                await self._tell(found.room, Cancelled(appointment=id, outcome=outcome))
                room = await self.rooms.present(found.room)
                if room is not None and found.appointment.visit in room.visits:
                    raise Clash("the visit has started")
                # Closed by this, or in this moment by somebody else: only the room's marker says which.
                found = replace(found, closed=await self.shelf.get(found.room, Closed, id))
            if found.state == "closed" and found.outcome not in get_args(CancelOutcome):
                raise Clash("the appointment is closed")
            if found.appointment.state == "open":
                appointment = replace(
                    found.appointment,
                    state="cancelled",
                    outcome=found.outcome or outcome,
                    sequence=found.appointment.sequence + 1,
                )
                deed = Deed(practice, by, "appointment.cancelled", id, outcome)
                try:
                    await self.shelf.put(found.room, id, appointment, deed, expected=found.version)
                except Changed:
                    continue
            await self.shelf.documents.schedule(found.room, _agenda(practice, found.room, id), None)
            await self.links.drop(found.appointment.clients)
            await self.shared.drop(practice, id, found.appointment.providers[1:])
            return await self._must(practice, id)
        raise Clash("too many others change this appointment")

    async def new_link(self, practice: str, id: str, client: str, *, by: str) -> Client:
        """Replace a client's join link. The old one is dead at once, and what was opened by it is closed."""
        for _ in range(ATTEMPTS):
            found = await self._must(practice, id)
            if found.state != "open":
                raise Clash("the appointment is over")
            old = next((one for one in found.appointment.clients if one.id == client), None)
            if old is None:
                raise Missing("client")
            new = replace(old, token=self.new_token())
            clients = tuple(new if one is old else one for one in found.appointment.clients)
            appointment = replace(found.appointment, clients=clients, sequence=found.appointment.sequence + 1)
            # First what ends: a replacement that is cut short leaves a dead link, never an open connection.
            await self._revoke(found, (old,))
            deed = Deed(practice, by, "link.replaced", id, client)
            try:
                await self.shelf.put(found.room, id, appointment, deed, expected=found.version)
            except Changed:
                continue
            await self.links.put(practice, found.room, appointment)
            return new
        raise Clash("too many others change this appointment")

    # --- Opening --------------------------------------------------------------------------------------

    async def open_due(self, what: str) -> None:
        """Open what the agenda calls for, and take it off. Early, late, twice or in vain is harmless.

        Raise nothing but `StoreAway`: one appointment that cannot be opened must not hold up the others.
        """
        try:
            practice, room, id = what.removeprefix("open:").split(":")
            await self._open_due(what, practice, room, id)
        except Changed:
            return  # it is still on the agenda, and looked at again in a moment
        except (ValueError, Missing, Invalid, SignalingError) as error:
            logger.warning("an appointment could not be opened: %s", type(error).__name__)

    async def _open_due(self, what: str, practice: str, room: str, id: str) -> None:
        found = await self.get(practice, id)
        if found is None or found.room != room or found.state != "open":
            await self.shelf.documents.schedule(room, what, None)
        elif found.appointment.opened:
            # Cut short: the room may know nothing of it, or not of its last change.
            await self._announce(practice, found.room, found.appointment, again=True)
        elif self._is_due(found.appointment.start):
            await self._open(practice, found)
        else:
            await self.shelf.documents.schedule(room, what, found.appointment.start - OPENS_BEFORE)

    async def _open(self, practice: str, found: Found) -> None:
        """Open an appointment that was not. Raise `Changed` if somebody else was first."""
        room, id = found.room, found.appointment.id
        await self.shelf.documents.schedule(room, _agenda(practice, room, id), self.shelf.clock() + SOON)
        appointment = replace(found.appointment, opened=True)
        deed = Deed(practice, "system", "appointment.opened", id)
        await self.shelf.put(room, id, appointment, deed, expected=found.version)
        await self._announce(practice, room, appointment, again=False)

    async def _announce(self, practice: str, room: str, appointment: Appointment, *, again: bool) -> None:
        """Tell the room of an appointment, and then the agenda that it was told."""
        policy, told, host = await asyncio.gather(
            self._policy(practice),
            self._told(practice, appointment),
            self.providers.get(practice, appointment.providers[0]),
        )
        if host is not None:
            policy = host.options.over(policy)
        # A room remembers what it closed for a day, and refuses to begin it anew; the marker remembers for ever.
        if await self.shelf.get(room, Closed, appointment.id) is None:
            await self.shared.put(practice, room, appointment)
            fact = Rescheduled(told, policy) if again else Opened(told, policy)
            await self.rooms.fact(room, fact)
        await self.shelf.documents.schedule(room, _agenda(practice, room, appointment.id), None)

    async def knocked(self, invited: Invited) -> None:
        """See to it that the appointment of a good link is a visit of its room. Nobody is notified of that."""
        for _ in range(ATTEMPTS):
            found = await self._at(invited.link.room, invited.link.appointment)
            if found is None or found.state != "open" or found.appointment.opened:
                return
            with suppress(Changed):
                await self._open(invited.link.practice, found)
                return

    # --- The end --------------------------------------------------------------------------------------

    async def remove_all(self, practice: str, room: str) -> None:
        """Take all appointments of a room with their links: its practice is being deleted."""
        found = (await self.shelf.all(room, Appointment)).values()
        await together(self._remove(practice, room, appointment) for appointment in found)

    async def _remove(self, practice: str, room: str, appointment: Appointment) -> None:
        id = appointment.id
        await self.links.drop(appointment.clients)
        await self.shared.drop(practice, id, appointment.providers[1:])
        await self.shelf.documents.schedule(room, _agenda(practice, room, id), None)
        await self.shelf.delete(practice, VisitOf, appointment.visit)
        await self.shelf.delete(practice, Whereabouts, id)
        await self.shelf.delete(room, Closed, id)
        await self.shelf.delete(room, Appointment, id)

    # --- Within ---------------------------------------------------------------------------------------

    async def _put(self, practice: str, id: str, plan: Plan, by: str) -> tuple[Found, bool]:
        room = room_id(practice, plan.providers[0])
        old = await self.get(practice, id)
        new = self._planned(id, plan, None if old is None else old.appointment)
        changed = old is None or new != replace(old.appointment, state="open", outcome=None)
        if old is not None and old.state != "open":
            if changed:
                raise Clash("the appointment is over")
            return old, False
        if old is not None and changed:
            new = replace(new, sequence=new.sequence + 1)
        if old is None:
            await self.shelf.put(practice, id, Whereabouts(room=room))
            await self._save(practice, room, new, Deed(practice, by, "appointment.created", id), expected=0)
        elif old.room != room:
            await self._move(practice, old, room, new, by)
        elif changed:
            deed = Deed(practice, by, "appointment.changed", id)
            await self._uninvite(old, new)
            await self._save(practice, room, new, deed, expected=old.version, opened=old.appointment.opened)
            gone = [one for one in old.appointment.providers[1:] if one not in new.providers[1:]]
            await self.shared.drop(practice, id, gone)
        # Even when nothing changed: the PUT that is repeated here may have been cut short.
        await self.shelf.put(practice, new.visit, VisitOf(room=room, appointment=id))
        await self.links.put(practice, room, new)
        return await self._must(practice, id), old is None

    async def _save(
        self, practice: str, room: str, new: Appointment, deed: Deed, *, expected: int, opened: bool = False
    ) -> None:
        """Write the document and, if its day has come, tell the room. `opened`: it was told before."""
        tell = opened or self._is_due(new.start)
        at = self.shelf.clock() + SOON if tell else new.start - OPENS_BEFORE
        await self.shelf.documents.schedule(room, _agenda(practice, room, new.id), at)
        new = replace(new, opened=tell)
        await self.shelf.put(room, new.id, new, deed, expected=expected)
        if tell:
            await self._announce(practice, room, new, again=opened)

    async def _move(self, practice: str, old: Found, room: str, new: Appointment, by: str) -> None:
        """Give an appointment another host."""
        if old.appointment.opened:
            raise Clash("an opened appointment keeps its host")
        # What an earlier move that was cut short left there is nowhere pointed to, and never opened.
        _, expected = await self.shelf.versioned(room, Appointment, new.id)
        await self.shelf.put(room, new.id, new, None, expected=expected)
        await self.shelf.put(practice, new.id, Whereabouts(room=room))
        await self._save(practice, room, new, Deed(practice, by, "appointment.changed", new.id), expected=expected + 1)
        await self.shelf.documents.schedule(old.room, _agenda(practice, old.room, new.id), None)
        await self._uninvite(old, new)
        await self.shelf.delete(old.room, Appointment, new.id)

    def _planned(self, id: str, plan: Plan, old: Appointment | None) -> Appointment:
        known = {} if old is None else {client.id: client for client in old.clients}
        clients = []
        for member in plan.clients:
            seat = known.get(member.id)
            clients.append(
                Client(
                    id=member.id,
                    name=member.name,
                    payer=member.payer,
                    service_code=member.service_code,
                    participant=self.new_id("par") if seat is None else seat.participant,
                    token=self.new_token() if seat is None else seat.token,
                )
            )
        return Appointment(
            id=id,
            visit=self.new_id("vis") if old is None else old.visit,
            providers=plan.providers,
            clients=tuple(clients),
            start=plan.start,
            end=plan.end,
            group=plan.group,
            opened=old is not None and old.opened,
            sequence=0 if old is None else old.sequence,
        )

    async def _uninvite(self, old: Found, new: Appointment) -> None:
        """End the links of clients who are no longer of the appointment."""
        stay = {client.participant for client in new.clients}
        await self._revoke(old, [client for client in old.appointment.clients if client.participant not in stay])

    async def _revoke(self, found: Found, clients: Sequence[Client]) -> None:
        """Close what was opened by these clients' links, which lead nowhere from now on."""
        await self.links.drop(clients)
        if found.appointment.opened:
            for client in clients:
                await self._tell(found.room, LinkRevoked(participant=client.participant))

    async def _tell(self, room: str, fact: Cancelled | LinkRevoked) -> None:
        with suppress(NotFound):  # cut short before it was opened: then there is nothing to end
            await self.rooms.fact(room, fact)

    async def _told(self, practice: str, appointment: Appointment) -> events.Appointment:
        return events.Appointment(
            id=appointment.id,
            visit=appointment.visit,
            providers=await self.providers.people(practice, appointment.providers),
            seats=tuple(
                Seat(
                    participant=client.participant,
                    name=client.name,
                    client=client.id,
                    payer=client.payer,
                    service_code=client.service_code,
                )
                for client in appointment.clients
            ),
            start=appointment.start,
            end=appointment.end,
            group=appointment.group,
        )

    async def _at(self, room: str, id: str) -> Found | None:
        (appointment, version), closed = await asyncio.gather(
            self.shelf.versioned(room, Appointment, id), self.shelf.get(room, Closed, id)
        )
        return None if appointment is None else Found(room, version, appointment, closed)

    async def _must(self, practice: str, id: str) -> Found:
        found = await self.get(practice, id)
        if found is None:
            raise Missing("appointment")
        return found

    async def _policy(self, practice: str) -> Policy:
        found = await self.shelf.get(practice, Practice, practice)
        if found is None:
            raise Missing("practice")
        return found.policy

    def _is_due(self, start: int) -> bool:
        return start - OPENS_BEFORE <= self.shelf.clock()


def _agenda(practice: str, room: str, appointment: str) -> str:
    # No caller's id and no room's holds a colon.
    return f"open:{practice}:{room}:{appointment}"
