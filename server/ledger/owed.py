"""What the outbox holds, made ready for the ledger: read, checked, and numbered by content. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from server.ledger.chain import fingerprint
from server.ports.outbox import Owed

_decode = msgspec.msgpack.Decoder(Owed).decode


class Subscriber(Protocol):
    """A webhook endpoint, as far as the ledger needs it."""

    @property
    def id(self) -> str:
        """The practice's own id of the webhook."""
        ...

    @property
    def events(self) -> Collection[str]:
        """The event types it asked for; it is told of no other."""
        ...


Subscribers = Mapping[str, Sequence[Subscriber]]
"""Each practice's webhooks."""


class Odd(Exception):
    """An outbox item is not of the form the ledger needs; the text names the field, never its value."""


Text = Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00]*$")]
"""What fits a column; PostgreSQL takes no zero byte."""


class Frame(Struct, frozen=True):
    """What every item needs."""

    practice: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]*$")]
    room: Text
    at: Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
    """Until the end of the year 9999."""


class BillingRecord(Struct, frozen=True):
    """PROTOCOL's record, as far as the ledger looks into it."""

    id: Text
    visit: Text
    revision: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    facts: dict[str, Any]


class Notice(Struct, frozen=True):
    """What `notify` holds."""

    type: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z_.]+$")]
    data: dict[str, Any]


def decode(item: bytes) -> Owed:
    """Return the item that dispatch or the registry encoded (MessagePack). Raise `Odd`."""
    try:
        owed = _decode(item)
    except msgspec.DecodeError as problem:
        raise Odd(type(problem).__name__) from None  # its text may quote a value
    check(owed)
    return owed


def encode(owed: Owed) -> bytes:
    """Return `owed` as the outbox keeps it."""
    return msgspec.msgpack.encode(owed)


def source(owed: Owed) -> bytes:
    """Return the hash by which a repeat of the same item is known."""
    return fingerprint(encode(owed))


def check(owed: Owed) -> None:
    """Raise `Odd` unless `owed` has what its kind needs."""
    try:
        msgspec.convert({"practice": owed.practice, "room": owed.room, "at": owed.at}, Frame)
        match owed.kind:
            case "record":
                msgspec.convert(owed.data, BillingRecord)
            case "notify":
                msgspec.convert(owed.data, Notice)
            case "audit":
                pass
    except msgspec.ValidationError:
        raise Odd(owed.kind) from None


def message_id(practice: str, webhook: str, *what: str | int | bytes) -> str:
    """Return the webhook-id of one event for one endpoint: the same for the same event, whoever asks, however often."""
    return f"msg_{hashlib.sha256(msgspec.msgpack.encode((practice, webhook, *what))).hexdigest()[:40]}"


def event_body(type: str, at: int, data: dict[str, Any]) -> bytes:
    """Return the body of one webhook event; made once, so that every try sends the same bytes."""
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": type, "timestamp": moment, "data": data})
