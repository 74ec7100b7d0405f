"""Redis over TCP and TLS: through a small front before the unix socket, since the test's server speaks no TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.crypto import Sealer
from server.ports import StoreAway
from server.ports.rooms import Stored
from server.store import redis
from tests.server.store.test_rooms import change
from tests.server.store.valkey import Valkey


def certificate(directory: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "cert.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@asynccontextmanager
async def front(server: Valkey, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Pass TCP connections on to the server's socket; yields the port."""
    passing: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(server.path)
        for way in (copy(reader, to_server), copy(from_server, writer)):
            passing.add(asyncio.create_task(way))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await asyncio.gather(*passing)


async def test_tcp_serves_as_well_as_a_unix_socket(server: Valkey, sealer: Sealer) -> None:
    async with front(server, None) as port:
        store = await redis.connect(f"redis://127.0.0.1:{port}", sealer)
        await store.rooms.commit("r1", change(0))
        assert await store.rooms.load("r1") == Stored(1, b"room 1")
        await store.close()


async def test_tls_is_spoken_with_a_server_whose_certificate_is_trusted_and_with_no_other(
    server: Valkey, sealer: Sealer, tmp_path: Path
) -> None:
    path = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    async with front(server, context) as port:
        store = await redis.connect(f"rediss://127.0.0.1:{port}?ssl_ca_certs={path}", sealer)
        await store.rooms.commit("r1", change(0))
        assert await store.rooms.load("r1") == Stored(1, b"room 1")
        await store.close()

        with pytest.raises(StoreAway):
            await redis.connect(f"rediss://127.0.0.1:{port}", sealer, attempt=0.2, total=0.5)
