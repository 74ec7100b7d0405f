"""What the shell needs of the outside, as small interfaces; adapters lie beside, `server/app.py` joins them.

All bytes handed to a store are plain: its adapter seals each value (`server/crypto`) with the name of its key and
its version as associated data, and opens it again. Nothing else ever sees a sealed value.
"""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]
"""The store's time as this node estimates it, in milliseconds; never this machine's wall clock."""

PARTITIONS = 64


class StoreAway(Exception):
    """The store did not answer in time. Whether a commit was saved is unknown: ask again with its request id."""
