"""The way of a room's commit: the commands of one loop tick travel together, replies come back in order.

Beside redis-py's client because a commit, and what it reads, is what every click of everybody waits for, and this
costs a fraction (docs/decisions/0004 has the figures). A command that may not be repeated never is, unless it surely
was not sent; a connection whose server falls silent is dropped; every call ends in time. A caller who is cancelled
only stops listening: the reply is still read, and thrown away.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import hiredis

from server.redis_link.address import Address
from server.redis_link.faults import Lost, NotConnected, StoreFault, fault
from server.redis_link.link import Link, pack
from server.redis_link.patience import ATTEMPT, TOTAL, insist

Command = Sequence[str | bytes | int]
_Waiting = asyncio.Future[Any]


class Script:
    """A Lua script, and the digest the server knows it by."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.sha1 = hashlib.sha1(source, usedforsecurity=False).hexdigest()


class Pipe:
    """One connection, opened when it is needed and opened again when it is lost."""

    def __init__(self, address: Address, *, attempt: float = ATTEMPT, total: float = TOTAL) -> None:
        self._address = address
        self._attempt = attempt
        self._total = total
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: list[tuple[bytes, _Waiting]] = []
        self._sent: deque[tuple[float, _Waiting]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    async def call(self, *command: str | bytes | int, repeat: bool = False) -> Any:
        """Return the reply. `repeat`: doing it twice does no harm, so it may be sent again after a lost connection.

        Raise `StoreAway`, or `StoreFault` for an error reply.
        """
        data = pack(*command)
        return await self._insist(lambda: self._send(data), repeat=repeat)

    async def each(self, commands: Iterable[Command]) -> list[Any]:
        """Return the replies of many commands sent together, each of which may be repeated. Raise as `call` does."""
        packed = [pack(*command) for command in commands]

        async def send() -> list[Any]:
            replies = await asyncio.gather(*map(self._send, packed), return_exceptions=True)
            for reply in replies:
                if isinstance(reply, BaseException):
                    raise reply
            return replies

        return await self._insist(send, repeat=True) if packed else []

    async def run(self, script: Script, keys: Command, args: Command, *, repeat: bool = False) -> Any:
        """Run a script, sending its source if the server does not know it. Raise as `call` does."""
        try:
            return await self.call("EVALSHA", script.sha1, len(keys), *keys, *args, repeat=repeat)
        except StoreFault as error:
            if error.code != "NOSCRIPT":
                raise
        return await self.call("EVAL", script.source, len(keys), *keys, *args, repeat=repeat)

    async def close(self) -> None:
        """Drop the connection; whoever still waits gets `StoreAway`."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._link is not None:
            self._link.abort()
        await asyncio.sleep(0)  # the transport closes its socket in the next tick

    async def _insist(self, attempt: Callable[[], Awaitable[Any]], *, repeat: bool) -> Any:
        # The usual case needs no timer of its own: it cannot last longer than two attempts.
        return await insist(
            attempt, repeat=repeat, total=self._total, closed=lambda: self._closed, moved=self._leave, timed=False
        )

    async def _leave(self) -> None:
        """Drop the connection to a server that is no longer the primary: the address may lead elsewhere by now."""
        if self._link is not None:
            self._link.abort()

    def _send(self, data: bytes) -> _Waiting:
        waiting: _Waiting = self._loop.create_future()
        if self._closed:
            waiting.set_exception(Lost(sent=False))
            return waiting
        if not self._unsent and self._link is not None:
            self._loop.call_soon(self._flush)
        self._unsent.append((data, waiting))
        if self._link is None and self._opening is None:
            self._opening = self._loop.create_task(self._open(), name="store: connect")
        return waiting

    def _flush(self) -> None:
        if self._link is None:
            return
        # Whoever was cancelled before the command left need not have it carried out.
        batch = [item for item in self._unsent if not item[1].done()]
        self._unsent.clear()
        if not batch:
            return
        now = self._loop.time()
        self._sent.extend((now, waiting) for _, waiting in batch)
        self._link.write(b"".join([data for data, _ in batch]) if len(batch) > 1 else batch[0][0])
        if self._watch is None:
            self._watch = self._loop.call_later(self._attempt, self._look)

    def _look(self) -> None:
        """Drop the connection if the oldest command waits too long and nothing at all comes in."""
        self._watch = None
        if not self._sent or self._link is None:
            return
        silent_since = max(self._sent[0][0], self._link.heard)
        now = self._loop.time()
        if now - silent_since >= self._attempt or now - self._sent[0][0] >= self._total:
            self._link.abort()
        else:
            self._watch = self._loop.call_at(silent_since + self._attempt, self._look)

    def _on_reply(self, reply: Any) -> None:
        _, waiting = self._sent.popleft()
        if waiting.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            waiting.set_exception(fault(reply))
        else:
            waiting.set_result(reply)

    def _on_lost(self) -> None:
        self._link = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        lost, self._sent = self._sent, deque()
        for _, waiting in lost:
            if not waiting.done():
                waiting.set_exception(Lost(sent=True))
        self._fail_unsent(Lost(sent=False))

    def _fail_unsent(self, error: Exception) -> None:
        unsent, self._unsent = self._unsent, []
        for _, waiting in unsent:
            if not waiting.done():
                waiting.set_exception(error)

    async def _open(self) -> None:
        try:
            link = await Link.open(self._address, received=self._on_reply, lost=self._on_lost, patience=self._attempt)
        except NotConnected:
            pass  # as below
        except StoreFault as error:
            self._fail_unsent(error)
        else:
            self._link = link
            self._flush()
        finally:
            self._opening = None
            if self._link is None:
                self._fail_unsent(Lost(sent=False))
