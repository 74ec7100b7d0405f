"""The live state in Redis: opened only if store and node fit together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from server.crypto import NAMES_SECRET_BYTES, Names, SealBroken, Sealer
from server.ports import PARTITIONS
from server.ports.documents import Documents, Secrets
from server.ports.nodes import Nodes
from server.ports.outbox import Outbox
from server.ports.rooms import RoomStore
from server.redis_link.address import NAME, Address, BadStoreUrl
from server.redis_link.client import Calls
from server.redis_link.faults import Moved
from server.redis_link.keys import agreed_key, probe_key
from server.redis_link.links import Links, links_to
from server.redis_link.patience import ATTEMPT, TOTAL
from server.redis_link.pipe import Commands
from server.store.redis_documents import RedisDocuments
from server.store.redis_nodes import RedisNodes
from server.store.redis_outbox import RedisOutbox
from server.store.redis_rooms import RedisRooms
from server.store.redis_secrets import RedisSecrets


class WrongNeighbour(Exception):
    """Other nodes use this store with settings that do not go together with ours."""


@dataclass(frozen=True, slots=True)
class RedisStore:
    """The store's ports."""

    rooms: RoomStore
    documents: Documents
    secrets: Secrets
    nodes: Nodes
    outbox: Outbox
    sealer: Sealer
    links: Links

    @property
    def address(self) -> Address:
        """Where news is listened to."""
        return self.links.address

    @property
    def pipe(self) -> Commands:
        """What a click waits for."""
        return self.links.pipe

    async def ping(self) -> None:
        """Return if all servers that have rooms take writes. Raise `StoreAway`, or `StoreFault`.

        The write writes nothing. It is refused by a server that is a replica, misses the replicas its configuration
        demands (`min-replicas-to-write`), is full, cannot write to its disk, or has lost the rest of its cluster.
        """
        keys = [probe_key(partition) for partition in range(PARTITIONS)]
        await self.links.client.everywhere(keys, lambda redis, key: redis.setrange(key, 0, ""))

    async def close(self) -> None:
        """Drop all connections; calls that still wait end with `StoreAway`."""
        await self.links.close()


async def connect(
    url: str,
    sealer: Sealer,
    *,
    random: Callable[[int], bytes] = os.urandom,
    attempt: float = ATTEMPT,
    total: float = TOTAL,
) -> RedisStore:
    """Open the store at `url`. Raise `BadStoreUrl`, `StoreAway`, `StoreFault` or `WrongNeighbour`.

    `attempt`: seconds that the server may be silent; `total`: seconds within which every call ends.
    """
    links = links_to(url, attempt=attempt, total=total)
    pipe, client = links.pipe, links.client
    try:
        nodes = RedisNodes(client)
        await _same_partitions(nodes)
        names = await _names(client, nodes, sealer, random)
    except Moved:
        await links.close()
        raise BadStoreUrl(f"{NAME} leads to a cluster: begin it with redis+cluster:// or rediss+cluster://.") from None
    except BaseException:
        await links.close()
        raise
    return RedisStore(
        rooms=RedisRooms(pipe, client, sealer, names, random=random),
        documents=RedisDocuments(pipe, client, sealer, names),
        secrets=RedisSecrets(client, sealer),
        nodes=nodes,
        outbox=RedisOutbox(client, sealer),
        sealer=sealer,
        links=links,
    )


async def _same_partitions(nodes: RedisNodes) -> None:
    there = await nodes.agree("partitions", str(PARTITIONS))
    if there != str(PARTITIONS):
        raise WrongNeighbour(f"The store has {there} partitions and this version {PARTITIONS}: they cannot share it.")


async def _names(client: Calls, nodes: RedisNodes, sealer: Sealer, random: Callable[[int], bytes]) -> Names:
    """Return the store's own secret for names; that it can be opened shows that the keyrings go together."""
    name = "names"
    fresh = sealer.seal(0, name, 0, random(NAMES_SECRET_BYTES)).hex()
    sealed = bytes.fromhex(await nodes.agree(name, fresh))
    try:
        secret = sealer.open(0, name, 0, sealed)
    except SealBroken:
        raise WrongNeighbour(
            "The store was sealed with another keyring: set CARELOBBY_SECRET_KEYS to one that holds its key."
        ) from None
    if not sealer.is_current(sealed):
        # The keyring was rotated. The same secret under the new key, so that the old one can go some day.
        anew = sealer.seal(0, name, 0, secret).hex()
        await client.ask(agreed_key(name), lambda redis: redis.set(agreed_key(name), anew))
    return Names(secret)
