"""The courier: whatever the receiver does, each message arrives once in effect, in order per room."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtests.receiver import Receiver
from server.billing.courier import BACKOFF, GIVE_UP, HOUR, MINUTE, PROBE, SECOND, Courier
from server.billing.webhooks import PREFIX, Endpoint, new_secret
from server.ledger.ledger import Ledger
from tests.server.billing.support import PUBLIC, START, HandClock, Office, hook, received_by, trustme
from tests.server.ledger.support import CANARY, OneNode, notice, record, streamed


async def test_a_record_arrives_signed_and_once(ledger: Ledger) -> None:
    endpoint = hook()
    receiver = Receiver(endpoint.secrets[0], clock=lambda: START / 1000)
    office = Office(ledger, endpoint, take=received_by(receiver))
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()
    await office.deliver()

    (event,) = receiver.events
    assert event["type"] == "record.created"
    assert event["timestamp"] == "2023-11-14T22:13:20.001Z"
    assert event["data"] == record(1).data
    assert len(office.wire.requests) == 1
    assert await office.states() == ["done"]


async def test_both_secrets_sign_while_they_are_changed(ledger: Ledger) -> None:
    old, new = new_secret(), new_secret()
    endpoint = hook(secrets=(new, old))
    receivers = [Receiver(secret, clock=lambda: START / 1000) for secret in (old, new, new_secret())]
    answers: list[int] = []

    def take(request: httpx.Request) -> int:
        answers.extend(received_by(receiver)(request) for receiver in receivers)
        return 200

    office = Office(ledger, endpoint, take=take)
    await ledger.archive(streamed([notice(1)]), {"north": [endpoint]})
    await office.deliver()

    assert answers == [204, 204, 401]


async def test_a_changed_body_does_not_verify(ledger: Ledger) -> None:
    endpoint = hook()
    receiver = Receiver(endpoint.secrets[0], clock=lambda: START / 1000)
    office = Office(ledger, endpoint, take=received_by(receiver))
    await ledger.archive(streamed([notice(1)]), {"north": [endpoint]})
    await office.deliver()
    headers = dict(office.wire.requests[0].headers)
    body = office.wire.requests[0].content

    late = Receiver(endpoint.secrets[0], clock=lambda: START / 1000 + 301)

    assert receiver.genuine(headers, body)
    assert not receiver.genuine(headers, body + b" ")
    assert not receiver.genuine(headers | {"webhook-id": "msg_other"}, body)
    assert not late.genuine(headers, body)


async def test_a_receiver_away_for_an_hour_gets_everything_once_and_in_order(ledger: Ledger) -> None:
    """1,000 records of 60 rooms while the receiver is down; all there within five minutes of its return."""
    endpoint = hook()
    office = Office(ledger, endpoint, take=lambda _: 503)
    receiver = Receiver(endpoint.secrets[0], clock=lambda: office.clock.now / 1000)
    office.wire.take = received_by(receiver)
    receiver.answer = 503
    records = streamed([record(number, room=f"room_{number % 60}") for number in range(1000)])

    for minute in range(60):
        await ledger.archive(records[minute * 17 : minute * 17 + 17], {"north": [endpoint]})
        await office.let_pass(MINUTE)
    asked_in_vain = len(office.wire.requests)
    receiver.answer = None
    await office.let_pass(5 * MINUTE)

    by_room = defaultdict(list)
    for event in receiver.events:
        number = int(event["data"]["visit"].removeprefix("vis_"))
        by_room[number % 60].append(number)
    assert len(receiver.events) == 1000
    assert len({event["data"]["visit"] for event in receiver.events}) == 1000
    assert all(numbers == sorted(numbers) for numbers in by_room.values())
    assert set(await office.states()) == {"done"}
    assert asked_in_vain < 400, "a receiver that is away is not stormed"


async def test_an_answer_that_got_lost_is_repeated_under_the_same_id(ledger: Ledger) -> None:
    endpoint = hook()
    receiver = Receiver(endpoint.secrets[0], clock=lambda: office.clock.now / 1000)
    take = received_by(receiver)

    def lose_the_first(request: httpx.Request) -> int:
        status = take(request)
        if len(office.wire.requests) == 1:
            raise httpx.ReadTimeout("the answer is lost", request=request)
        return status

    office = Office(ledger, endpoint, take=lose_the_first)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.let_pass(10 * SECOND)

    ids = [request.headers["webhook-id"] for request in office.wire.requests]
    assert ids == [ids[0]] * 2
    assert receiver.repeats == 1
    assert len(receiver.events) == 1
    assert (await ledger.deliveries("north", "billing", 1))[0]["tries"] == 2


async def test_a_later_message_of_a_room_waits_for_the_earlier(ledger: Ledger) -> None:
    endpoint = hook()
    seen: list[str] = []

    def refuse_the_first(request: httpx.Request) -> int:
        seen.append(request.headers["webhook-id"])
        return 400 if request.headers["webhook-id"] == seen[0] else 200

    office = Office(ledger, endpoint, take=refuse_the_first)
    await ledger.archive(
        streamed([record(1, room="a"), record(2, room="a"), record(3, room="b")]), {"north": [endpoint]}
    )

    await office.deliver()

    assert await office.states() == ["pending", "pending", "done"]


async def test_tries_come_more_and_more_rarely_and_end_after_three_days(ledger: Ledger) -> None:
    endpoint = hook()
    times: list[int] = []

    def refuse(request: httpx.Request) -> int:
        times.append(office.clock.now - START)
        return 422

    office = Office(ledger, endpoint, take=refuse)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.let_pass(7 * 24 * HOUR)

    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[: len(BACKOFF)] == list(BACKOFF)
    assert set(waits[len(BACKOFF) :]) == {BACKOFF[-1]}
    assert GIVE_UP <= times[-1] <= GIVE_UP + BACKOFF[-1]
    assert await office.states() == ["dead"]


async def test_chance_stretches_the_waits_by_a_fifth_at_most(ledger: Ledger) -> None:
    endpoint = hook()
    times: list[int] = []

    def refuse(request: httpx.Request) -> int:
        times.append(office.clock.now)
        return 422

    office = Office(ledger, endpoint, take=refuse)
    office.chance = 1.0
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.let_pass(HOUR)

    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [wait * 6 // 5 for wait in BACKOFF[: len(waits)]]
    assert len(waits) == 4


async def test_the_oldest_message_of_a_silent_receiver_is_tried_every_two_minutes(ledger: Ledger) -> None:
    endpoint = hook()
    office = Office(ledger, endpoint, take=lambda _: 500)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.let_pass(HOUR)
    tries = len(office.wire.requests)
    await office.let_pass(HOUR)

    assert len(office.wire.requests) - tries == HOUR // PROBE


async def test_410_ends_everything_owed_to_that_endpoint_alone(ledger: Ledger) -> None:
    leaving, staying = hook("leaving", url="https://ehr.example/leaving"), hook()
    office = Office(ledger, leaving, staying, take=lambda request: 410 if request.url.path == "/leaving" else 200)
    await ledger.archive(streamed([record(1), record(2), record(3)]), {"north": [leaving, staying]})

    await office.deliver()

    assert office.gone[0] == ("north", "leaving")
    assert await office.states("leaving") == ["stopped"] * 3
    assert await office.states() == ["done"] * 3


async def test_a_deleted_endpoint_is_owed_nothing(ledger: Ledger) -> None:
    endpoint = hook()
    office = Office(ledger, take=lambda _: 200)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()

    assert office.wire.requests == []
    assert await office.states() == ["stopped"]


async def test_what_was_given_up_can_be_owed_again_under_its_old_id(ledger: Ledger) -> None:
    endpoint = hook()
    office = Office(ledger, endpoint, take=lambda _: 410)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})
    await office.deliver()
    (stopped,) = await ledger.deliveries("north", "billing", 10)

    office.wire.take = lambda _: 200
    found = await ledger.redeliver("north", "billing", stopped["id"])
    foreign = await ledger.redeliver("south", "billing", stopped["id"])
    await office.deliver()

    assert (found, foreign) == (True, False)
    assert [request.headers["webhook-id"] for request in office.wire.requests] == [stopped["id"]] * 2
    assert await office.states() == ["done"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(ledger: Ledger, status: int) -> None:
    endpoint = hook()
    office = Office(ledger, endpoint, take=lambda _: status)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()

    (row,) = await ledger.deliveries("north", "billing", 10)
    assert (row["state"], row["status"], row["error"]) == ("pending", status, "redirect")
    assert len(office.wire.requests) == 1


async def test_the_connection_goes_to_the_address_that_was_checked(ledger: Ledger) -> None:
    endpoint = hook(url="https://ehr.example:8443/hooks?key=1")
    office = Office(ledger, endpoint, take=lambda _: 200)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()

    (request,) = office.wire.requests
    assert str(request.url) == f"https://{PUBLIC}:8443/hooks?key=1"
    assert request.headers["host"] == "ehr.example:8443"
    assert request.extensions["sni_hostname"] == "ehr.example"


async def test_one_closed_address_among_open_ones_closes_the_name(ledger: Ledger) -> None:
    endpoint = hook()
    office = Office(ledger, endpoint, take=lambda _: 200)
    office.addresses = (PUBLIC, "10.0.0.1")
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()

    assert office.wire.requests == []
    assert (await ledger.deliveries("north", "billing", 1))[0]["error"] == "address"


async def test_a_second_address_is_tried_when_the_first_takes_no_connection(ledger: Ledger) -> None:
    endpoint = hook()

    def take(request: httpx.Request) -> int:
        if request.url.host == PUBLIC:
            raise httpx.ConnectError("no route", request=request)
        return 200

    office = Office(ledger, endpoint, take=take)
    office.addresses = (PUBLIC, "2001:4860:4860::8888")
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})

    await office.deliver()

    assert [request.url.host for request in office.wire.requests] == [PUBLIC, "2001:4860:4860::8888"]
    assert await office.states() == ["done"]


async def test_a_receiver_that_hangs_holds_up_no_other(ledger: Ledger) -> None:
    hanging, quick = hook("hanging", url="https://ehr.example/hang"), hook()
    arrived = asyncio.Event()

    class Network(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/hang":
                await asyncio.Event().wait()
            arrived.set()
            return httpx.Response(200)

    endpoints = {endpoint.id: endpoint for endpoint in (hanging, quick)}

    async def endpoint(practice: str, webhook: str) -> Endpoint:
        return endpoints[webhook]

    async def gone(practice: str, webhook: str) -> None: ...

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC]

    courier = Courier(
        ledger, endpoint, nodes=OneNode(), node="n1", clock=HandClock(), gone=gone,
        transport=Network(), resolve=resolve, every=0.01,
    )  # fmt: skip
    await ledger.archive(streamed([record(1)]), {"north": [hanging]})
    async with courier:
        await ledger.archive(streamed([record(2)]), {"north": [quick]})
        courier.wake()
        await asyncio.wait_for(arrived.wait(), 10)

    assert (await ledger.deliveries("north", "hanging", 1))[0]["state"] == "pending"


def everyday(ledger: Ledger, target: Endpoint, clock: HandClock, **more: Any) -> Courier:
    """A courier with the transport of every day."""

    async def endpoint(practice: str, webhook: str) -> Endpoint:
        return target

    async def gone(practice: str, webhook: str) -> None: ...

    return Courier(ledger, endpoint, nodes=OneNode(), node="n1", clock=clock, gone=gone, allow_private=True, **more)


async def test_over_a_real_socket(ledger: Ledger) -> None:
    secret, clock = new_secret(), HandClock()
    async with Receiver(secret, clock=lambda: clock.now / 1000) as receiver:
        target = hook(secrets=(secret,), url=receiver.url.replace("127.0.0.1", "localhost"))
        await ledger.archive(streamed([record(number) for number in range(20)]), {"north": [target]})

        async with everyday(ledger, target, clock):
            await receiver.wait_for("record.created", count=20)

    assert (receiver.refused, receiver.repeats) == (0, 0)


async def test_no_connection_serves_two_messages(ledger: Ledger) -> None:
    """One that was opened for one name must not carry another's message to the same address."""
    connections = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(b"HTTP/1.1 204 Kept\r\nconnection: keep-alive\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    target = hook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await ledger.archive(streamed([record(number, room="one") for number in range(3)]), {"north": [target]})

    async with server:
        courier = everyday(ledger, target, HandClock())
        while await courier.once():
            pass

    assert {row["state"] for row in await ledger.deliveries("north", "billing", 10)} == {"done"}
    assert connections == 3


async def test_the_certificate_is_held_against_the_name_though_the_address_is_called(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Two endpoints at one address: of the certificate's own name, and of another."""
    certificate = trustme(tmp_path, "ehr.example")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    secret, clock = new_secret(), HandClock()
    receiver = Receiver(secret, clock=lambda: clock.now / 1000)
    server = await asyncio.start_server(receiver.answer_one, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def error_of(host: str) -> str | None:
        target = hook(host, secrets=(secret,), url=f"https://{host}:{port}/")
        await ledger.archive([(0, f"{host}-0", notice(1))], {"north": [target]})
        transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(certificate)))
        courier = everyday(ledger, target, clock, transport=transport, resolve=resolve)
        while await courier.once():
            pass
        await transport.aclose()
        error: str | None = (await ledger.deliveries("north", host, 1))[0]["error"]
        return error

    async with server:
        assert await error_of("ehr.example") is None
        assert await error_of("other.example") == "connection"

    assert len(receiver.events) == 1


async def test_neither_logs_nor_reprs_tell_secrets_or_people(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = hook(url="https://ehr.example/hooks?token=hunter2")
    office = Office(ledger, endpoint, take=lambda _: 500)
    await ledger.archive(streamed([record(1)]), {"north": [endpoint]})
    (due,) = await ledger.due(START, 10)

    await office.deliver()

    told = caplog.text + repr(endpoint) + repr(due) + repr(office.courier)
    assert "webhook billing of north: status, 500" in told
    assert CANARY.encode() in due.body
    for secret in (CANARY, "hunter2", endpoint.secrets[0], endpoint.secrets[0].removeprefix(PREFIX)):
        assert secret not in told
