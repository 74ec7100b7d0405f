"""Makes the servers known here that several folders' tests share: each is started once."""

from tests.server.store.fixtures import sealer, started

__all__ = ["sealer", "started"]
