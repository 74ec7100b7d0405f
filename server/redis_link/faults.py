"""What can go wrong between us and Redis, and which of it may pass."""

from __future__ import annotations

from typing import Final

from redis.exceptions import AskError, MovedError, ResponseError

NOT_NOW: Final = frozenset(
    {"LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MISCONF"}
)
"""Answers by which nothing was done, and which may pass: the server starts, fails over, or is full."""


class StoreFault(Exception):
    """The store answered with an error. Only its code is told: the rest may quote what was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the store answered {code}")
        self.code = code


class Moved(StoreFault):
    """Another server of a cluster has the key. Nothing was done."""

    def __init__(self, code: str, where: str) -> None:
        """`where`: "slot host:port", as servers say it; an empty host is that of the server which said it."""
        super().__init__(code)
        slot, _, address = where.partition(" ")
        host, _, port = address.rpartition(":")
        self.slot, self.host, self.port = int(slot), host, int(port)
        self.once = code == "ASK"
        """This time only: the slot is on its way, and still belongs to who said so."""


class NotConnected(Exception):
    """The connection could not be made, or is gone."""


class Lost(Exception):
    """No reply came. `sent`: the command may have been carried out."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the connection was lost")
        self.sent = sent


def fault(reply: Exception) -> StoreFault:
    """Return an error reply as an exception."""
    code, _, rest = str(reply).partition(" ")
    return Moved(code, rest) if code in ("MOVED", "ASK") else StoreFault(code)


def fault_behind(error: BaseException | None) -> StoreFault | None:
    """Return the server's refusal behind an error of redis-py, if it was one.

    redis-py takes the code out of the words of those it knows, and wraps what happens while it connects.
    """
    while error is not None:
        if isinstance(error, AskError):
            return Moved(
                "MOVED" if isinstance(error, MovedError) else "ASK", f"{error.slot_id} {error.host}:{error.port}"
            )
        if code := getattr(error, "status_code", None):
            return StoreFault(code)
        if isinstance(error, ResponseError):
            return fault(error)
        error = error.__cause__
    return None
