"""All connections to the store, whatever it is made of: one server, a service with sentinels, a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from server.redis_link.address import Address
from server.redis_link.client import Calls, Client
from server.redis_link.cluster import AnyNode, Map
from server.redis_link.cluster_client import ClusterClient
from server.redis_link.cluster_pipe import ClusterPipe
from server.redis_link.pipe import Commands, Pipe
from server.redis_link.url import Seeds, place_of


@dataclass(frozen=True, slots=True)
class Links:
    """The three ways: what a click waits for, all else, and where to listen to news."""

    pipe: Commands
    client: Calls
    address: Address
    map: Map | None = None

    async def close(self) -> None:
        """Drop all connections; calls that still wait end with `StoreAway`."""
        if self.map is not None:
            await self.map.close()
        await self.pipe.close()
        await self.client.close()


def links_to(url: str, *, attempt: float, total: float) -> Links:
    """Return the ways to the store at `url`; none is opened yet. Raise `BadStoreUrl`."""
    place = place_of(url)
    if not isinstance(place, Seeds):
        return Links(Pipe(place, attempt=attempt, total=total), Client(place, attempt=attempt, total=total), place)
    map = Map(place.addresses, attempt)
    return Links(
        ClusterPipe(map, attempt=attempt, total=total),
        ClusterClient(map, attempt=attempt, total=total),
        AnyNode(map),
        map,
    )
