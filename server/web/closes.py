"""Why the server closes a WebSocket: PROTOCOL.md's close codes by name."""

from __future__ import annotations

from enum import IntEnum


class Close(IntEnum):
    """4000 to 4499 come back, 4500 to 4999 do not."""

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    """Never sent: how RFC 6455 calls an end without a close frame."""
    NOT_UTF8 = 1007
    INTERNAL = 1011
    DRAINING = 4001
    STORE_LOST = 4002
    STATE_GAP = 4003
    TOO_SLOW = 4008
    NO_HEARTBEAT = 4012
    RATE = 4013
    EXPIRED = 4100
    NO_HELLO = 4408
    BAD_TICKET = 4500
    PROTOCOL_ERROR = 4501
    FORBIDDEN = 4503
    DISPLACED = 4509
    OVER = 4510
    REMOVED = 4511
    REVOKED = 4512


def may_resume(code: int) -> bool:
    """Whether a connection that ended with `code` keeps its claim to be resumed by its secret."""
    return code < Close.BAD_TICKET and code != Close.EXPIRED
