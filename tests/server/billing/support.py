"""What tests of billing share: a clock moved by hand, and a network that ends at a receiver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from loadtests.receiver import Receiver
from server.billing.courier import Courier
from server.billing.webhooks import Endpoint, new_secret
from server.ledger.ledger import Ledger
from tests.server.ledger.support import OneNode

START = 1_800_000_000_000
PUBLIC = "8.8.8.8"


class HandClock:
    """Milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Wire(httpx.AsyncBaseTransport):
    """Hands each request to `take`, and remembers it."""

    def __init__(self, take: Callable[[httpx.Request], int]) -> None:
        self.take = take
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return httpx.Response(self.take(request))


def received_by(receiver: Receiver) -> Callable[[httpx.Request], int]:
    return lambda request: receiver.accept({k.lower(): v for k, v in request.headers.items()}, request.content)


def hook(
    id: str = "billing", *, secrets: tuple[str, ...] | None = None, url: str = "https://ehr.example/hooks"
) -> Endpoint:
    return Endpoint(id=id, url=url, secrets=secrets or (new_secret(),))


class Office:
    """A practice's webhooks, its courier and the network, in one place."""

    def __init__(self, ledger: Ledger, *endpoints: Endpoint, take: Callable[[httpx.Request], int]) -> None:
        self.ledger = ledger
        self.clock = HandClock()
        self.chance = 0.0
        """What chance says: 0 to 1."""
        self.wire = Wire(take)
        self.endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        self.gone: list[tuple[str, str]] = []
        self.addresses: Sequence[str] = (PUBLIC,)
        self.courier = Courier(
            ledger,
            self._endpoint,
            nodes=OneNode(),
            node="n1",
            clock=self.clock,
            gone=self._gone,
            transport=self.wire,
            resolve=self._resolve,
            chance=lambda: self.chance,
        )

    async def _endpoint(self, practice: str, webhook: str) -> Endpoint | None:
        return self.endpoints.get(webhook)

    async def _gone(self, practice: str, webhook: str) -> None:
        self.gone.append((practice, webhook))

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        return self.addresses

    async def deliver(self) -> None:
        """Go round until nothing is due."""
        while await self.courier.once():
            pass

    async def let_pass(self, span: int) -> None:
        """Let `span` ms go by, delivering whenever something falls due."""
        end = self.clock.now + span
        await self.deliver()
        while (due := await self._next_due()) is not None and due <= end:
            self.clock.now = due
            await self.deliver()
        self.clock.now = end

    async def _next_due(self) -> int | None:
        """When the next delivery falls due; those that wait for an earlier one of their room do not count."""
        query = "SELECT min(due) FROM deliveries WHERE state = 'pending' AND due > :now"
        async with self.ledger._database.reading() as connection:
            return (await connection.execute(text(query), {"now": self.clock.now})).scalar()

    async def states(self, webhook: str = "billing") -> list[str]:
        """The states of its deliveries, oldest first."""
        return [row["state"] for row in reversed(await self.ledger.deliveries("north", webhook, 1000))]


def trustme(directory: Path, name: str) -> Path:
    """Write a certificate of `name`, signed by itself, and its key into one file; return where."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
