"""What a participant can do wrong, each with a code that never changes; the words live in the catalogs."""

from __future__ import annotations

from typing import Any, ClassVar


class SignalingError(Exception):
    """Somebody outside asked for what cannot be done. `code` is told to them, and nothing else."""

    code: ClassVar[str] = "internal"
    temporary: ClassVar[bool] = False

    def __init__(self, why: str = "") -> None:
        """`why` is for the developer's eyes in a test or a debugger; it must hold no PHI and is never sent."""
        super().__init__(why)


class BadMessage(SignalingError):
    """The message is not of the form that its type demands."""

    code = "bad_message"


class UnknownType(SignalingError):
    """No message has that type."""

    code = "unknown_type"


class Forbidden(SignalingError):
    """That role may not send that message."""

    code = "forbidden"


class Refused(SignalingError):
    """The request makes sense, but not in the present phase."""

    code = "refused"


class Stale(SignalingError):
    """The request was made for a state that has passed; the reply carries the present one."""

    code = "stale"
    present: dict[str, Any]
    """The visit as it is, for the reply."""

    def __init__(self, why: str, present: dict[str, Any]) -> None:
        super().__init__(why)
        self.present = present


class Busy(SignalingError):
    """Another visit is in progress in this room."""

    code = "busy"


class NotReady(SignalingError):
    """Nobody of that appointment waits."""

    code = "not_ready"


class NotFound(SignalingError):
    """No such thing, or none that this participant may know of."""

    code = "not_found"


class ConsentRequired(SignalingError):
    """The practice's present consent text was not accepted."""

    code = "consent_required"


class PolicyForbids(SignalingError):
    """The practice's policy does not allow it."""

    code = "policy"


class KeyReused(SignalingError):
    """The idempotency key was used before with another request."""

    code = "key_reused"


class BadSdp(SignalingError):
    """The session description cannot be used."""

    code = "bad_sdp"


class StaleRound(SignalingError):
    """A newer offer of that peer is known."""

    code = "stale_round"


class TooMany(SignalingError):
    """A limit on the number of such things is reached."""

    code = "too_many"


class Overloaded(TooMany):
    """Of `start`: no node has room for another visit's media. What runs, or is taken up again, is never refused so."""

    temporary = True
    retry_after = 5.0
    """Seconds."""


class RoomFull(SignalingError):
    """The room holds as many entries as it may."""

    code = "room_full"


class RateLimited(SignalingError):
    """Too many requests in too short a time."""

    code = "rate"
    temporary = True


class Unavailable(SignalingError):
    """The store did not answer in time, or too many others wrote at once; nothing was changed by this request."""

    code = "unavailable"
    temporary = True
