"""Who carries a visit's media: one node, by a lease that holds while that node lives.

Every node pulses twice a second, and by the same call hears when all others did. So the lives of all leases cost one
call per node, however many visits there are. A node that was silent for `DEAD_AFTER` has lost its visits: whichever
node has people of them takes each over, with a higher fence, and of several takers the store lets one win. "Alive
until", for the minutes, is the last pulse.

Two silences are no death. When the store was away nobody could pulse: whoever notices that takes nothing over for
`WAIT_AFTER_OUTAGE`. And a node that was frozen, or cut off, asks after its own visits before all else, and again until
everybody has heard that it is back, and lets go of those that others have by now.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

from server import tasks
from server.ports import StoreAway
from server.ports.nodes import IDLE, Carried, Load, Nodes, Pulses
from signaling.errors import SignalingError

logger = logging.getLogger("carelobby.leases")

EVERY: Final = 0.5
"""Seconds between two pulses."""
DEAD_AFTER: Final = 2_000
"""Milliseconds of the store's time without a pulse."""
NOTICED: Final = 1.25
"""Seconds without an answer after which the store may have been away. What others missed meanwhile is no death, and
with a pulse's distance it is still less than `DEAD_AFTER`."""
WAIT_AFTER_OUTAGE: Final = 5.0
MOST_ELSEWHERE: Final = 10_000
"""Visits carried elsewhere that are watched."""


