"""The health of the processes as figures for a monitoring system."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dcis_node.operate.supervision import CRASH_LOOP, REFUSED, supervision_status
from storage.heartbeat import Beat


def supervision_figures(seen: Sequence[Beat]) -> Iterator[Metric]:
    """Give what `supervision_status` says as figures."""
    status = supervision_status(seen)
    loops = GaugeMetricFamily(
        "dcis_node_process_crash_loop", "1 if a process dies again and again", labels=("process",)
    )
    ends = CounterMetricFamily(
        "dcis_node_process_silent_ends", "How often a process was ended because it was silent", labels=("process",)
    )
    for name, child in sorted(status["children"].items()):
        loops.add_metric((name,), float(child["state"] == CRASH_LOOP))
        ends.add_metric((name,), child["silent_ends"])
    fallback = GaugeMetricFamily(
        "dcis_node_device_fallback", "1 if the analysis runs on the CPU because its device failed", labels=("process",)
    )
    for name, device in sorted(status["devices"].items()):
        fallback.add_metric((name,), float(device["fallback_since"] is not None))
    yield from (loops, ends, fallback)
    yield GaugeMetricFamily(
        "dcis_node_reload_refused",
        "1 if the last reload was refused",
        value=float(status["reload"].get("state") == REFUSED),
    )
