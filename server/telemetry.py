"""What operators may know: counts and sizes, never a name. And logs for strangers: constant text, ids as values."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Figures = Callable[[], Mapping[str, float]]
"""Called at each scrape: name → value. A name that ends in `_total` is a counter, all others are gauges."""


class _Reading(Collector):
    def __init__(self, prefix: str, figures: Figures) -> None:
        self._prefix = prefix
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures().items():
            full, text = f"carelobby_{self._prefix}_{name}", name.replace("_", " ")
            if name.endswith("_total"):
                yield CounterMetricFamily(full.removesuffix("_total"), text, value=value)
            else:
                yield GaugeMetricFamily(full, text, value=value)


class Telemetry:
    """The figures of one process."""

    def __init__(self, sources: Mapping[str, Figures]) -> None:
        """`sources` by prefix: each part of the service counts for itself and is read at a scrape."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        for prefix, figures in sources.items():
            self._registry.register(_Reading(prefix, figures))

    def text(self) -> bytes:
        """Return everything as Prometheus text."""
        return generate_latest(self._registry)


def set_up_logging(level: str) -> None:
    """Log to standard error: time, level, part, text. Other people's libraries tell warnings alone."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s  %(message)s", force=True)
    for ours in ("carelobby", "server"):
        logging.getLogger(ours).setLevel(level.upper())


def tune_collector() -> None:
    """Keep the garbage collector out of the tail: what is alive after start-up stays, and closing leaves no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 1000)
