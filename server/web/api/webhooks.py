"""Webhook endpoints and what was delivered to them."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from msgspec import Meta, Struct

from server.ports.outbox import WebhookEvent
from server.registry.errors import Missing
from server.web.api.operation import Answer, Call, Nothing, Operation


class WebhookBody(Struct, frozen=True):
    """Where events are to be sent, signed after Standard Webhooks."""

    url: str
    events: Annotated[tuple[WebhookEvent, ...], Meta(max_length=len(get_args(WebhookEvent)))] = get_args(WebhookEvent)
    """All, unless some are named."""
    rotate: bool = False
    """Make a new secret. The one before stays good until the next."""


class WebhookAnswer(Struct, frozen=True, omit_defaults=True):
    """An endpoint as it was saved."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str | None = None
    """`whsec_...`, shown once: when it is made."""


class DeliveriesAnswer(Struct, frozen=True):
    """The latest deliveries, newest first."""

    deliveries: tuple[dict[str, Any], ...]


class RedeliverBody(Struct, frozen=True):
    """Which delivery is to be made once more."""

    delivery: Annotated[str, Meta(min_length=1, max_length=100)]


class RedeliverAnswer(Struct, frozen=True):
    """It is due now, under the same `webhook-id`."""

    delivery: str


async def put(call: Call, body: WebhookBody) -> Answer:
    """Make or change an endpoint."""
    registry, id = call.services.registry, call.id()
    new = await registry.webhooks.get(call.practice, id) is None
    secret = await registry.webhooks.put(call.practice, id, body.url, body.events, rotate=body.rotate, by=call.who)
    return Answer(WebhookAnswer(id=id, url=body.url, events=body.events, secret=secret), 201 if new else 200)


async def delete(call: Call, body: Nothing) -> Answer:
    """Remove an endpoint."""
    if not await call.services.registry.webhooks.delete(call.practice, call.id(), by=call.who):
        raise Missing("webhook")
    return Answer(None)


async def deliveries(call: Call, body: Nothing) -> DeliveriesAnswer:
    """Return what was sent, and how it was received."""
    await _must(call)
    found = await call.services.ledger.deliveries(call.practice, call.id(), call.limit())
    return DeliveriesAnswer(deliveries=tuple(found))


async def redeliver(call: Call, body: RedeliverBody) -> Answer:
    """Make a delivery due once more."""
    await _must(call)
    if not await call.services.ledger.redeliver(call.practice, call.id(), body.delivery):
        raise Missing("delivery")
    return Answer(RedeliverAnswer(delivery=body.delivery))


async def _must(call: Call) -> None:
    if await call.services.registry.webhooks.get(call.practice, call.id()) is None:
        raise Missing("webhook")


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="PUT",
        path="/v1/webhooks/{id}",
        summary="Make or change a webhook endpoint; its secret is shown when it is made",
        handler=put,
        body=WebhookBody,
        answer=WebhookAnswer,
        scope="webhooks",
        created=True,
    ),
    Operation(
        method="DELETE",
        path="/v1/webhooks/{id}",
        summary="Remove a webhook endpoint",
        handler=delete,
        body=Nothing,
        answer=None,
        scope="webhooks",
        problems=("not_found",),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{id}/deliveries",
        summary="The latest deliveries to an endpoint",
        handler=deliveries,
        body=Nothing,
        answer=DeliveriesAnswer,
        scope="webhooks",
        query=("limit",),
        problems=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/{id}/redeliver",
        summary="Deliver once more, under the same webhook-id",
        handler=redeliver,
        body=RedeliverBody,
        answer=RedeliverAnswer,
        scope="webhooks",
        problems=("not_found",),
    ),
)
