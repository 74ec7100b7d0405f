"""The way of a room's commit: the commands of one loop tick travel together, replies come back in order.

Beside redis-py's client because a commit, and what it reads, is what every click of everybody waits for, and this
costs a fraction (docs/decisions/0004 has the figures). A command that may not be repeated never is, unless it surely
was not sent; a connection whose server falls silent is dropped; every call ends in time. A caller who is cancelled
only stops listening: the reply is still read, and thrown away.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis

from server.redis_link.address import Address
from server.redis_link.faults import Lost, NotConnected, StoreFault, fault
from server.redis_link.link import Link, pack
from server.redis_link.patience import ATTEMPT, TOTAL, insist

LOOK: Final = 1.0
"""Seconds for which what is known of a server's replicas is believed."""
LAG: Final = 3
"""Seconds since a replica was last heard of, after which it is not waited for."""

Command = Sequence[str | bytes | int]
_Waiting = asyncio.Future[Any]


class Script:
    """A Lua script, and the digest the server knows it by."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.sha1 = hashlib.sha1(source, usedforsecurity=False).hexdigest()


class Commands(ABC):
    """What the store asks of a pipe, whether there is one server or many."""

    async def call(self, *command: str | bytes | int, repeat: bool = False) -> Any:
        """Return the reply. `repeat`: doing it twice does no harm, so it may be sent again after a lost connection.

        The second word is a key, or a channel. Raise `StoreAway`, or `StoreFault` for an error reply.
        """
        return await self._ask(command[1] if len(command) > 1 else "", pack(*command), repeat=repeat, sure=False)

    async def run(
        self, script: Script, keys: Command, args: Command, *, repeat: bool = False, sure: bool = False
    ) -> Any:
        """Run a script, sending its source if the server does not know it. Raise as `call` does.

        `sure`: its effect must outlive the server. Return when a replica has it, too, if there is one that keeps up.
        """
        try:
            data = pack("EVALSHA", script.sha1, len(keys), *keys, *args)
            return await self._ask(keys[0], data, repeat=repeat, sure=sure)
        except StoreFault as error:
            if error.code != "NOSCRIPT":
                raise
        data = pack("EVAL", script.source, len(keys), *keys, *args)
        return await self._ask(keys[0], data, repeat=repeat, sure=sure)

    @abstractmethod
    async def each(self, commands: Iterable[Command]) -> list[Any]:
        """Return the replies of many commands sent together, each of which may be repeated. Raise as `call` does."""

    @abstractmethod
    def speakers(self) -> Sequence[Pipe]:
        """Return a pipe to each server that publishes news."""

    @abstractmethod
    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""

    @abstractmethod
    async def _ask(self, key: str | bytes | int, data: bytes, *, repeat: bool, sure: bool) -> Any:
        """Return the reply of the server that has `key`."""


class Pipe(Commands):
    """One connection, opened when it is needed and opened again when it is lost."""

    def __init__(
        self,
        address: Address,
        *,
        attempt: float = ATTEMPT,
        total: float = TOTAL,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """`lost`: called when a connection was lost, or could not be made."""
        self._address = address
        self._attempt = attempt
        self._total = total
        self._tell_lost = lost
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: list[tuple[bytes, _Waiting]] = []
        self._sent: deque[tuple[float, _Waiting]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False
        self._sure: Pipe | None = None
        self._copied: _Waiting | None = None
        self._known: tuple[float, asyncio.Task[int]] | None = None
        address.moved.append(self.leave)

    async def each(self, commands: Iterable[Command]) -> list[Any]:
        """Return the replies of many commands sent together, each of which may be repeated. Raise as `call` does."""
        packed = [pack(*command) for command in commands]
        return await self._insist(lambda: self.send_all(packed), repeat=True) if packed else []

    def speakers(self) -> Sequence[Pipe]:
        """Return itself."""
        return (self,)

    async def send_all(self, packed: Iterable[bytes]) -> list[Any]:
        """Send once; return all replies, or raise the first error when all are there."""
        replies = await asyncio.gather(*map(self.send, packed), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    async def surely(self, data: bytes, *, asking: bool = False) -> Any:
        """Send once; return the reply when a replica has what was done, too, if one keeps up. Else raise `Lost`.

        Over a connection of its own: the server carries nothing else out on it while it waits for its replicas.
        """
        if not await self._replicas():
            return await self.send_asking(data, asking=asking)
        if self._sure is None:
            self._sure = Pipe(self._address, attempt=self._attempt, total=self._total, lost=self._tell_lost)
        reply, copied = self._sure.send_asking(data, asking=asking), self._sure.copied()
        await asyncio.wait((reply, copied))
        _look_at(copied)  # also if the other one raises
        result, copies = reply.result(), copied.result()
        if not copies:
            self._known = None
            raise Lost(sent=True)
        return result

    async def _replicas(self) -> int:
        """Return how many replicas keep up, asking no more than once in `LOOK` seconds. Raise `Lost`."""
        if self._known is None or self._loop.time() - self._known[0] >= LOOK:
            counting = self._loop.create_task(self._count_replicas(), name="store: replicas")
            counting.add_done_callback(_look_at)  # whoever asked may have given up meanwhile
            self._known = self._loop.time(), counting
        try:
            return await asyncio.shield(self._known[1])
        except Lost:
            self._known = None
            raise Lost(sent=False) from None

    async def _count_replicas(self) -> int:
        return _keeping_up(await self.send(pack("INFO", "replication")))

    def copied(self) -> _Waiting:
        """Return what will be the number of replicas that have all that goes out with this tick."""
        if self._copied is None or self._copied.done():
            self._copied = self._loop.create_future()
        return self._copied

    def send_asking(self, data: bytes, *, asking: bool) -> _Waiting:
        """Send, and before it that a cluster's slot is not yet the server's, if that was said."""
        if asking:
            self.send(pack("ASKING")).add_done_callback(_ignore_error)
        return self.send(data)

    async def close(self) -> None:
        """Drop the connections; whoever still waits gets `StoreAway`."""
        self._closed = True
        with suppress(ValueError):
            self._address.moved.remove(self.leave)
        if self._sure is not None:
            await self._sure.close()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self.leave()
        await asyncio.sleep(0)  # the transport closes its socket in the next tick

    def leave(self) -> None:
        """Drop the connection to a server that is no longer the primary: the address may lead elsewhere by now."""
        if self._link is not None:
            self._link.abort()

    async def _ask(self, key: str | bytes | int, data: bytes, *, repeat: bool, sure: bool) -> Any:
        return await self._insist(lambda: self.surely(data) if sure else self.send(data), repeat=repeat, timed=sure)

    async def _insist(self, attempt: Callable[[], Awaitable[Any]], *, repeat: bool, timed: bool = False) -> Any:
        # The usual case needs no timer of its own: it cannot last longer than two attempts.
        return await insist(
            attempt, repeat=repeat, total=self._total, closed=lambda: self._closed, moved=self._moved, timed=timed
        )

    async def _moved(self) -> None:
        for pipe in (self, self._sure):
            if pipe is not None:
                pipe.leave()

    def send(self, data: bytes) -> _Waiting:
        """Send once, with all else of this tick. The reply, `StoreFault` or `Lost` comes by what is returned."""
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
        if self._copied is not None:
            batch.append((pack("WAIT", 1, int(500 * self._attempt)), self._copied))
            self._copied = None
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
        self._known = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        lost, self._sent = self._sent, deque()
        for _, waiting in lost:
            if not waiting.done():
                waiting.set_exception(Lost(sent=True))
        self._fail_unsent(Lost(sent=False))
        self._tell_lost()

    def _fail_unsent(self, error: Exception) -> None:
        unsent, self._unsent = self._unsent, []
        if self._copied is not None:
            unsent.append((b"", self._copied))
            self._copied = None
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
                self._tell_lost()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Look at what became of it, so that nobody is told that no one did."""
    if not future.cancelled():
        future.exception()


def _keeping_up(replication: bytes) -> int:
    """Return how many replicas a server has that were heard of just now, by its `INFO replication`."""
    replicas = (line for line in replication.decode().splitlines() if re.match(r"slave\d+:", line))
    lags = (re.search(r"state=online.*,lag=(\d+)", replica) for replica in replicas)
    return sum(1 for lag in lags if lag and int(lag[1]) <= LAG)


def _ignore_error(waiting: _Waiting) -> None:
    """Take note of an error that the command behind this one gets, too."""
    if not waiting.cancelled():
        waiting.exception()
