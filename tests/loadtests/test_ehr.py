"""What a load run reads of the service that it loads."""

from __future__ import annotations

from loadtests.ehr import figures

TEXT = """# HELP process_cpu_seconds_total Time.
process_cpu_seconds_total{worker="1"} 1.5
process_cpu_seconds_total{worker="2"} 2.25
process_cpu_seconds_total{worker="parent"} 0.25
carelobby_ws_closed_total{code="4001"}{worker="1"} 3
carelobby_ws_closed_total{code="4001"} 3
carelobby_visits 7
"""


def test_the_figures_of_several_workers_are_their_sum_and_what_has_labels_is_left_out() -> None:
    assert figures(TEXT) == {"process_cpu_seconds_total": 4.0, "carelobby_visits": 7.0}
