"""Delivers what is owed to webhooks: in order per endpoint and room, again and again until taken, under one id.

On the wire a message may come twice (we may die between the receiver's answer and our note of it); its webhook-id is
the same, so the receiver can drop the repeat: exactly once in effect.

A receiver that is away is asked with its oldest message every two minutes at the latest, while the others wait. The
first message it takes makes all of them due, so an hour's pile is gone within minutes of its return.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final

import httpx
from msgspec import Struct

from server import tasks
from server.billing.addresses import Resolve, Unreachable, checked, resolve
from server.billing.owing import Due, Owing
from server.billing.webhooks import BadEndpoint, Endpoint, address, headers
from server.duty import Duty
from server.ports import Clock
from server.ports.nodes import Nodes

logger = logging.getLogger(__name__)

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

BACKOFF: Final = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR)
"""After the first, second ... failure; the last one from then on."""
SPREAD: Final = 0.2
"""A wait is longer by up to this part of it, so that what failed together does not come back together."""
GIVE_UP: Final = 72 * HOUR
"""After the first failure."""
PROBE: Final = 2 * MINUTE
"""The longest wait of the oldest message for a receiver that is away."""
TIME_LIMIT: Final = 15.0
"""Seconds for one try, name resolution included."""
AT_ONCE: Final = 4
"""Messages on their way to one endpoint."""
BATCH: Final = 200
GONE: Final = 410

Key = tuple[str, str]
"""(practice, webhook)."""


class Answer(Struct, frozen=True):
    """What came of one try."""

    status: int | None
    error: str | None = None
    """None: taken."""

    @property
    def away(self) -> bool:
        """Whether it looks like the receiver, and not like this one message."""
        return self.status is None or self.status >= 500 or self.status in (408, 429)


class Courier(Duty):
    """The one node's loop that empties `deliveries`. `wake()` when some were added."""

    def __init__(
        self,
        ledger: Owing,
        endpoint: Callable[[str, str], Awaitable[Endpoint | None]],
        *,
        nodes: Nodes,
        node: str,
        clock: Clock,
        gone: Callable[[str, str], Awaitable[None]],
        allow_private: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = resolve,
        chance: Callable[[], float] = random.random,
        every: float = 1.0,
    ) -> None:
        """`endpoint(practice, webhook)` reads its document; `gone(practice, webhook)` marks it as no longer active.

        `chance` returns 0 to 1.
        """
        super().__init__("courier", self.once, nodes=nodes, node=node, every=every)
        self._ledger = ledger
        self._endpoint = endpoint
        self._clock = clock
        self._gone = gone
        self._allow_private = allow_private
        self._transport = transport or _transport()
        self._resolve = resolve
        self._chance = chance
        self._running: dict[Key, asyncio.Task[None]] = {}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; tries on their way are cut short and repeated by whoever comes next."""
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._transport.aclose)
            closing.push_async_callback(self._cut_short)
            await super().__aexit__(kind, error, trace)

    async def once(self) -> bool:
        """Start what is due and wait a little for an end; True: more may be due. A slow endpoint holds up no other."""
        found = await self._ledger.due(self._clock(), BATCH, without=self._running)
        groups: dict[Key, list[Due]] = {}
        for due in found:
            groups.setdefault((due.practice, due.webhook), []).append(due)
        for key, group in groups.items():
            self._running[key] = asyncio.create_task(self._visit(key, group), name="courier-endpoint")
        if not self._running:
            return False
        done, _ = await asyncio.wait(self._running.values(), timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
        for key in [key for key, task in self._running.items() if task in done]:
            del self._running[key]
        for task in done:
            task.result()
        return True

    async def _cut_short(self) -> None:
        await tasks.end(*self._running.values())
        self._running.clear()

    async def _visit(self, key: Key, group: Sequence[Due]) -> None:
        """Try a group of one endpoint's messages, all of different rooms; stop when the receiver seems to be away."""
        endpoint = await self._endpoint(*key)
        if endpoint is None or not endpoint.active:
            await self._ledger.stop(*key, None, "no_endpoint")
            return
        waiting = list(reversed(group))
        # A note of a failure or a return moves the endpoint's other rows too: two at once would lock them crosswise.
        noting = asyncio.Lock()

        async def carry() -> None:
            while waiting:
                due = waiting.pop()
                answer = await self._try(endpoint, due)
                async with noting:
                    go_on = await self._note(due, answer)
                if not go_on:
                    waiting.clear()

        try:
            async with asyncio.TaskGroup() as carriers:
                for _ in range(min(AT_ONCE, len(group))):
                    carriers.create_task(carry())
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None  # the loop knows what to do with one

    async def _note(self, due: Due, answer: Answer) -> bool:
        """Note what came of one try; False: no use in trying another message now."""
        now = self._clock()
        if answer.error is None:
            await self._ledger.delivered(due.id, now, answer.status or 0)
            return True
        logger.info("webhook %s of %s: %s, %s", due.webhook, due.practice, answer.error, answer.status)
        if answer.status == GONE:
            await self._ledger.stop(due.practice, due.webhook, GONE, "gone")
            await self._gone(due.practice, due.webhook)
            return False
        spread = 1 + SPREAD * self._chance()
        again = retry_at(due, now, away=answer.away, spread=spread)
        await self._ledger.failed(
            due.id,
            now,
            answer.status,
            error=answer.error,
            retry_at=again,
            hold_until=min(again or now, now + int(PROBE * spread)) if answer.away else None,
        )
        return not answer.away

    async def _try(self, endpoint: Endpoint, due: Due) -> Answer:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                return await self._post(endpoint, due)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(None, "timeout")
        except (Unreachable, BadEndpoint) as problem:
            return Answer(None, problem.code)
        except httpx.InvalidURL:
            return Answer(None, "url")
        except (httpx.TransportError, OSError):  # ssl.SSLError is an OSError
            return Answer(None, "connection")

    async def _post(self, endpoint: Endpoint, due: Due) -> Answer:
        url = address(endpoint.url, allow_private=self._allow_private)
        host = url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await checked(host, port, self._resolve, allow_private=self._allow_private)
        sent = headers(endpoint, due.message, self._clock(), due.body) | {"host": url.netloc.decode("ascii")}
        problem: httpx.TransportError = httpx.ConnectError("no address")
        for ip in found[:3]:
            # The connection goes to the address that was checked, so a name that resolves anew to another cannot
            # lead us there. The certificate is still checked against the name.
            request = httpx.Request(
                "POST",
                url.copy_with(host=ip),
                headers=sent,
                content=due.body,
                extensions={"sni_hostname": host, "timeout": httpx.Timeout(TIME_LIMIT).as_dict()},
            )
            try:
                # The transport itself, without a client: no redirects, no cookies, no proxies.
                response = await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
                problem = failure
                continue
            await response.aclose()
            return _judged(response.status_code)
        raise problem


def _judged(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer(status)
    return Answer(status, "redirect" if 300 <= status < 400 else "status")


def retry_at(due: Due, now: int, *, away: bool, spread: float = 1.0) -> int | None:
    """Return when a message that has just failed is to be tried again; None: never.

    `away`: so is its receiver. `spread` stretches the wait.
    """
    if due.since is not None and now - due.since >= GIVE_UP:
        return None
    wait = BACKOFF[min(due.tries, len(BACKOFF) - 1)]
    return now + int(spread * (min(wait, PROBE) if away and due.oldest else wait))


def _transport() -> httpx.AsyncBaseTransport:
    # No connection is kept: one to an address, opened for one name, must not serve another name at that address.
    return httpx.AsyncHTTPTransport(
        trust_env=False, limits=httpx.Limits(max_connections=100, max_keepalive_connections=0)
    )
