"""Three sentinels over a primary and two replicas, of the program that comes along: up in about a second.

What sentinels find out in several seconds, that they and the replicas exist, stands in their files from the start.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from tests.server.store.valkey import Ports, Valkey, packaged, until

SERVICE: Final = "care"
SOON: Final = 500
"""Milliseconds of silence after which a sentinel takes a server for gone, where one is killed."""
LATE: Final = 5000
"""The same where none is, so that a busy machine is not taken for a dead one."""


class Trio:
    """The servers, of which each may be killed, and the sentinels."""

    def __init__(self, down_after: int = SOON) -> None:
        self._down_after = down_after
        settings = ("--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0")
        self._ports = Ports(6)
        ports = self._ports.numbers[3:]
        self.servers = [Valkey(*settings, port=port) for port in self._ports.numbers[:3]]
        self.sentinels: list[Valkey] = []
        self.url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/{SERVICE}"
        ids = [secrets.token_hex(20) for _ in ports]
        for port, own in zip(ports, ids, strict=True):
            sentinel = Valkey(binary=packaged(), port=port)
            file = sentinel.directory / "sentinel.conf"
            others = [(other, id) for other, id in zip(ports, ids, strict=True) if id != own]
            file.write_text(self._file(own, port, others))
            sentinel._command = [packaged(), str(file), "--sentinel"]
            self.sentinels.append(sentinel)

    def start(self) -> None:
        """Return when a replica has everything and all sentinels know the primary."""
        first, *others = self.servers
        first.start()
        for server in (*others, *self.sentinels):
            server.begin(*(("--replicaof", f"127.0.0.1 {first.port}") if server in others else ()))
        for server in (*others, *self.sentinels):
            server.wait()
        self.settle()

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()
        self._ports.close()

    @property
    def primary(self) -> Valkey:
        """The server that the sentinels agree on, and that says so itself."""

        def found() -> Valkey | None:
            said = {
                tuple(sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE) or ())
                for sentinel in self.sentinels
            }
            for server in self.servers:
                if said == {(b"127.0.0.1", b"%d" % server.port)} and server.runs:
                    return server if server.told("replication")["role"] == "master" else None
            return None

        return until(found, "the sentinels do not agree")

    def settle(self) -> None:
        """Start what was killed, and return when all replicas follow the primary and have all it has."""
        until(lambda: all(said["flags"] == "master" for said in self._said()), "a failover does not end")
        for server in self.servers:
            if not server.runs:
                server.start("--replicaof", f"127.0.0.1 {self.primary.port}")
        until(self._follow, "the replicas do not follow")
        until(
            lambda: all(
                (said["flags"], said["num-other-sentinels"], said["num-slaves"]) == ("master", "2", "2")
                for said in self._said()
            ),
            "the sentinels do not see all",
        )

    def _follow(self) -> bool:
        """Whether both replicas follow the primary and have what is written now."""
        primary = self.primary
        told = [server.told("replication") for server in self.servers if server is not primary]
        if any((each.get("master_port"), each.get("master_link_status")) != (str(primary.port), "up") for each in told):
            return False
        return bool(primary.commands(("SET", "copied", "1"), ("DEL", "copied"), ("WAIT", 2, 200))[-1] == 2)

    def _said(self) -> list[dict[str, str]]:
        """What each sentinel says of the primary."""
        told = [sentinel.command("SENTINEL", "MASTER", SERVICE) for sentinel in self.sentinels]
        return [{name.decode(): value.decode() for name, value in zip(t[::2], t[1::2], strict=True)} for t in told]

    def command(self, *command: str | bytes | int) -> Any:
        """Send a command to the primary."""
        return self.primary.command(*command)

    def at(self, key: str) -> Valkey:
        """Return the server that has the key: the primary."""
        return self.primary

    def everywhere(self, *command: str | int) -> list[Any]:
        """Send a command to the primary."""
        return [self.command(*command)]

    def flush(self) -> None:
        """Forget everything."""
        self.command("FLUSHALL")

    def pass_time(self, ms: int) -> None:
        """Bring the end of all keys nearer, as if `ms` had passed."""
        self.primary.pass_time(ms)

    def _file(self, own: str, port: int, others: list[tuple[int, str]]) -> str:
        primary, *replicas = self.servers
        return "\n".join(
            (
                f"port {port}",
                "bind 127.0.0.1",
                "protected-mode no",
                f"sentinel myid {own}",
                f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2",
                f"sentinel down-after-milliseconds {SERVICE} {self._down_after}",
                f"sentinel failover-timeout {SERVICE} 3000",
                *(f"sentinel known-replica {SERVICE} 127.0.0.1 {replica.port}" for replica in replicas),
                *(f"sentinel known-sentinel {SERVICE} 127.0.0.1 {other} {id}" for other, id in others),
                "",
            )
        )
