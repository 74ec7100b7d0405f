"""Messages to bytes and back, for both subprotocols; what goes to many is encoded once.

A frame from the server is not masked (RFC 6455, 5.1), so the very same bytes serve every receiver.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct
from websockets.frames import Frame, Opcode

from signaling.errors import BadMessage, UnknownType
from signaling.messages import Message
from signaling.requests import AnyRequest

_FROM_JSON = msgspec.json.Decoder(AnyRequest)
_FROM_MSGPACK = msgspec.msgpack.Decoder(AnyRequest)
_TO_JSON = msgspec.json.Encoder()
_TO_MSGPACK = msgspec.msgpack.Encoder()

TYPES = frozenset(str(request.__struct_config__.tag) for request in get_args(AnyRequest))
"""The `type` of everything a browser may send."""


class _Head(Struct):
    """What is read of a message that could not be read."""

    type: Any = None
    id: Any = None


_HEAD_FROM_JSON = msgspec.json.Decoder(_Head)
_HEAD_FROM_MSGPACK = msgspec.msgpack.Decoder(_Head)

# RecursionError: a thousand nested brackets. ValueError: text that is not UTF-8, numbers out of every range.
_FAULTS = (msgspec.MsgspecError, RecursionError, ValueError)


class Unreadable(Exception):
    """What came is no message of ours. `code` and `re` are for the sender; nothing of the content is kept."""

    def __init__(self, code: str, re: int | None) -> None:
        super().__init__(code)
        self.code = code
        self.re = re


def read(data: bytes | bytearray, *, packed: bool, expected: bool) -> AnyRequest:
    """Decode and validate one message. Raise `Unreadable`.

    `packed`: it came in a binary frame, for MessagePack, else in a text frame; `expected`: what was agreed on.
    """
    if packed != expected:
        raise Unreadable(BadMessage.code, None)
    try:
        return _decode(data, packed=packed)
    except _FAULTS:
        pass  # outside of the handler, so that the error, which may quote the message, is gone
    code, re = _diagnose(data, packed=packed)
    raise Unreadable(code, re)


def _decode(data: bytes | bytearray, *, packed: bool) -> AnyRequest:
    request: AnyRequest = (_FROM_MSGPACK if packed else _FROM_JSON).decode(data)
    return request


def _diagnose(data: bytes | bytearray, *, packed: bool) -> tuple[str, int | None]:
    try:
        head = (_HEAD_FROM_MSGPACK if packed else _HEAD_FROM_JSON).decode(data)
    except _FAULTS:
        return BadMessage.code, None
    re = head.id if type(head.id) is int and 0 <= head.id <= 2**53 else None
    unknown = isinstance(head.type, str) and head.type not in TYPES
    return (UnknownType.code if unknown else BadMessage.code), re


class Packet:
    """One message on its way out, as whole WebSocket frames made when first needed and then shared."""

    __slots__ = ("_json", "_message", "_msgpack", "replaces")

    def __init__(
        self, message: Message | Mapping[str, Any], *, packed: bytes | None = None, replaces: Hashable = None
    ) -> None:
        """`packed` is the message in MessagePack, if it is at hand.

        `replaces` names what the message says the latest of: an earlier one of that name need not be sent any more.
        """
        self._message = message
        self._json: bytes | None = None
        self._msgpack = None if packed is None else _frame(Opcode.BINARY, packed)
        self.replaces = replaces

    def frame(self, *, packed: bool) -> bytes:
        """Return the frame for a connection that speaks MessagePack, or JSON."""
        if packed:
            if self._msgpack is None:
                self._msgpack = _frame(Opcode.BINARY, _TO_MSGPACK.encode(self._message))
            return self._msgpack
        if self._json is None:
            self._json = _frame(Opcode.TEXT, _TO_JSON.encode(self._message))
        return self._json


def _frame(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=False)
