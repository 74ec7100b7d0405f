"""A real TURN server on loopback, with the configuration that docs/deploy.md gives to operators."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aioice.ice import get_host_addresses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.store.embedded import BECOME_SERVER
from tests.server.store.valkey import Ports
from tests.stories.media_peer import until

ROOT: Final = Path(__file__).resolve().parents[1]
HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Coturn:
    """Where it listens, the secret that it shares with the service, and what it says."""

    plain: int
    """The port for UDP and TCP."""
    tls: int
    secret: str
    log: Path

    def url(self, transport: str) -> str:
        """Return its address for browsers, by `udp`, `tcp` or `tls`."""
        if transport == "tls":
            return f"turns:{HOST}:{self.tls}?transport=tcp"
        return f"turn:{HOST}:{self.plain}?transport={transport}"

    def environment(self, *transports: str) -> dict[str, str]:
        """Return what tells a service of it."""
        servers = [{"urls": [self.url(transport) for transport in transports], "secret": self.secret}]
        return {"CARELOBBY_ICE_SERVERS": json.dumps(servers)}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Coturn]:
    """Run one, until the end of the block; all its files are in `folder`."""
    binary = shutil.which("turnserver")
    assert binary, "python3 run.py test installs coturn, or says how"
    ports = Ports(2)
    plain, tls = ports.numbers
    turn = Coturn(plain, tls, "a-secret-of-these-tests", folder / "coturn.log")
    certify(folder)
    changes = {
        "listening-ip": HOST,
        "relay-ip": HOST,
        "listening-port": plain,
        "tls-listening-port": tls,
        "cert": folder / "cert.pem",
        "pkey": folder / "key.pem",
        "static-auth-secret": turn.secret,
    }
    more = [f"allowed-peer-ip={address}" for address in own_addresses()]
    more += ["allow-loopback-peers", "log-file=stdout", f"pidfile={folder}/pid", f"userdb={folder}/turndb"]
    file = folder / "turnserver.conf"
    file.write_text(rewritten(documented(), changes) + "\n".join(more) + "\n")
    command = [sys.executable, "-I", "-S", "-c", BECOME_SERVER, str(os.getpid()), binary, "-c", str(file)]
    with turn.log.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        await until(lambda: process.poll() is not None or all(map(listens, (plain, tls))))
        assert process.poll() is None, turn.log.read_text()[-2000:]
        yield turn
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)
        ports.close()


def documented() -> str:
    """Return the configuration that operators are told to use."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    (block,) = re.findall(r"^```\n(realm=.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(block)


def rewritten(configuration: str, changes: Mapping[str, Any]) -> str:
    """Return a configuration with other values for what is already in it; what it says of nodes is left out."""
    lines = [line for line in configuration.splitlines() if not line.startswith("allowed-peer-ip=")]
    names = [line.partition("=")[0] for line in lines]
    assert changes.keys() <= set(names), "what operators are not told to set, tests do not set"
    lines = [f"{name}={changes[name]}" if name in changes else line for name, line in zip(names, lines, strict=True)]
    return "\n".join(lines) + "\n"


def own_addresses() -> list[str]:
    """Return where nodes on this machine listen for media."""
    return [*get_host_addresses(use_ipv4=True, use_ipv6=False), HOST]


def listens(port: int) -> bool:
    """Tell whether somebody does at that TCP port."""
    with socket.socket() as knocking:
        return knocking.connect_ex((HOST, port)) == 0


def certify(folder: Path) -> None:
    """Make a key, and a certificate that is signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
