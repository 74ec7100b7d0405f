"""A cluster of three primaries with a replica each, of the program that comes along: up in about three seconds.

Each server is given the file in which it would keep what it knows of the cluster, so that none has to be introduced.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from redis.crc import key_slot

from tests.server.store.valkey import Ports, Valkey, until

SOON: Final = 1000
"""Milliseconds of silence after which a server is taken for gone, where one is killed."""
LATE: Final = 5000
"""The same where none is, so that a busy machine is not taken for a dead one."""
SLOTS: Final = (range(0, 5461), range(5461, 10923), range(10923, 16384))


class Six:
    """The servers, of which each may be killed."""

    def __init__(self, down_after: int = SOON) -> None:
        self._down_after = down_after
        self._reserved = Ports(12)
        ports = self._reserved.numbers
        self._ports = list(zip(ports[:6], ports[6:], strict=True))
        self._ids = [secrets.token_hex(20) for _ in self._ports]
        self.servers = [self._server(number) for number in range(6)]
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port, _ in self._ports[:3])}"

    def start(self) -> None:
        """Return when the cluster takes writes and each primary has its replica."""
        for server in self.servers:
            server.begin()
        for server in self.servers:
            server.wait()
        self.settle()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
        self._reserved.close()

    @property
    def primaries(self) -> list[Valkey]:
        """The servers that have slots, as those that run see it."""
        return [server for server in self.servers if server.runs and server.told("replication")["role"] == "master"]

    def settle(self) -> None:
        """Start what was killed, and return when every slot has a primary and every primary a replica."""
        for server in self.servers:
            if not server.runs:
                server.start()

        def well() -> bool:
            primaries = self.primaries
            told = [server.command("CLUSTER", "INFO").decode() for server in self.servers]
            return (
                len(primaries) == 3
                and all("cluster_state:ok" in each and "cluster_slots_fail:0" in each for each in told)
                and all("state=online" in str(server.told("replication")) for server in primaries)
                and all(
                    len(
                        {
                            line.split()[0]
                            for line in server.command("CLUSTER", "NODES").decode().splitlines()
                            if "fail" not in line and "disconnected" not in line
                        }
                    )
                    == 6
                    for server in self.servers
                )
            )

        until(well, "the cluster does not come up", 30)

    def at(self, key: str) -> Valkey:
        """Return the primary that has the key."""
        slot = key_slot(key.encode())
        ports = {port: server for server in self.servers if (port := server.port)}
        for first, last, (_, port, *_), *_ in self.servers[0].command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return ports[port]
        raise AssertionError("nobody has the slot")

    def everywhere(self, *command: str | int) -> list[Any]:
        """Send a command to all primaries."""
        return [server.command(*command) for server in self.primaries]

    def flush(self) -> None:
        """Forget everything."""
        self.everywhere("FLUSHALL")

    def pass_time(self, ms: int) -> None:
        """Bring the end of all keys nearer, as if `ms` had passed."""
        for server in self.primaries:
            server.pass_time(ms)

    def _server(self, number: int) -> Valkey:
        port, bus = self._ports[number]
        settings = {
            "--cluster-enabled": "yes",
            "--cluster-config-file": "nodes.conf",
            "--cluster-port": str(bus),
            "--cluster-node-timeout": str(self._down_after),
            "--cluster-replica-validity-factor": "0",
            "--repl-diskless-sync-delay": "0",
            "--appendonly": "yes",
        }
        server = Valkey(*(word for pair in settings.items() for word in pair), port=port)
        (server.directory / "nodes.conf").write_text(self._known_to(number))
        return server

    def _known_to(self, own: int) -> str:
        """Return the cluster as one server keeps it: the first three have the slots, each of the others follows one."""
        lines = []
        for number, ((port, bus), id) in enumerate(zip(self._ports, self._ids, strict=True)):
            myself = "myself," if number == own else ""
            if number < 3:
                slots = SLOTS[number]
                rest = f"{myself}master - 0 0 {number + 1} connected {slots[0]}-{slots[-1]}"
            else:
                rest = f"{myself}slave {self._ids[number - 3]} 0 0 {number - 2} connected"
            lines.append(f"{id} 127.0.0.1:{port}@{bus} {rest}")
        return "\n".join((*lines, "vars currentEpoch 3 lastVoteEpoch 0", ""))
