"""Where a room's media are at home: every node finds the same place, from what all tell of themselves.

Each room has an order of its own in which it likes the nodes (rendezvous hashing). So rooms spread evenly, and when a
node comes or goes, only its own share of them moves. Whoever is full comes after all who have room, and whoever drains
after those: they carry a room that has nowhere else to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from server.ports.nodes import Load


def order(room: str, loads: Mapping[str, Load]) -> list[str]:
    """Return these nodes, the one that is to carry the room's media first."""

    def place(node: str) -> tuple[bool, int, int]:
        load = loads[node]
        # Of those that are full the least loaded.
        busy = 0 if takes(load) else 1 + load.visits
        return load.draining, busy, -_liking(room, node)

    return sorted(loads, key=place)


def home(room: str, loads: Mapping[str, Load]) -> str | None:
    """Return the node that is to carry the room's media; None: there is no node."""
    return next(iter(order(room, loads)), None)


def takes(load: Load) -> bool:
    """Tell whether a node with that load takes another visit."""
    return load.free > 0 and not load.draining


def _liking(room: str, node: str) -> int:
    # No CRC: it is linear, so its values for two nodes differ by the same bits in every room, and some node never wins.
    return int.from_bytes(blake2b(f"{room} {node}".encode(), digest_size=8).digest(), "big")
