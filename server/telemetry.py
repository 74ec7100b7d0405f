"""What operators may know: counts and sizes, never a name. And logs for strangers: constant text, ids as values."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger("carelobby.telemetry")

LAG_EVERY, LAG_SAMPLES = 0.25, 60
"""Seconds between two looks at the loop, and how many are remembered: the last quarter of a minute."""
BACKLOG_EVERY = 10.0
"""Seconds between two looks at what is owed."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's names for them (malloc.h)."""
GIVE_BACK = 128 * 1024
"""Bytes: what both are when a process begins."""


class Labelled(NamedTuple):
    """Counts by the values of one label: codes, statuses; never somebody."""

    label: str
    values: Mapping[Any, float]


Figure = float | Labelled
Figures = Callable[[], Mapping[str, Figure]]
"""Called at each scrape: name → value. A name that ends in `_total` is a counter, all other numbers are gauges."""


class _Reading(Collector):
    def __init__(self, prefix: str, figures: Figures) -> None:
        self._prefix = prefix
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures().items():
            yield _metric(f"carelobby_{self._prefix}_{name}", name.replace("_", " "), value)


def _metric(name: str, text: str, value: Figure) -> Metric:
    counter = name.endswith("_total")
    family = CounterMetricFamily if counter else GaugeMetricFamily
    name = name.removesuffix("_total")
    if not isinstance(value, Labelled):
        return family(name, text, value=value)
    labelled = family(name, text, labels=[value.label])
    for key, number in value.values.items():
        labelled.add_metric([str(key)], number)
    return labelled


def figures_of(
    counts: Callable[[], DataclassInstance], gauges: Collection[str] = (), labels: Mapping[str, str] | None = None
) -> Figures:
    """Return the figures of a dataclass of counts, asked for at each scrape.

    `gauges` are those that go down, too; `labels` names the label of each that is a mapping.
    """

    def read() -> dict[str, Figure]:
        found: dict[str, Figure] = {}
        now = counts()
        for field in fields(now):
            value = getattr(now, field.name)
            name = field.name if field.name in gauges else f"{field.name}_total"
            found[name] = Labelled((labels or {})[field.name], dict(value)) if isinstance(value, Mapping) else value
        return found

    return read


class Lag:
    """How late the event loop is: what everybody waits for, whatever they wait for."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=LAG_SAMPLES)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self._samples.append(max(0.0, loop.time() - due))

    def recent(self, seconds: float) -> list[float]:
        """Return how late it was at each look of the last seconds."""
        return list(self._samples)[-round(seconds / LAG_EVERY) :]

    def figures(self) -> dict[str, Figure]:
        """Return the worst of the last quarter of a minute."""
        return {"lag_seconds": max(self._samples, default=0.0)}


def underway() -> dict[str, Figure]:
    """Return how much runs at once in this process, to be asked inside its loop: what a leak would let grow."""
    return {"tasks": len(asyncio.all_tasks()), "threads": threading.active_count()}


class Backlog:
    """What is owed and not yet done, looked at now and then: asking costs a round trip."""

    def __init__(self, **sources: Callable[[], Awaitable[int]]) -> None:
        """`sources` by name; what cannot be asked keeps its last number."""
        self._sources = sources
        self._found: dict[str, Figure] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(BACKLOG_EVERY)

    async def look(self) -> None:
        """Ask every source once."""
        for name, ask in self._sources.items():
            try:
                self._found[name] = await ask()
            except Exception as error:  # noqa: BLE001 - store or database are away; a figure is not worth more
                logger.debug("%s is not known: %s", name, type(error).__name__)

    def figures(self) -> dict[str, Figure]:
        """Return what was found last."""
        return dict(self._found)


class Telemetry:
    """The figures of one process."""

    def __init__(self, sources: Mapping[str, Figures], *, worker: str | None = None) -> None:
        """`sources` by prefix: each part of the service counts for itself and is read at a scrape.

        `worker`: which of several processes this is; every figure is marked by it.
        """
        self._worker = worker
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        for prefix, figures in sources.items():
            self._registry.register(_Reading(prefix, figures))

    def text(self) -> bytes:
        """Return everything as Prometheus text."""
        return generate_latest(self._registry if self._worker is None else _Marked(self._registry, self._worker))


class _Marked(CollectorRegistry):
    """The figures of one of several processes."""

    def __init__(self, registry: CollectorRegistry, worker: str) -> None:
        super().__init__()
        self._of = registry
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        for metric in self._of.collect():
            marked = [sample._replace(labels=sample.labels | {"worker": self._worker}) for sample in metric.samples]
            metric.samples = marked
            yield metric


def together(texts: Sequence[str]) -> bytes:
    """Return the Prometheus texts of several processes as one: what has one name must stand in one place."""
    heads: dict[str, list[str]] = {}
    samples: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        name, known = "", frozenset(heads)
        for line in text.splitlines():
            if line.startswith("# "):
                name = line.split(" ", 3)[2]
                if name not in known:
                    heads.setdefault(name, []).append(line)
            else:
                samples[name].append(line)
    return "".join(f"{line}\n" for name, head in heads.items() for line in (*head, *samples[name])).encode()


def set_up_logging(level: str, *, worker: int | None = None) -> None:
    """Log to standard error: time, worker if there are several, level, part, text.

    Other people's libraries tell warnings alone.
    """
    number = "" if worker is None else f"[{worker}] "
    form = f"%(asctime)s {number}%(levelname)-7s %(name)s  %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, force=True)
    for ours in ("carelobby", "server"):
        logging.getLogger(ours).setLevel(level.upper())


def tune_allocator() -> bool:
    """Keep glibc from learning to hold on to what is freed; return whether it is glibc, and does.

    It raises both of its thresholds by itself when something large is freed. Peers come and go, and leave a heap full
    of holes then: 30 MiB after 250 visits, and more with each.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(which, GIVE_BACK) == 1 for which in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def tune_collector() -> None:
    """Keep the garbage collector out of the tail: what is alive after start-up stays, and closing leaves no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1000)