class Leases:
    """The visits that this node carries, and those that it knows to be carried elsewhere."""

    def __init__(
        self,
        nodes: Nodes,
        *,
        node: str,
        taken: Callable[[str, str, Carried], Awaitable[None]],
        lost: Callable[[str], None],
        here: Callable[[str], bool],
        load: Callable[[], Load] = lambda: IDLE,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`taken` is awaited with (visit, room, lease) before anything is done for a visit that came to this node.

        `lost` hears of a visit that another node has taken. `here`: whether this node has people of a room.
        `load`: what this node tells all others of itself.
        """
        self._nodes = nodes
        self._node = node
        self._taken = taken
        self._lost = lost
        self._here = here
        self._load = load
        self._steady = steady
        self._mine: dict[str, Carried] = {}
        self._elsewhere: OrderedDict[str, tuple[str, Carried]] = OrderedDict()
        """(room, lease) by visit."""
        self._pulses = Pulses(0, {})
        self._known_pulses: dict[str, int] = {}
        """Of every node that was ever heard. A store that was made anew has forgotten them."""
        self._first_heard: dict[str, int] = {}
        """When this node first heard of one that it has seen no pulse of."""
        self._answered: float | None = None
        self._unanswered: float | None = None
        """Since when the store has not answered; None: it has."""
        self._blind_until = 0.0
        self._doubtful_until = -math.inf
        """Until when others may take what this node carries; not over before it has looked once more."""
        self._doubtful = False
        self._buried: set[str] = set()
        self._takings: dict[str, asyncio.Task[None]] = {}
        self._running: asyncio.Task[None] | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- What is known, without asking

    def fence(self, visit: str) -> int | None:
        """Return the fence by which this node carries a visit; None: it does not."""
        lease = self._mine.get(visit)
        return lease.fence if lease is not None else None

    def others(self) -> list[str]:
        """Return the other nodes that pulse, by name."""
        return sorted(node for node in self._pulses.last if node != self._node and not self.is_dead(node))

    def loads(self) -> dict[str, Load]:
        """Return how much every node that lives has to do, this one included."""
        told = self._pulses.loads
        return {node: told.get(node, IDLE) for node in self.others()} | {self._node: self._load()}

    def is_dead(self, node: str) -> bool:
        """Tell whether a node is certainly silent, and not merely unheard."""
        if node in self._buried:
            return True
        if node == self._node or self._answered is None or self._steady() < self._blind_until:
            return False
        if self._steady() - self._answered > NOTICED:
            return False  # it may have come back since
        return self._pulses.now - self.alive_until(node) > DEAD_AFTER

    def alive_until(self, node: str) -> int:
        """Return when a node last pulsed, as far as this one heard."""
        pulse = self._known_pulses.get(node)
        # One that is new may have come after our last pulse: it is silent only from when it was first heard of.
        return pulse if pulse is not None else self._first_heard.setdefault(node, self._pulses.now)

    def away_for(self) -> float:
        """Return for how many seconds the store has left pulses unanswered; 0 if it answered the last one."""
        return 0.0 if self._unanswered is None else self._steady() - self._unanswered

    # --- Finding a carrier

    async def found(self, visit: str) -> Carried | None:
        """Return who carries a visit, or carried it until they died; None: nobody. Raise `StoreAway`."""
        known = self._mine.get(visit) or self._known(visit)
        return known or (await self._nodes.carriers([visit])).get(visit)

    async def where(self, visit: str, room: str, *, floor: int = 0, anew: bool = False) -> Carried:
        """Return who carries a visit: this node, if nobody did, or if who did is dead. Raise `StoreAway`.

        `floor`: the highest fence that the room has seen. `anew`: whoever is known to carry it did not answer.
        """
        async with self._turn(visit):
            there = self._mine.get(visit) or (None if anew else self._known(visit))
            gone = False
            if there is None:
                there = await self._nodes.claim(visit, self._node, floor=floor)
                # Of the buried even who has just come, and cannot tell the silent from the unheard, need not wait.
                gone = there.node != self._node and there.node not in await self._nodes.all()
            if gone or self.is_dead(there.node):
                there = await self._nodes.claim(visit, self._node, over=there, floor=max(floor, there.fence))
            await self._note(visit, room, there)
            return there

    async def take(self, visit: str, room: str, over: Carried) -> Carried:
        """Take a visit over from a node that hands it over. Raise `StoreAway`."""
        async with self._turn(visit):
            there = await self._nodes.claim(visit, self._node, over=over)
            await self._note(visit, room, there)
            return there

    def gave(self, visit: str, room: str, node: str) -> None:
        """Note that a visit was handed over."""
        lease = self._mine.pop(visit, None)
        if lease is not None:
            self.watch(visit, room, Carried(node, lease.fence + 1))

    def watch(self, visit: str, room: str, there: Carried) -> None:
        """Note who carries a visit elsewhere, so that it is taken over should that node die."""
        known = self._known(visit)
        if there.node != self._node and visit not in self._mine and (known is None or known.fence < there.fence):
            self._elsewhere[visit] = room, there
            self.alive_until(there.node)
            while len(self._elsewhere) > MOST_ELSEWHERE:
                self._elsewhere.popitem(last=False)

    def forget(self, visit: str) -> None:
        """Forget what was known of a visit elsewhere: it was wrong, or is over."""
        self._elsewhere.pop(visit, None)

    def drop(self, visit: str) -> bool:
        """Carry a visit no more, from this moment; tell whether there is something to `release`."""
        self.forget(visit)
        return self._mine.pop(visit, None) is not None

    async def release(self, visit: str) -> None:
        """Let the store know of a visit that was dropped, if it has not come back meanwhile. Raise `StoreAway`."""
        async with self._turn(visit):
            if visit not in self._mine:
                await self._nodes.release(visit, self._node)

    def bury(self, node: str) -> None:
        """Note that a node is certainly gone: this directory's last process."""
        self._buried.add(node)

    async def _note(self, visit: str, room: str, there: Carried) -> None:
        if there.node != self._node:
            self.watch(visit, room, there)
        elif self._mine.get(visit) != there:
            try:
                await self._taken(visit, room, there)
            except SignalingError:  # it has ended
                with suppress(StoreAway):
                    await self._nodes.release(visit, self._node)
                raise
            self._elsewhere.pop(visit, None)
            self._mine[visit] = there

    def _known(self, visit: str) -> Carried | None:
        found = self._elsewhere.get(visit)
        return found[1] if found is not None else None

    def _turn(self, visit: str) -> asyncio.Lock:
        return self._turns.setdefault(visit, asyncio.Lock())

    # --- Time

    async def __aenter__(self) -> Self:
        """Begin to pulse. Raise `StoreAway`."""
        await self.tick()
        self._running = asyncio.create_task(self._run(), name="pulse")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pulse no more, and let go of everything."""
        await tasks.end(*self._takings.values(), *([self._running] if self._running else []))
        with suppress(StoreAway):
            for visit in tuple(self._mine):
                self.drop(visit)
                await self.release(visit)
            await self._nodes.hush(self._node)

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except StoreAway:
                pass
            except Exception as error:  # noqa: BLE001 - all visits of this node hang on this task
                logger.error("a pulse failed: %s", type(error).__name__)  # noqa: TRY400
            await asyncio.sleep(EVERY)

    async def tick(self) -> None:
        """Pulse once; let go of what was lost, and begin to take over what the dead have left. Raise `StoreAway`."""
        try:
            pulses = await self._nodes.pulse(self._node, self._load())
        except StoreAway:
            # From the first that failed, not from the last that did not: a process that was frozen asked nobody.
            self._unanswered = self._steady() if self._unanswered is None else self._unanswered
            raise
        now = self._steady()
        self._unanswered = None
        if self._answered is None or now - self._answered > NOTICED:
            self._blind_until = now + WAIT_AFTER_OUTAGE
            # Others may bury this node until they hear that it is back.
            self._doubtful, self._doubtful_until = True, now + NOTICED + EVERY
        self._answered, self._pulses = now, pulses
        self._known_pulses |= pulses.last
        for node in self._first_heard.keys() & pulses.last.keys():
            del self._first_heard[node]
        if self._doubtful:
            await self._look_after_mine()
        for visit, (room, there) in self._elsewhere.items():
            if visit not in self._takings and self.is_dead(there.node) and self._here(room):
                logger.warning("%s fell silent and leaves %s", there.node, visit)
                # Beside the pulse, which must not wait for a room: others would take this node for dead.
                task = asyncio.create_task(self._take_over(visit, room), name=f"take over {visit}")
                self._takings[visit] = task

    async def _take_over(self, visit: str, room: str) -> None:
        try:
            await self.where(visit, room)
        except StoreAway:
            pass  # the next pulse tries again
        except SignalingError:
            self.forget(visit)  # it has ended, unheard here
        except Exception as error:  # noqa: BLE001 - one visit that cannot be taken must not keep the others
            logger.error("%s cannot be taken over: %s", visit, type(error).__name__)  # noqa: TRY400
        finally:
            del self._takings[visit]

    async def _look_after_mine(self) -> None:
        """Let go of the visits that others have taken while this node was silent."""
        there = await self._nodes.carriers(tuple(self._mine))
        for visit, lease in tuple(self._mine.items()):
            # A store that lost its memory has nobody: then it is told anew, with a fence above all that were seen.
            now = there.get(visit) or await self._nodes.claim(visit, self._node, floor=lease.fence)
            if now.node != self._node:
                self.lose(visit)
            elif visit in self._mine:
                self._mine[visit] = now
        self._doubtful = self._steady() < self._doubtful_until

    def lose(self, visit: str) -> None:
        """Let go of a visit that another node has."""
        if self._mine.pop(visit, None) is not None:
            logger.warning("another node has taken %s", visit)
            self._lost(visit)
