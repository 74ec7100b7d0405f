"""A tiny receiver of Standard Webhooks: verifies, keeps each message once, and can be down.

`python -m loadtests.receiver --secret whsec_...` prints its URL and then counts. It shares no
code with the courier: the signature is computed here from the standard's text.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self

TOLERANCE: Final = 5 * 60
"""Seconds a message may be old, or from the future."""
HEAD_LIMIT: Final = 32 * 1024
BODY_LIMIT: Final = 4 * 1024 * 1024
READ_SECONDS: Final = 20


class Receiver:
    """What billing's side does with a message: `accept` without a socket, `async with` on a port of loopback."""

    def __init__(self, secret: str = "", clock: Callable[[], float] = time.time) -> None:
        """`secret` begins with `whsec_` and may be set later; without one nothing is genuine. `clock` is in seconds."""
        self.secret = secret
        self._clock = clock
        self.answer: int | None = None
        """Answer everything with this status, without looking at it; None: work."""
        self.events: list[dict[str, Any]] = []
        """Each message once, in the order of first arrival: `{id, type, timestamp, data}`."""
        self.ids: set[str] = set()
        self.repeats = 0
        self.refused = 0
        self.url = ""
        """Where it listens, once it does."""
        self._arrived = asyncio.Condition()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The messages as they were sent: `{type, timestamp, data}`."""
        return [{key: event[key] for key in ("type", "timestamp", "data")} for event in self.events]

    async def wait_for(self, type: str, *, count: int = 1, seconds: float = 30) -> list[dict[str, Any]]:
        """Return the messages of a type once there are so many; raise `TimeoutError` after `seconds`."""

        def there() -> list[dict[str, Any]]:
            return [body for body in self.bodies if body["type"] == type]

        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(there()) >= count)
        return there()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await self.serve()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.close()
        await self._server.wait_closed()

    def accept(self, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status for one request; `headers` with lower-case names."""
        if self.answer is not None:
            return self.answer
        if not self.genuine(headers, body):
            self.refused += 1
            return 401
        message = headers["webhook-id"]
        if message in self.ids:
            self.repeats += 1
            return 200
        self.ids.add(message)
        self.events.append({"id": message, **json.loads(body)})
        return 204

    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether one of the signatures is right and the message is of now."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        message = headers.get("webhook-id", "")
        moment = headers.get("webhook-timestamp", "")
        if not key or not message or not moment.isdecimal() or abs(self._clock() - int(moment)) > TOLERANCE:
            return False
        signed = b".".join((message.encode(), moment.encode(), body))
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        offered = headers.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(expected.encode(), one.encode()) for one in offered)

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
        """Listen, and say where in `url`. One request a connection."""
        server = await asyncio.start_server(self.answer_one, host, port, limit=HEAD_LIMIT)
        self.url = f"http://{host}:{server.sockets[0].getsockname()[1]}/"
        return server

    async def answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: for `asyncio.start_server`, with or without TLS."""
        status = 400
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError, OSError):
            async with asyncio.timeout(READ_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
                headers = {name.lower(): value.strip() for name, _, value in lines}
                length = int(headers.get("content-length", "0"))
                if 0 <= length <= BODY_LIMIT:
                    status = self.accept(headers, await reader.readexactly(length))
        async with self._arrived:
            self._arrived.notify_all()
        with suppress(OSError):
            writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _main(secret: str, port: int) -> None:
    receiver = Receiver(secret)
    server = await receiver.serve(port=port)
    print(json.dumps({"url": receiver.url}), flush=True)
    told = 0
    async with server:
        while True:
            await asyncio.sleep(1)
            if len(receiver.events) != told:
                told = len(receiver.events)
                print(
                    json.dumps({"events": told, "repeats": receiver.repeats, "refused": receiver.refused}), flush=True
                )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Receive webhooks, and count them.")
    options.add_argument("--secret", required=True, help="the endpoint's secret, whsec_...")
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(chosen.secret, chosen.port))
