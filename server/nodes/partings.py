"""Connections that must end wherever they are: a room was deleted with its practice, or a resume secret was stolen.

What a step of a room ends is an event of that room, which every node hears. These are no steps: nobody decides them in
a room, so they are called out. Whoever does not hear it finds out when the claim of a connection is next renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from server.ports import Post, StoreAway

_MARK: Final = b"part:"
"""What the letters of these begin with; no other call to a room does."""


class _Parting(Struct, frozen=True, array_like=True):
    code: int
    connections: tuple[str, ...] | None
    """None: all of the room, which is no more."""


_TO_BYTES = msgspec.msgpack.Encoder()
_FROM_BYTES = msgspec.msgpack.Decoder(_Parting)


class Partings:
    """Ends connections at this node and at all others."""

    def __init__(
        self, post: Post, *, close_room: Callable[[str, int], None], close: Callable[[str, int], object]
    ) -> None:
        """`close_room` ends a room, and `close` one connection, as far as they are at this node."""
        self._post = post
        self._close_room = close_room
        self._close = close

    async def room(self, room: str, code: int) -> None:
        """End every connection of a room that was deleted."""
        await self._part(room, _Parting(code, None))

    async def connections(self, room: str, connections: Sequence[str], code: int) -> None:
        """End some connections of a room."""
        await self._part(room, _Parting(code, tuple(connections)))

    def called(self, room: str, letter: bytes) -> bool:
        """Take what was called to a room; False: it is about something else."""
        if not letter.startswith(_MARK):
            return False
        self._do(room, _FROM_BYTES.decode(letter[len(_MARK) :]))
        return True

    async def _part(self, room: str, parting: _Parting) -> None:
        self._do(room, parting)
        with suppress(StoreAway):
            await self._post.call(room, _MARK + _TO_BYTES.encode(parting))

    def _do(self, room: str, parting: _Parting) -> None:
        if parting.connections is None:
            self._close_room(room, parting.code)
        for connection in parting.connections or ():
            self._close(connection, parting.code)
