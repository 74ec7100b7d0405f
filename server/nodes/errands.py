"""What one node asks of another: over their channels, three times if need be, and done once.

A channel may lose a letter, so one that is not answered within a second is sent again; and since an answer may be
lost as well, who is asked keeps what was answered for a while and answers the same again. Nothing of it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct

from server.ports import StoreAway
from server.ports.bus import Post
from signaling.errors import BadSdp, NotFound, Refused, SignalingError, StaleRound, TooMany, Unavailable
from signaling.state import Who

logger = logging.getLogger("carelobby.errands")

TRIES: Final = 3
PATIENCE: Final = 1.0
"""Seconds to wait for an answer to each try."""
KEPT: Final = 512
"""Errands whose answers are kept, the latest."""


class Offered(Struct, frozen=True, tag=True):
    """A browser's offer, for the node that carries its visit."""

    room: str
    seq: int
    """The room's last event when the offer was let in: who decides again must know as much."""
    fence: int
    """The highest fence that the room has seen: whoever begins to carry the visit now gets a higher one."""
    by: Who
    visit: str
    peer: str
    round: int
    sdp: str
    audio_only: bool
    device: str = ""
    warm: bool = False
    """The peer was connected beforehand: it is answered by the node that has it, and by no other."""


class Trickled(Struct, frozen=True, tag=True):
    """A browser's candidates."""

    room: str
    seq: int
    fence: int
    by: Who
    visit: str
    peer: str
    round: int
    candidates: tuple[dict[str, Any], ...]


class OfferedAlone(Struct, frozen=True, tag=True):
    """A browser's offer of a peer with the server alone, for the home of its room's media. It names no visit."""

    room: str
    by: Who
    purpose: Literal["warm", "check"]
    peer: str
    round: int
    sdp: str
    device: str


class TrickledAlone(Struct, frozen=True, tag=True):
    """Candidates of such a peer."""

    room: str
    by: Who
    peer: str
    candidates: tuple[dict[str, Any], ...]


class HandedOver(Struct, frozen=True, tag=True):
    """A visit that the asking node carries, and that the other is to carry from now on."""

    room: str
    visit: str
    fence: int


class Shut(Struct, frozen=True, tag=True):
    """Connections that are to end: all of a room, of a provider's sign-in (by its SHA-256), or that one."""

    what: Literal["room", "sign_in", "connection"]
    id: str
    code: int
    """With which their WebSockets close."""


class Awaited(Struct, frozen=True, tag=True):
    """A visit of a room is about to start: the other node is asked for a place for its media."""

    room: str


class Begun(Struct, frozen=True, tag=True):
    """It has started, and the other node is to carry it."""

    room: str
    visit: str
    fence: int


Errand = Offered | Trickled | OfferedAlone | TrickledAlone | HandedOver | Awaited | Begun | Shut


class Line(Struct, frozen=True):
    """Whom a line of an answer carries."""

    mid: str
    participant: str
    kind: str
    source: str


class Answered(Struct, frozen=True, tag=True):
    """What came of an errand: the answer to an offer, or nothing to say."""

    sdp: str = ""
    tracks: tuple[Line, ...] = ()


class Failed(Struct, frozen=True, tag=True):
    """Why nothing came of it: the code of an error that the one who asked is to raise."""

    code: str


class _Letter(Struct, frozen=True, array_like=True):
    id: str
    by: str
    """The node that waits for the answer; or gives it."""
    content: Errand | Answered | Failed


class NotHere(SignalingError):
    """The other node does not carry this visit: ask anew who does."""

    code = "not_here"
    temporary = True


_ERRORS: Final = {error.code: error for error in (NotHere, BadSdp, NotFound, Refused, StaleRound, TooMany, Unavailable)}
_TO_BYTES = msgspec.msgpack.Encoder()
_FROM_BYTES = msgspec.msgpack.Decoder(_Letter)


class Serve(Protocol):
    """Does an errand of another node. Raises `SignalingError` or `StoreAway`."""

    def __call__(self, errand: Errand, by: str) -> Awaitable[Answered]: ...


class Errands:
    """Sends errands to other nodes and does theirs."""

    def __init__(
        self,
        post: Post,
        *,
        node: str,
        serve: Serve,
        new_id: Callable[[], str],
        patience: float = PATIENCE,
    ) -> None:
        """`patience`: seconds to wait for an answer to each try."""
        self._post = post
        self._node = node
        self._serve = serve
        self._new_id = new_id
        self._patience = patience
        self._waiting: dict[str, asyncio.Future[Answered | Failed]] = {}
        self._done: OrderedDict[tuple[str, str], asyncio.Future[Answered | Failed]] = OrderedDict()
        """What was answered, or will be, by (node, errand)."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, node: str, errand: Errand) -> Answered:
        """Return what `node` answers. Raise what it raised, or `Unavailable` if it does not answer, or `StoreAway`."""
        id = self._new_id()
        letter = _TO_BYTES.encode(_Letter(id, self._node, errand))
        answer: asyncio.Future[Answered | Failed] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        try:
            for _ in range(TRIES):
                await self._post.post(node, letter)
                await asyncio.wait([answer], timeout=self._patience)
                if answer.done():
                    break
            else:
                raise Unavailable("another node does not answer")
        finally:
            del self._waiting[id]
        result = answer.result()
        if isinstance(result, Failed):
            raise _ERRORS.get(result.code, Unavailable)("at another node")
        return result

    def letter(self, letter: bytes) -> None:
        """Take what was posted to this node."""
        try:
            read = _FROM_BYTES.decode(letter)
        except msgspec.MsgspecError:
            logger.warning("a letter of another version was not understood")
            return
        match read.content:
            case Answered() | Failed() as answer:
                waiting = self._waiting.get(read.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
            case errand:
                task = asyncio.get_running_loop().create_task(self._do(read.by, read.id, errand), name="errand")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _do(self, by: str, id: str, errand: Errand) -> None:
        answer = self._done.get((by, id))
        if answer is None:
            answer = self._done[by, id] = asyncio.get_running_loop().create_future()
            while len(self._done) > KEPT:
                self._done.popitem(last=False)
            answer.set_result(await self._served(by, errand))
        elif not answer.done():
            return  # the first of its letters will answer
        with suppress(StoreAway):
            await self._post.post(by, _TO_BYTES.encode(_Letter(id, self._node, answer.result())))

    async def _served(self, by: str, errand: Errand) -> Answered | Failed:
        try:
            return await self._serve(errand, by)
        except SignalingError as error:
            return Failed(error.code)
        except StoreAway:
            return Failed(Unavailable.code)
        except Exception as error:  # noqa: BLE001 - the barrier: one errand's fault is told as such, and costs no other
            logger.error("%s of %s failed: %s", type(errand).__name__, by, type(error).__name__)  # noqa: TRY400
            return Failed(Unavailable.code)
