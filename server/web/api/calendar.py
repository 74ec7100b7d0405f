"""A client's appointment as a calendar keeps it (RFC 5545), and as it is told of changes (RFC 5546).

A calendar is shown to whoever looks over a shoulder and is copied to other services: it says when and where to click,
and neither who nor why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from icalendar import Calendar, Event
from starlette.responses import Response

from server.registry.appointments import Found
from server.registry.documents import Client
from server.registry.errors import Missing
from server.web.api.operation import Call, Nothing, Operation
from server.web.services import Services

PRODUCT: Final = "-//Carelobby//Carelobby//EN"
SUMMARY: Final = "Online appointment"
MEDIA_TYPE: Final = "text/calendar"


async def calendar(call: Call, body: Nothing) -> Response:
    """Return a client's appointment as a calendar."""
    found = await call.services.registry.appointments.get(call.practice, call.id())
    if found is None:
        raise Missing("appointment")
    client = next((one for one in found.appointment.clients if one.id == call.id("client")), None)
    if client is None:
        raise Missing("client")
    return written(call.services, found, client)


def written(services: Services, found: Found, client: Client) -> Response:
    """Return the calendar of one client's appointment."""
    appointment, cancelled = found.appointment, found.state == "cancelled"
    method = "CANCEL" if cancelled else "PUBLISH"
    event = Event()
    # The same for ever, so that a change moves the entry instead of adding one. It says nothing of anybody.
    event.add("uid", f"{appointment.visit}-{client.participant}")
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", _moment(services.clock()))
    event.add("dtstart", _moment(appointment.start))
    event.add("dtend", _moment(appointment.end))
    event.add("summary", SUMMARY)
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", services.public_url)  # RFC 5546 asks for one; anything nearer would name the practice
    if found.state == "open":
        link = services.join_url(client.token)
        event.add("url", link)
        event.add("location", link)  # some calendars show no URL
    whole = Calendar()
    whole.add("prodid", PRODUCT)
    whole.add("version", "2.0")
    whole.add("method", method)
    whole.add_component(event)
    return Response(whole.to_ical(), headers={"Content-Type": f"{MEDIA_TYPE}; charset=utf-8; method={method}"})


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/appointments/{id}/clients/{client}/calendar.ics",
        summary="A client's appointment for their calendar; ask again after a change, and once more after a cancel",
        handler=calendar,
        body=Nothing,
        answer=None,
        text=MEDIA_TYPE,
        scope="read",
        problems=("not_found",),
    ),
)
