"""What a load run measured, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return a table of percentiles in milliseconds, a row a step."""
    rows = [f"{'':<20}{'n':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}  ms"]
    for step, values in seconds.items():
        if values:
            cells = "".join(f"{1000 * percentile(values, share):>9.1f}" for share in (0.5, 0.95, 0.99, 1.0))
            rows.append(f"{step:<20}{len(values):>7}{cells}")
    return "\n".join(rows)


def service(before: Mapping[str, float], after: Mapping[str, float], visits: int) -> str:
    """Return what the run cost the service, by its own figures."""
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    memory = after["process_resident_memory_bytes"]
    grown = memory - before["process_resident_memory_bytes"]
    return (
        f"service: {cpu:.2f} s of CPU, {1000 * cpu / visits:.1f} ms a visit; "
        f"{memory / 2**20:.0f} MiB resident, {grown / 2**20:+.1f} MiB in this run"
    )
