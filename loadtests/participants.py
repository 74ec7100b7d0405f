"""A client or provider that speaks the protocol over a real WebSocket: for load, and for stories in the tests."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from signaling.fields import FRAME_LIMIT, PROTOCOL_VERSION, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK

Heard = dict[str, Any]
"""A message as it came, with `_at`: the monotonic clock in seconds when it did."""


class Told(Exception):
    """The service answered a request with an error."""

    def __init__(self, error: Heard) -> None:
        super().__init__(error.get("code"))
        self.code: str = error["code"]
        self.error = error


class Closed(Exception):
    """The connection was closed by the service."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Participant:
    """One connection. Events are kept in the order they came; waiting for one looks at those not yet taken."""

    def __init__(
        self,
        url: str,
        *,
        origin: str | None = None,
        device: str = "device-1",
        binary: bool = False,
        patience: float = 15.0,
    ) -> None:
        """`url` is a node's http(s) address; `patience` is how many seconds any answer may take.

        `origin` is where the page that connects came from, if not from that node.
        """
        self._url = url.replace("http", "ws", 1) + "/v1/ws"
        self._origin = origin or url
        self._device = device
        self._binary = binary
        self._patience = patience
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Heard]] = {}
        self._events: list[Heard] = []
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self.closed_with: int | None = None
        self.welcome: Heard = {}
        self.view: Heard = {}
        self.seq = 0
        self.epoch = ""

    # --- connecting

    async def join(self, ticket: str, *, takeover: bool = False) -> Heard:
        """Say hello with a ticket; return the view."""
        await self.open()
        await self.send(
            {"type": "hello", "protocol": PROTOCOL_VERSION, "ticket": ticket, "device": self._device}
            | ({"takeover": True} if takeover else {})
        )
        self.welcome = await self.hear("welcome")
        self.view = await self.hear("view")
        self.epoch, self.seq = self.view["epoch"], max(self.seq, self.view["seq"])
        return self.view

    async def resume(self, before: Participant) -> Heard:
        """Come back as a connection that dropped; return the welcome."""
        await self.open()
        claim = {
            "connection": before.welcome["connection"],
            "secret": before.welcome["secret"],
            "epoch": before.epoch,
            "seq": before.seq,
        }
        await self.send({"type": "hello", "protocol": PROTOCOL_VERSION, "resume": claim, "device": self._device})
        self.welcome = await self.hear("welcome")
        self.epoch, self.seq = before.epoch, before.seq
        if not self.welcome["recovered"]:
            self.view = await self.hear("view")
            self.epoch, self.seq = self.view["epoch"], self.view["seq"]
        return self.welcome

    async def open(self) -> None:
        """Open the WebSocket and nothing more."""
        protocol = SUBPROTOCOL_MSGPACK if self._binary else SUBPROTOCOL_JSON
        self._socket = await connect(
            self._url,
            subprotocols=[protocol],  # type: ignore[list-item]  # a NewType of str there
            origin=self._origin,  # type: ignore[arg-type]  # likewise
            compression=None,
            max_size=2 * FRAME_LIMIT,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket), name="participant")

    async def drop(self) -> None:
        """Lose the connection without a word, as a network does."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- speaking

    async def ask(self, type: str, **fields: Any) -> Heard:
        """Send a request and return its `ok`. Raise `Told` for an error, `Closed` if the connection ends."""
        id = next(self._ids)
        future: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._replies[id] = future
        await self.send({"type": type, "id": id, **fields})
        try:
            reply = await asyncio.wait_for(future, self._patience)
        finally:
            self._replies.pop(id, None)
        if reply["type"] == "error":
            raise Told(reply)
        return reply

    async def send(self, message: Heard) -> None:
        """Send a message as it is."""
        await self.send_frame(msgpack.packb(message) if self._binary else json.dumps(message))

    async def send_frame(self, frame: str | bytes, *, text: bool | None = None) -> None:
        """Send a frame as it is; `text` says of which kind, whatever it holds."""
        assert self._socket is not None, "open() comes first"
        await self._socket.send(frame, text=text)

    async def check_in(self, **changes: Any) -> Heard:
        """Check in with answers that any practice accepts."""
        said: Heard = {
            "place": {"state": "CO", "kind": "home"},
            "consent": {"version": "1"},
            "privacy": True,
            "devices": {"camera": True, "microphone": True},
            "media": "video",
        }
        return await self.ask("check_in", **(said | changes))

    # --- hearing

    async def hear(self, type: str, where: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """Return (and take) the first message of a type that came, or comes. Raise `Closed` if it cannot come."""

        def found() -> Heard | None:
            return next((m for m in self._events if m["type"] == type and where(m)), None)

        try:
            async with asyncio.timeout(self._patience), self._news:
                await self._news.wait_for(lambda: found() is not None or self.closed_with is not None)
        except TimeoutError:
            heard = [message["type"] for message in self._events]
            raise TimeoutError(f"no {type} within {self._patience} s; heard {heard}") from None
        message = found()
        if message is None:
            raise Closed(self.closed_with or 1006)
        self._events.remove(message)
        return message

    async def closing(self) -> int:
        """Wait until the service closes the connection; return the code."""
        async with asyncio.timeout(self._patience), self._news:
            await self._news.wait_for(lambda: self.closed_with is not None)
        assert self.closed_with is not None
        return self.closed_with

    def heard(self, type: str | None = None) -> list[Heard]:
        """Return what came and was not taken."""
        return [message for message in self._events if type is None or message["type"] == type]

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                message: Heard = msgpack.unpackb(frame) if isinstance(frame, bytes) else json.loads(frame)
                message["_at"] = time.perf_counter()
                self.seq = max(self.seq, message.get("seq", 0))
                future = self._replies.get(message.get("re", 0))
                if future is not None and not future.done():
                    future.set_result(message)
                    continue
                async with self._news:
                    self._events.append(message)
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        finally:
            async with self._news:
                self.closed_with = socket.close_code or 1006
                self._news.notify_all()
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(Closed(self.closed_with))
