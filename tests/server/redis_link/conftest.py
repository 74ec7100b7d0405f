"""Makes the shared fixtures known here."""

from tests.server.store.fixtures import live, redis_store, sealer, server, store

__all__ = ["live", "redis_store", "sealer", "server", "store"]
