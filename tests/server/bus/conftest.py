"""Makes the shared fixtures known here."""

from tests.server.store.fixtures import live, redis_store, server, servers, store

__all__ = ["live", "redis_store", "server", "servers", "store"]
