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
    faulty = GaugeMetricFamily(
        "dcis_node_device_faulty",
        "1 if the device of the analysis has failed, and it runs on the CPU or waits",
        labels=("process",),
    )
    for name, device in sorted(status["devices"].items()):
        faulty.add_metric((name,), float(device["fault_since"] is not None))
    yield from (loops, ends, faulty)
    yield GaugeMetricFamily(
        "dcis_node_reload_refused",
        "1 if the last reload was refused",
        value=float(status["reload"].get("state") == REFUSED),
    )
